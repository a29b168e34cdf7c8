"""The routes of the HTTP API, in one table.

The server routes by it, clients call by it and the OpenAPI document is made of it, so that the
three cannot differ.
"""

from dataclasses import dataclass
from enum import StrEnum

import msgspec

from paglets.wire import bodies, hostbodies
from paglets.wire.messages import WireMessage


class Pool(StrEnum):
    """Which worker slots a request takes: calls can never starve the mesh or a settlement."""

    CALL = "call"
    MESH = "mesh"
    TRANSFER = "transfer"
    OPEN = "open"
    """Answered without credentials."""


@dataclass(frozen=True, slots=True)
class Route:
    """One operation of the API."""

    method: str
    path: str
    """With `{name}` for path parameters."""
    name: str
    """Operation id, and the name of the server's handler."""
    summary: str
    request: type[msgspec.Struct] | None = None
    """None: no body, or a body that is no JSON."""
    response: type[msgspec.Struct] | None = None
    """None: no body, or a body that is no JSON."""
    pool: Pool = Pool.CALL
    query: tuple[tuple[str, str], ...] = ()
    """Query parameters with a sentence each."""
    status: int = 200
    """Status of success."""


_PAGE = (
    ("limit", "Largest number of entries, 1 to 1000; default 100."),
    ("after", "Where to go on: the `next` of the page before."),
)
_MESH = (("scope", "`mesh` asks every online host too; default is this host."),)
_KEYED = (("Idempotency-Key", "Header. The same key gives the outcome of the first call again."),)

