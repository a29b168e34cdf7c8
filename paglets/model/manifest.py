"""What a host must know of a class whose code it never imports."""

from dataclasses import dataclass, field

from paglets.model.enums import Durability, RestartPolicy, ServiceScope


@dataclass(frozen=True, kw_only=True)
class OperationManifest:
    """One operation of a service contract, with JSON schemas of its request and reply."""

    name: str
    request_schema: dict[str, object] = field(default_factory=dict)
    reply_schema: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ContractManifest:
    """A service contract as a host sees it: names, version and schemas, no Python types."""

    name: str
    version: str
    operations: tuple[OperationManifest, ...] = ()
    scope: ServiceScope = ServiceScope.MESH


@dataclass(frozen=True, kw_only=True)
class AutoStartManifest:
    """The class's AutoStartSpec."""

    alias: str
    agent_id: str | None = None
    singleton: bool = True


@dataclass(frozen=True, kw_only=True)
class ClassManifest:
    """Facts about a Paglet class, made by a short-lived child and cached by code version."""

    class_name: str
    """`module:QualName`."""
    state_class: str | None
    """`module:QualName` of the State, None for `Paglet[None]`."""
    code_version: str
    durability: Durability = Durability.LIFECYCLE
    restart: RestartPolicy = RestartPolicy.NEVER
    run_grace: float = 0.0
    handler_limit: float | None = None
    hooks: tuple[str, ...] = ()
    """Names of the hooks the class overrides or its itinerary acts at; others are not called."""
    services: tuple[ContractManifest, ...] = ()
    auto_start: AutoStartManifest | None = None
