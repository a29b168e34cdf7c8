"""Service records as they ride on the gossip."""

import pytest

from paglets.agent.contracts import OPERATIONS_LIMIT
from paglets.model.errors import InvalidRequestError, TooLargeError
from paglets.model.names import CLASS_NAME_LIMIT, NAME_LIMIT, new_id
from paglets.model.refs import Epoch, HostRef, PagletProxyRef
from paglets.wire.bodies import ServiceBody
from paglets.wire.servicerecords import (
    PAYLOAD_LIMIT_BYTES,
    decode_service,
    encode_service,
    service_key,
    service_prefix,
)

HOST = HostRef(name="beta", url="http://beta:1", host_id="id-beta")


def record(**fields):
    ref = PagletProxyRef("http://beta:1", "a", "id-beta", "beta", Epoch(1, 2), new_id())
    return ServiceBody(
        **{"name": "tokenizer", "version": "1.0", "provider": ref, "host_name": "beta", **fields}
    )


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"operations": ("split", "join"), "class_name": "words:Tokenizer"},
        {"capabilities": ("gpu",), "metadata": {"lang": "en"}},
    ],
)
def test_a_record_is_read_as_it_was_told(fields):
    told = record(**fields)
    read = decode_service(service_key(told), encode_service(told), HOST)
    assert read == told
    ref, sent = read.provider, told.provider
    assert (ref.epoch, ref.birth_id, ref.host_id) == (sent.epoch, sent.birth_id, sent.host_id)


def test_a_usual_record_is_small():
    told = record(operations=("split",), class_name="words:Tokenizer")
    assert len(encode_service(told)) < 80


def test_the_widest_contract_a_class_can_declare_fits():
    widest = record(
        operations=tuple(f"{number:0{NAME_LIMIT}}" for number in range(OPERATIONS_LIMIT)),
        class_name="c" * CLASS_NAME_LIMIT,
        provider=PagletProxyRef("", "a", epoch=Epoch(2**60, 2**60), birth_id=new_id()),
    )
    assert len(encode_service(widest)) < PAYLOAD_LIMIT_BYTES


def test_what_is_over_the_limit_is_refused_by_name_and_size():
    with pytest.raises(TooLargeError, match=r"tokenizer of a: .*4096"):
        encode_service(record(metadata={"a": "b" * PAYLOAD_LIMIT_BYTES}))


def test_keys_begin_with_the_name_and_no_other_name():
    key = service_key(record())
    assert key == "tokenizer/1.0/a"
    assert key.startswith(service_prefix("tokenizer"))
    assert key.startswith(service_prefix(""))
    assert not key.startswith(service_prefix("token"))


@pytest.mark.parametrize(
    ("key", "payload"), [("a/b", b"\x93"), ("a/b/c/d", b"\x93"), ("a/b/c", b"x"), ("a/b/c", b"")]
)
def test_what_is_no_record_is_an_error_that_names_its_host(key, payload):
    with pytest.raises(InvalidRequestError, match="beta told no service record"):
        decode_service(key, payload, HOST)
