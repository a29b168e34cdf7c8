import asyncio
import hashlib
import hmac
import socket

import pytest

from paglets.mesh.beacon import (
    SENDER_LIMIT,
    Beacon,
    BeaconIdentity,
    BeaconSettings,
    Freshness,
    Hint,
    RateLimit,
    decode_beacon,
    encode_beacon,
)


def sign(data, key=b"k"):
    return hmac.digest(key, data, hashlib.sha256)


def verify(data, signature):
    return hmac.compare_digest(sign(data), signature)


HINT = Hint("id-a", "http://a:8765", 100.0)


def identity(host_id):
    return BeaconIdentity(host_id, f"http://{host_id}:8765", sign, verify)


def test_a_signed_beacon_is_read():
    assert decode_beacon(encode_beacon(HINT, sign), verify) == HINT


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"x" * 600,
        encode_beacon(HINT, lambda data: sign(data, b"other key")),
        encode_beacon(HINT, sign)[:-1] + b"!",
        sign(b"PGL1junk") + b"PGL1junk",
        sign(b"XXXX") + b"XXXX",
    ],
)
def test_a_forged_altered_or_unreadable_packet_is_dropped(packet):
    assert decode_beacon(packet, verify) is None


def test_replayed_beacons_are_not_followed_and_clocks_are_not_compared():
    freshness = Freshness()
    assert freshness.is_new(HINT)
    assert not freshness.is_new(HINT)
    assert not freshness.is_new(Hint("id-a", "http://a:8765", 99.0))
    assert freshness.is_new(Hint("id-b", "http://b:8765", 1.0))
    assert freshness.is_new(Hint("id-a", "http://a:8765", 101.0))


def test_the_memory_for_senders_is_bounded():
    freshness = Freshness()
    for number in range(2 * SENDER_LIMIT):
        freshness.is_new(Hint(f"h{number}", "http://a:1", 1.0))
    assert not freshness.is_new(Hint(f"h{2 * SENDER_LIMIT - 1}", "http://a:1", 1.0))
    assert freshness.is_new(Hint("h0", "http://a:1", 1.0))


def test_a_flood_is_cut_to_its_rate():
    limit = RateLimit(10.0)
    assert sum(limit.admit(number / 10_000) for number in range(10_000)) in (19, 20)
    assert limit.admit(5.0)


def test_a_flood_costs_at_most_ten_looks_a_second():
    verified = []

    def count(data, signature):
        verified.append(data)
        return verify(data, signature)

    hints = []
    beacon = Beacon(BeaconIdentity("me", "http://me:1", sign, count), hints.append)
    for number in range(500):
        packet = encode_beacon(Hint(f"h{number}", "http://a:1", 1.0), sign)
        beacon.datagram_received(packet, ("10.0.0.1", 1))
    assert len(verified) == len(hints) <= 15
    assert beacon.dropped == 500 - len(hints)


def test_replays_forgeries_and_our_own_beacons_give_no_hint():
    hints = []
    beacon = Beacon(identity("id-a"), hints.append)
    other = encode_beacon(Hint("id-b", "http://b:1", 5.0), sign)
    for packet in (encode_beacon(HINT, sign), other, other, b"junk"):
        beacon.datagram_received(packet, ("10.0.0.1", 1))
    assert hints == ["http://b:1"]
    assert beacon.dropped == 2


@pytest.fixture
def settings():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("", 0))
        port = probe.getsockname()[1]
    return BeaconSettings(port=port, interface="127.0.0.1", interval=0.05)


async def test_two_hosts_on_one_network_hear_each_other(settings):
    heard = {"a": asyncio.Event(), "b": asyncio.Event()}
    expected = {"a": "http://b:8765", "b": "http://a:8765"}

    def on_hint(name):
        return lambda url: heard[name].set() if url == expected[name] else None

    beacons = [Beacon(identity(name), on_hint(name), settings) for name in heard]
    try:
        for beacon in beacons:
            await beacon.start()
        async with asyncio.timeout(10.0):
            for event in heard.values():
                await event.wait()
    finally:
        for beacon in beacons:
            await beacon.stop()
            await beacon.stop()
