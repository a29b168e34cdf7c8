"""Multicast beacons: "here is a host", for networks where nobody wants to write seeds.

Off unless asked for. A beacon is only a hint to try a join, which is signed and checks everything;
so a forged, replayed or endless stream of them can cost no more than a few attempts. Beacons are
signed all the same, and dropped unless newer than the sender's last. Clocks of two hosts are not
compared: a beacon's time is compared with that sender's earlier ones only.
"""

import asyncio
import logging
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from random import Random, SystemRandom

import msgspec

from paglets.mesh.messages import Name, ShortText, check_url

log = logging.getLogger(__name__)

MAGIC = b"PGL1"
SIGNATURE_BYTES = 32
PACKET_LIMIT_BYTES = 512
SENDER_LIMIT = 1024
"""Senders remembered; the longest silent is forgotten first."""


@dataclass(frozen=True, slots=True)
class BeaconSettings:
    """Where and how often."""

    group: str = "239.42.74.53"
    """Multicast address; hosts with another one do not see each other."""
    port: int = 48765
    ttl: int = 1
    """Routers a beacon may pass; 1 stays on the network."""
    interface: str | None = None
    """IPv4 address of the interface to use; None leaves it to the system."""
    interval: float = 5.0
    """Seconds between two beacons, with a quarter of jitter. Shorter finds hosts sooner; every host
    on the network receives each."""
    hints_per_second: float = 10.0
    """Beacons looked at; further ones are dropped unread."""


class Hint(msgspec.Struct, frozen=True, array_like=True):
    """What a beacon says."""

    host_id: Name
    url: ShortText
    stamp: float
    """Unix seconds on the sender's clock; grows with each of its beacons."""

    def __post_init__(self) -> None:
        check_url(self.url)


Sign = Callable[[bytes], bytes]
"""Returns 32 bytes over the data, such as an HMAC-SHA256."""
Verify = Callable[[bytes, bytes], bool]
"""Data and signature; compares in constant time."""

_decoder = msgspec.msgpack.Decoder(Hint)


def encode_beacon(hint: Hint, sign: Sign) -> bytes:
    """Return the packet of a beacon."""
    body = MAGIC + msgspec.msgpack.encode(hint)
    return sign(body) + body


def decode_beacon(packet: bytes, verify: Verify) -> Hint | None:
    """Return what a packet says, None unless it is a beacon with a valid signature."""
    signature, body = packet[:SIGNATURE_BYTES], packet[SIGNATURE_BYTES:]
    if len(packet) > PACKET_LIMIT_BYTES or not body.startswith(MAGIC):
        return None
    if not verify(body, signature):
        return None
    try:
        return _decoder.decode(body[len(MAGIC) :])
    except msgspec.DecodeError:
        return None


class RateLimit:
    """A token bucket that holds one second's worth. Pure; the time is an argument."""

    def __init__(self, per_second: float) -> None:
        self._rate = per_second
        self._tokens = per_second
        self._at: float | None = None

    def admit(self, now: float) -> bool:
        """Return whether one more is within the rate."""
        passed = 0.0 if self._at is None else max(0.0, now - self._at)
        self._at = now
        self._tokens = min(self._rate, self._tokens + passed * self._rate)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Freshness:
    """Remembers each sender's last beacon, so that replays are not followed. Pure."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}

    def is_new(self, hint: Hint) -> bool:
        """Return whether a hint is later than all before it from that sender."""
        last = self._last.pop(hint.host_id, None)
        is_new = last is None or hint.stamp > last
        self._last[hint.host_id] = hint.stamp if last is None else max(last, hint.stamp)
        if len(self._last) > SENDER_LIMIT:
            del self._last[next(iter(self._last))]
        return is_new


@dataclass(frozen=True, slots=True)
class BeaconIdentity:
    """Who sends, and how it signs."""

    host_id: str
    url: str
    sign: Sign
    verify: Verify


class Beacon(asyncio.DatagramProtocol):
    """Sends beacons of this host and reports those of others; runs on the host's loop."""

    def __init__(
        self,
        identity: BeaconIdentity,
        on_hint: Callable[[str], None],
        settings: BeaconSettings | None = None,
        random: Random | None = None,
    ) -> None:
        self.dropped = 0
        """Packets that were forged, replayed, unreadable or too many."""
        self._identity = identity
        self._on_hint = on_hint
        self._settings = settings or BeaconSettings()
        self._random = random or SystemRandom()
        self._limit = RateLimit(self._settings.hints_per_second)
        self._freshness = Freshness()
        self._transport: asyncio.DatagramTransport | None = None
        self._sender: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Join the group and begin to send.

        Raises:
            OSError: The interface has no multicast, or the port is taken by someone who does not
                share it.
        """
        loop = asyncio.get_running_loop()
        opened = _open_socket(self._settings)
        try:
            self._transport, _ = await loop.create_datagram_endpoint(lambda: self, sock=opened)
        except BaseException:
            opened.close()
            raise
        self._sender = asyncio.create_task(self._send_always(), name="mesh beacon")

    async def stop(self) -> None:
        """Stop sending and listening."""
        if self._sender is not None:
            self._sender.cancel()
            with suppress(asyncio.CancelledError):
                await self._sender
            self._sender = None
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def advertise(self, url: str) -> None:
        """Name another URL from the next beacon on: this host has a new address."""
        self._identity = replace(self._identity, url=url)

    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:
        """Look at a packet; called by the loop."""
        del addr  # what a host advertises counts, never where a packet seems to come from
        if not self._limit.admit(time.monotonic()):
            self.dropped += 1
            return
        hint = decode_beacon(data, self._identity.verify)
        if hint is None:
            self.dropped += 1
        elif hint.host_id != self._identity.host_id:
            if self._freshness.is_new(hint):
                self._on_hint(hint.url)
            else:
                self.dropped += 1

    def error_received(self, exc: Exception) -> None:
        """Note that a beacon could not be sent; the next one may be."""
        log.debug("beacon not sent: %s", exc)

    async def _send_always(self) -> None:
        settings = self._settings
        while True:
            identity = self._identity
            hint = Hint(identity.host_id, identity.url, time.time())
            if self._transport is not None:
                # A network that went and came back has forgotten that this host listens.
                _join_group(self._transport.get_extra_info("socket"), settings)
                packet = encode_beacon(hint, identity.sign)
                self._transport.sendto(packet, (settings.group, settings.port))
            await asyncio.sleep(settings.interval * (0.75 + self._random.random() / 2))


def _open_socket(settings: BeaconSettings) -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_UDP)
    try:
        opened.setblocking(False)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "SO_REUSEPORT"):
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        opened.bind(("", settings.port))
        opened.setsockopt(
            socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, struct.pack("b", settings.ttl)
        )
        opened.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
        if settings.interface is not None:
            own = socket.inet_aton(settings.interface)
            opened.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, own)
        opened.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, _membership(settings))
    except BaseException:
        opened.close()
        raise
    return opened


def _membership(settings: BeaconSettings) -> bytes:
    own = socket.inet_aton(settings.interface or "0.0.0.0")  # noqa: S104 - any interface
    return socket.inet_aton(settings.group) + own


def _join_group(opened: socket.socket, settings: BeaconSettings) -> None:
    # Refused where the socket is a member still, or there is no network just now.
    with suppress(OSError):
        opened.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, _membership(settings))
