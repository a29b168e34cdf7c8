"""Which URLs are followed (FIELD 3.3.11)."""

import asyncio
import socket

import pytest
from aiohttp.abc import AbstractResolver

from paglets.model.errors import InvalidRequestError
from paglets.remote.urls import CheckedResolver, UrlPolicy, host_of_header, parse_url


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://alpha:8765", "http://alpha:8765"),
        ("alpha", "http://alpha:8765"),
        ("alpha:9000", "http://alpha:9000"),
        ("https://Alpha.Example.org/", "https://alpha.example.org:443"),
        ("http://127.0.0.1:1", "http://127.0.0.1:1"),
        ("http://[::1]:2", "http://[::1]:2"),
        ("http://[0:0::1]:2", "http://[::1]:2"),
        ("http://my_host-1:3", "http://my_host-1:3"),
        ("http://10.1.2.3", "http://10.1.2.3:8765"),
    ],
)
def test_a_url_of_a_host_has_one_spelling(text, expected):
    assert parse_url(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "http://169.254.169.254",
        "http://[::ffff:169.254.169.254]",
        "http://[fe80::1]",
        "http://224.0.0.1",
        "http://[ff02::1]",
        "http://0.0.0.0",
        "http://[::]",
        "http://255.255.255.255",
        "http://0x7f000001",
        "http://2130706433",
        "http://127.1",
        "http://0177.0.0.1",
        "http://127.0.0.1.",
        "http://user@alpha",
        "http://user:word@alpha",
        "http://alpha@169.254.169.254",
        "http://alpha/path",
        "http://alpha?query",
        "http://alpha#part",
        "http://alpha:0",
        "http://alpha:99999",
        "http://alpha:port",
        "http://",
        "http://-alpha",
        "http://alpha..beta",
        "http://al pha",
        "http://alpha\\@beta",
        "http://alpha\n",
        "http://[fe80::1%25eth0]",
        "http://" + "a" * 600,
        "ftp://alpha",
        "file:///etc/passwd",
        "unix://socket",
        "javascript:alert(1)",
    ],
)
def test_other_urls_are_refused(text):
    with pytest.raises(InvalidRequestError):
        parse_url(text)


@pytest.mark.parametrize("text", ["http://127.0.0.1", "http://[::1]", "http://[::ffff:127.0.0.1]"])
def test_loopback_is_for_hosts_that_are_on_loopback(text):
    assert parse_url(text, UrlPolicy(allow_loopback=True))
    with pytest.raises(InvalidRequestError, match="loopback"):
        parse_url(text, UrlPolicy(allow_loopback=False))


def test_a_password_in_a_url_is_not_repeated():
    with pytest.raises(InvalidRequestError) as caught:
        parse_url("http://user:hunter2@alpha")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("header", "host"),
    [
        ("alpha:1", "alpha"),
        ("[::1]:8765", "::1"),
        ("10.0.0.1", "10.0.0.1"),
        ("a@b", None),
        ("a/b", None),
        ("a:x", None),
    ],
)
def test_the_host_of_a_host_header(header, host):
    assert host_of_header(header) == host


class Names(AbstractResolver):
    def __init__(self, *addresses):
        self.addresses = addresses

    async def resolve(self, host, port=0, family=socket.AF_INET):
        return [
            {"hostname": host, "host": address, "port": port, "family": family, "proto": 0,
             "flags": 0}
            for address in self.addresses
        ]  # fmt: skip

    async def close(self):
        pass


async def test_a_name_is_checked_by_what_it_resolves_to():
    resolver = CheckedResolver(UrlPolicy(), Names("169.254.169.254", "fe80::1%eth0"))
    with pytest.raises(OSError, match="link-local"):
        await resolver.resolve("metadata.test", 80)


async def test_only_the_addresses_that_were_checked_are_connected_to():
    resolver = CheckedResolver(
        UrlPolicy(allow_loopback=False), Names("127.0.0.1", "10.0.0.1", "::ffff:169.254.169.254")
    )
    found = await resolver.resolve("rebinds.test", 80)
    assert [result["host"] for result in found] == ["10.0.0.1"]


async def test_a_name_without_an_address_is_an_error():
    with pytest.raises(OSError, match="no address"):
        await CheckedResolver(UrlPolicy(), Names()).resolve("nowhere.test", 80)


class SilentNames(Names):
    """A name server that does not answer before it is told to."""

    def __init__(self, *addresses):
        super().__init__(*addresses)
        self.asked = []
        self.answers = asyncio.Event()

    async def resolve(self, host, port=0, family=socket.AF_INET):
        self.asked.append(host)
        await self.answers.wait()
        return await super().resolve(host, port, family)


async def test_a_name_server_that_is_silent_holds_nobody_up_for_longer_than_connecting_may():
    names = SilentNames("10.0.0.1")
    resolver = CheckedResolver(UrlPolicy(), names, timeout=0.01)
    for _ in range(3):
        with pytest.raises(OSError, match=r"beta\.test was not resolved within 0\.01 s"):
            await resolver.resolve("beta.test", 80)
    assert names.asked == ["beta.test"]
    await resolver.close()


async def test_all_that_ask_for_a_name_share_one_look_up_and_later_ones_look_again():
    names = SilentNames("10.0.0.1")
    resolver = CheckedResolver(UrlPolicy(), names)
    asking = [asyncio.create_task(resolver.resolve("beta.test", 80)) for _ in range(3)]
    other = asyncio.create_task(resolver.resolve("gamma.test", 80))
    names.answers.set()
    assert [(await each)[0]["host"] for each in [*asking, other]] == ["10.0.0.1"] * 4
    assert names.asked == ["beta.test", "gamma.test"]
    await resolver.resolve("beta.test", 80)
    assert names.asked == ["beta.test", "gamma.test", "beta.test"]
