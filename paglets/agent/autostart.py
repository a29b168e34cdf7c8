"""AutoStartSpec: a class says that launch.toml may start it, and under which alias."""

from dataclasses import dataclass

from paglets.model.names import parse_name


@dataclass(frozen=True)
class AutoStartSpec:
    """Marker on a class: `auto_start: ClassVar = AutoStartSpec("indexer")`."""

    alias: str
    """What launch.toml calls it: `alias = "indexer"`."""
    agent_id: str | None = None
    """Fixed id of the paglet, one per host; None: made of the alias."""
    singleton: bool = True
    """Whether a host runs at most one."""

    def __post_init__(self) -> None:
        parse_name(self.alias, what="alias")
        if self.agent_id is not None:
            parse_name(self.agent_id, what="agent id")
