"""What exists before a host is composed: settings, identity, store, processes, the way out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from paglets.config.code import top_level_modules
from paglets.config.keys import Keyring
from paglets.config.settings import HostSettings
from paglets.host.http.ports import MeshHandler
from paglets.host.identity import HostIdentity
from paglets.remote.peers import HttpPeerCalls
from paglets.remote.session import PeerSession
from paglets.runtime.ports import GossipRecords, PeerHosts
from paglets.runtime.recorder import Recorder
from paglets.runtime.starter import CodeSource
from paglets.runtime.tasks import Tasks
from paglets.store.store import Store
from paglets.supervise.process import ProcessFactory


@dataclass(frozen=True, kw_only=True)
class Given:
    """What exists before a host is composed."""

    settings: HostSettings
    identity: HostIdentity
    store: Store
    factory: ProcessFactory
    keyring: Keyring | None
    peers: PeerHosts
    mesh: MeshHandler
    records: GossipRecords
    calls: HttpPeerCalls
    session: PeerSession
    tasks: Tasks
    recorder: Recorder
    paglet_limit: int
    on_line: Callable[[str, str], None]
    """Gets each line a paglet prints, with its short name."""
    warnings: Callable[[], Sequence[str]]
    rolled_back: Callable[[], bool]
    """Whether peers remember a later life of the data folder."""


def allowed_prefixes(settings: HostSettings) -> tuple[str, ...]:
    """Return the module prefixes whose classes may run here, beside the built-in ones."""
    own = [name for folder in settings.agents for name in top_level_modules(folder)]
    return (*own, *settings.allow)


def code_source(given: Given) -> CodeSource:
    """Return where children find the owner's code, as it is now."""
    paths = tuple(str(Path(folder).resolve()) for folder in given.settings.agents)
    return CodeSource(import_paths=paths, version=given.identity.code_version)
