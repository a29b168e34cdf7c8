import asyncio
import socket

import pytest

from paglets.mesh.seeds import parse_seed, resolve_seed
from paglets.model.errors import HostUnreachableError, InvalidRequestError


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("alpha", "http://alpha:8765"),
        (" alpha:9000 ", "http://alpha:9000"),
        ("http://alpha", "http://alpha:8765"),
        ("https://alpha.example.org", "https://alpha.example.org:443"),
        ("10.0.0.7", "http://10.0.0.7:8765"),
        ("[2001:db8::1]:9", "http://[2001:db8::1]:9"),
    ],
)
def test_seeds_are_read_as_people_write_them(text, url):
    assert parse_seed(text) == url


@pytest.mark.parametrize("text", ["", "ftp://alpha", "alpha:port", "http://a/b", "a b:99999"])
def test_what_is_no_seed_is_refused_with_the_rule(text):
    with pytest.raises(InvalidRequestError, match="NAME:PORT"):
        parse_seed(text)


@pytest.fixture
def names(monkeypatch):
    """Name service of one name with three addresses, one of them given twice."""

    async def getaddrinfo(_loop, host, port, **_):
        if host != "mesh":
            raise socket.gaierror("Name or service not known")
        hosts = ["10.0.0.1", "10.0.0.2", "10.0.0.2", "2001:db8::1"]
        return [(socket.AF_INET, 1, 6, "", (each, port)) for each in hosts]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)


async def test_a_name_with_several_addresses_gives_all_of_them(names):
    assert await resolve_seed("http://mesh:9") == (
        "http://10.0.0.1:9",
        "http://10.0.0.2:9",
        "http://[2001:db8::1]:9",
    )


@pytest.mark.parametrize("seed", ["http://10.0.0.7:9", "http://[::1]:9", "https://mesh:443"])
async def test_addresses_and_names_with_a_certificate_stay_as_they_are(names, seed):
    assert await resolve_seed(seed) == (seed,)


async def test_an_unknown_name_is_an_error_that_names_it(names):
    with pytest.raises(HostUnreachableError, match="seed nowhere has no address"):
        await resolve_seed("http://nowhere:9")
