"""Hosts in pages: all of them, in order, and none that does not fit into a frame."""

import random
from dataclasses import replace

import msgspec
import pytest

from paglets.mesh.messages import Identity
from paglets.model.refs import HostRef
from paglets.runtime.childcalls import ANSWER_LIMIT
from paglets.runtime.hostpages import PAGE_BYTES, page_of_hosts


def make_host(number, **fields):
    return HostRef(
        f"host-{number:04}",
        f"http://host-{number:04}.rack-7.site-b.example:8765",
        code_version="1.4.2+6c1f9e0b",
        last_seen=1_700_000_000.0 + number,
        host_id=f"{number:016x}",
        generation=1_700_000_000_000,
        **fields,
    )


def described(number):
    """A host that says as much of itself as people write into a launch.toml."""
    return make_host(
        number,
        tags=tuple(f"tag-{n}" for n in range(12)),
        properties={f"property-{n}": f"value {n} of host {number}" * 6 for n in range(16)},
        capabilities=("gpu", "large-disk", "site-b"),
        error="other code: this host runs 1.4.2, that one 1.4.1" if number % 10 == 0 else None,
    )


def pages_of(hosts):
    """Return all pages as a paglet gets them, and check that each fits into a frame."""
    pages, after = [], None
    while True:
        page = page_of_hosts(hosts, after)
        assert len(msgspec.msgpack.encode(page)) <= ANSWER_LIMIT
        pages.append(page.hosts)
        if page.next is None:
            return pages
        after = page.next


def test_a_thousand_hosts_with_tags_and_properties_come_in_pages_that_fit():
    hosts = [described(number) for number in range(1000)]
    assert len(msgspec.msgpack.encode(hosts)) > ANSWER_LIMIT
    mixed = random.Random(7).sample(hosts, len(hosts))
    pages = pages_of(mixed)
    assert len(pages) > 1
    assert [host for page in pages for host in page] == hosts


def test_few_hosts_are_one_page():
    hosts = [make_host(number) for number in range(30)]
    assert pages_of(hosts) == [tuple(hosts)]
    assert pages_of([]) == [()]


def test_the_largest_hosts_that_the_mesh_takes_in_fit_too():
    wide = "\N{SNOWMAN}"
    words = tuple(wide * 250 + str(number) for number in range(64))
    texts = dict.fromkeys(words, wide * 1024)
    said = Identity("0" * 16, "alpha", "http://alpha:1", 1, "", words, texts, words)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(said), type=Identity) == said
    hosts = [make_host(n, tags=words, properties=texts, capabilities=words) for n in range(9)]
    assert [host for page in pages_of(hosts) for host in page] == hosts
    assert len(msgspec.msgpack.encode(hosts[0])) < ANSWER_LIMIT - PAGE_BYTES


@pytest.mark.parametrize("gone", [True, False], ids=["gone", "still there"])
def test_the_next_page_begins_behind_the_last_host_whether_that_is_there_or(gone):
    hosts = [described(number) for number in range(1000)]
    first = page_of_hosts(hosts, None)
    length = len(first.hosts)
    left = hosts[: length - 1] + hosts[length:] if gone else hosts
    second = page_of_hosts(left, first.next)
    assert second.hosts[0] == hosts[length]


def test_hosts_of_one_name_are_told_apart():
    hosts = [replace(described(7), host_id=f"{number:016x}") for number in range(1000)]
    assert [host for page in pages_of(hosts) for host in page] == hosts
