"""What rides on the gossip, as people see it: whole, in pages, and readable."""

import json

import msgspec
import pytest

from paglets.host.recordview import RecordView, readable
from paglets.mesh.directory import COUNTS_KIND, DRAINING_KIND, encode_counts
from paglets.runtime.load import encode_load
from paglets.wire.bodies import ServiceBody
from paglets.wire.servicerecords import LOAD_KIND, SERVICE_KIND, encode_service, service_key
from tests.unit.runtime.fakes import FakeHosts, FakeRecords
from tests.unit.runtime.samples import ALPHA, BETA, GAMMA, make_host, make_ref


@pytest.fixture
def told():
    """What alpha and beta have told, and a host that is not known any more."""
    records = FakeRecords()
    alpha, beta, gone = make_host(ALPHA), make_host(BETA), make_host(GAMMA)
    service = ServiceBody(name="tokenizer", version="1", provider=make_ref(), operations=("split",))
    records.hear(SERVICE_KIND, beta, service_key(service), encode_service(service))
    records.hear(LOAD_KIND, beta, "", encode_load(3))
    records.hear(COUNTS_KIND, beta, "", encode_counts(5, 2))
    records.hear("paglet.backlog", alpha, "tour", b'{"jobs":7}')
    records.hear(DRAINING_KIND, gone, "", b"1")
    return records


@pytest.fixture
def view(told):
    return RecordView(told, FakeHosts(make_host(BETA)))


def seen(view, **wanted):
    """Return host, kind and value of each record that is shown."""
    defaults = {"host": None, "kind": None, "after": None, "limit": 100}
    return [
        (each.host_name, each.kind, json.loads(bytes(each.value)))
        for each in view.list(**(defaults | wanted)).records
    ]


def test_every_record_is_shown_with_a_value_that_people_can_read(view):
    shown = seen(view)
    assert [(host, kind) for host, kind, _ in shown] == [
        ("", "draining"),
        ("alpha", "paglet.backlog"),
        ("beta", "counts"),
        ("beta", "load"),
        ("beta", "service"),
    ]
    assert [value for _, _, value in shown[1:4]] == [{"jobs": 7}, [5, 2], 3]
    assert shown[4][2][0] == ["split"]


def test_a_record_says_how_old_and_how_large_it_is_and_what_it_is_about(view):
    (service,) = view.list(host="beta", kind="service", after=None, limit=1).records
    assert service.key == "tokenizer/1/tour"
    assert service.host_id == "id-beta"
    assert service.size_bytes > 0
    assert service.age_seconds == 0.0
    assert service.version == 1


def test_the_list_can_be_narrowed_to_a_host_and_a_kind(view):
    assert {kind for _, kind, _ in seen(view, host="beta")} == {"counts", "load", "service"}
    assert seen(view, kind="load") == [("beta", "load", 3)]
    assert seen(view, host="alpha", kind="load") == seen(view, host="nobody") == []


def test_pages_have_all_records_once(view):
    everything, after = [], None
    while True:
        page = view.list(host=None, kind=None, after=after, limit=2)
        everything += page.records
        after = page.next
        if after is None:
            break
        assert len(page.records) == 2
    assert everything == list(view.list(host=None, kind=None, after=None, limit=5).records)
    assert len(everything) == 5


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("paglet.x", b"{"),
        ("paglet.x", b"\xff"),
        ("load", b""),
        ("service", b"\xc1"),
        ("later", msgspec.msgpack.encode({1: b"x", (1, 2): 3})),
    ],
)
def test_a_value_in_no_known_form_is_null_and_nothing_fails(kind, payload):
    assert bytes(readable(kind, payload)) == b"null"
