"""Builds the API of a host: every route of the table, its handler, and the gate before them."""

import asyncio
from dataclasses import dataclass, field

from paglets.host.http.access import Access
from paglets.host.http.agents import AgentRoutes
from paglets.host.http.drain import DrainRoutes
from paglets.host.http.events import EventRoutes
from paglets.host.http.fanout import Clients, FanOut
from paglets.host.http.forward import Forwarder
from paglets.host.http.gate import Gate
from paglets.host.http.health import HealthRoutes
from paglets.host.http.hosts import HostRoutes
from paglets.host.http.lifecycle import LifecycleRoutes
from paglets.host.http.limits import HttpLimits
from paglets.host.http.mesh import MeshRoutes
from paglets.host.http.messages import MessageRoutes
from paglets.host.http.openapi import OpenApiRoutes
from paglets.host.http.ports import Ports
from paglets.host.http.routing import Handler, Router
from paglets.host.http.tally import Tally
from paglets.host.http.transfers import TransferRoutes
from paglets.remote.session import PeerSession
from paglets.wire.routes import ROUTES


@dataclass(frozen=True, slots=True)
class Outward:
    """How the API itself reaches other hosts."""

    session: PeerSession
    """For forwarded requests."""
    clients: Clients
    """For `scope=mesh`."""
    own_id: str
    """Host id of this host."""
    limits: HttpLimits = field(default_factory=HttpLimits)


def build_gate(ports: Ports, access: Access, outward: Outward) -> Gate:
    """Return the API, ready to be served; called once, by `host/build.py`.

    Args:
        ports: Who does what the routes promise.
        access: Who may ask.
        outward: Other hosts, and the limits of this one.

    Raises:
        ValueError: The table of routes and the handlers do not fit each other.
    """
    limits = outward.limits
    fan_out = FanOut(ports.hosts, outward.own_id, outward.clients, limits)
    forwarder = Forwarder(ports.hosts, outward.own_id, outward.session)
    tally, stopping = Tally(), asyncio.Event()
    handlers: dict[str, Handler] = {}
    for routes in (
        HealthRoutes(ports.health, access.key_id, tally, ports.mesh),
        OpenApiRoutes(ROUTES),
        HostRoutes(ports.hosts, ports.records, ports.services),
        EventRoutes(ports.events, fan_out, stopping),
        MeshRoutes(ports.mesh),
        AgentRoutes(ports.creation, ports.inspection, fan_out),
        MessageRoutes(ports.delivery),
        LifecycleRoutes(ports.creation, ports.departures, ports.inactivity, ports.leases),
        DrainRoutes(ports.draining),
        TransferRoutes(ports.arrivals, ports.fencing, ports.transfers, fan_out),
    ):
        handlers.update(routes.handlers())
    router = Router(ROUTES, handlers, forwarder.forward)
    forwarder.use(router)
    return Gate(router, access, limits, tally=tally, stopping=stopping)