ROUTES: tuple[Route, ...] = (
    Route("GET", "/livez", "livez", "Answers while the loop turns.", pool=Pool.OPEN),
    Route("GET", "/readyz", "readyz", "Answers 200 once API and store are up.", pool=Pool.OPEN),
    Route("GET", "/health", "health", "How this host is.", response=hostbodies.HealthBody),
    Route("GET", "/openapi.json", "openapi", "This API as OpenAPI 3.1."),
    Route(
        "GET",
        "/hosts",
        "hosts",
        "Hosts of the mesh.",
        response=bodies.HostList,
        query=(
            ("online", "`true`: only those online."),
            ("tag", "Only those with this tag."),
            ("capability", "Only those with this capability."),
        ),
    ),
    Route(
        "GET",
        "/records",
        "records",
        "What hosts and paglets have told the whole mesh, as this host knows it.",
        response=bodies.RecordList,
        query=(
            ("host", "Only those of hosts of this name."),
            ("kind", "Only this kind."),
            *_PAGE,
        ),
    ),
    Route(
        "POST",
        "/drain",
        "drain",
        "Refuse arrivals and move all paglets away, or put them to sleep here.",
        request=bodies.DrainBody,
        response=bodies.DrainAnswer,
    ),
    Route(
        "GET",
        "/events",
        "events",
        "The event log, as JSON or (Accept: text/event-stream) SSE.",
        response=hostbodies.EventList,
        query=(
            ("after", "Sequence number to go on from."),
            ("kind", "Only this kind."),
            ("agent_id", "Only of this paglet."),
            ("level", "At least this level."),
            ("limit", "Largest number of events, 1 to 1000; default 100."),
            *_MESH,
        ),
    ),
    Route(
        "GET",
        "/services",
        "services",
        "Services that can be called from here.",
        response=bodies.ServiceList,
        query=(
            ("name", "Only of this name."),
            ("version", "Only of this version, exactly."),
            ("operations", "Only with all of these, by commas."),
            ("capabilities", "Only with all of these, by commas."),
            ("host", "Only on the host of this name."),
            ("scope", "`local`: only those of this host."),
            ("limit", "At most so many, the best; default all."),
        ),
    ),
    Route(
        "GET",
        "/services/{service}",
        "show_service",
        "The contracts of a service that this host provides itself, with their JSON schemas.",
        response=bodies.ContractList,
        query=(("version", "Only of this version, exactly."),),
    ),
    Route("GET", "/metrics", "metrics", "Prometheus text; needs the `metrics` extra."),
    Route("POST", "/mesh/join", "mesh_join", "A host introduces itself.", pool=Pool.MESH),
    Route("POST", "/mesh/gossip", "mesh_gossip", "One exchange of gossip.", pool=Pool.MESH),
    Route(
        "GET",
        "/agents",
        "list_agents",
        "List paglets.",
        response=bodies.AgentList,
        query=(
            ("status", "Only this status."),
            ("class", "Only this class name."),
            ("prefix", "Only ids that start so."),
            *_PAGE,
            *_MESH,
        ),
    ),
    Route(
        "POST",
        "/agents",
        "create_agent",
        "Create a paglet.",
        request=bodies.CreateBody,
        response=bodies.Address,
        status=201,
        query=_KEYED,
    ),
    Route(
        "GET",
        "/agents/{agent_id}",
        "show_agent",
        "Show a paglet.",
        response=bodies.AgentInfo,
        query=(("search", "`mesh` asks every online host where it is not known here."),),
    ),
    Route("GET", "/agents/{agent_id}/state", "agent_state", "Its state as JSON."),
    Route(
        "GET",
        "/agents/{agent_id}/logs",
        "agent_logs",
        "What it printed last.",
        response=bodies.LogBody,
        query=(("tail", "Number of lines from the end; default 200."),),
    ),
    Route(
        "POST",
        "/agents/{agent_id}/messages",
        "send_message",
        "Send it a message.",
        request=WireMessage,
        response=bodies.ReplyBody,
    ),
    Route(
        "POST",
        "/agents/{agent_id}/dispatch",
        "dispatch_agent",
        "Move it to another host.",
        request=bodies.DispatchBody,
        response=bodies.Address,
        query=_KEYED,
    ),
    Route(
        "POST",
        "/agents/{agent_id}/clone",
        "clone_agent",
        "Copy it, here or to another host.",
        request=bodies.DispatchBody,
        response=bodies.Address,
        status=201,
        query=_KEYED,
    ),
    Route(
        "POST",
        "/agents/{agent_id}/retract",
        "retract_agent",
        "Bring it to this host.",
        request=bodies.RetractBody,
        response=bodies.Address,
        query=_KEYED,
    ),
    Route(
        "POST",
        "/agents/{agent_id}/deactivate",
        "deactivate_agent",
        "Put it to sleep.",
        request=bodies.DeactivateBody,
        response=bodies.Address,
        query=_KEYED,
    ),
    Route(
        "POST",
        "/agents/{agent_id}/activate",
        "activate_agent",
        "Wake it.",
        request=bodies.EmptyBody,
        response=bodies.Address,
        query=_KEYED,
    ),
    Route(
        "POST",
        "/agents/{agent_id}/dispose",
        "dispose_agent",
        "End it for good.",
        request=bodies.DisposeBody,
        query=_KEYED,
        status=204,
    ),
    Route(
        "POST",
        "/agents/{agent_id}/lease",
        "lease_agent",
        "Keep it awake for a time, starting it if it sleeps.",
        request=bodies.LeaseBody,
        response=bodies.LeaseAnswer,
    ),
    Route(
        "POST",
        "/transfers/check",
        "check_transfer",
        "Would this host take a paglet?",
        request=bodies.CheckBody,
        response=bodies.CheckAnswer,
        pool=Pool.TRANSFER,
    ),
    Route(
        "GET",
        "/transfers",
        "list_transfers",
        "List transfers.",
        response=bodies.TransferList,
        query=(
            ("in_doubt", "`true`: only those in doubt."),
            ("role", "`source` or `target`."),
            *_PAGE,
            *_MESH,
        ),
    ),
    Route(
        "PUT",
        "/transfers/{transfer_id}",
        "offer_transfer",
        "Offer a paglet: an envelope (`wire/envelope.py`), idempotent.",
        response=bodies.OutcomeBody,
        pool=Pool.TRANSFER,
    ),
    Route(
        "GET",
        "/transfers/{transfer_id}",
        "transfer_outcome",
        "The outcome; an unknown transfer is refused durably first.",
        response=bodies.OutcomeBody,
        pool=Pool.TRANSFER,
    ),
    Route(
        "POST",
        "/transfers/{transfer_id}/settled",
        "settle_transfer",
        "The source has settled it too.",
        request=bodies.EmptyBody,
        pool=Pool.TRANSFER,
        status=204,
    ),
    Route(
        "POST",
        "/transfers/fence",
        "fence",
        "Compare epochs: lower copies of the asked host stop, higher ones are told.",
        request=bodies.FenceBody,
        response=bodies.FenceAnswer,
        pool=Pool.TRANSFER,
    ),
    Route(
        "POST",
        "/transfers/{transfer_id}/resolve",
        "resolve_transfer",
        "Settle by an operator's word what the other side never will.",
        request=bodies.ResolveBody,
        response=bodies.TransferInfo,
    ),
)
"""Every route but `ANY /hosts/{name}/{path}`, which forwards a request to another host."""


def route(name: str) -> Route:
    """Return the route called `name`; KeyError is a defect of the caller."""
    return _BY_NAME[name]


_BY_NAME = {entry.name: entry for entry in ROUTES}
