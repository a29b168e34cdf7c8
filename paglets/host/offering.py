"""The parts that have to do with services: offered, found, leased, and run by the host itself."""

from dataclasses import dataclass

from paglets.config.code import top_level_modules
from paglets.host.given import Given
from paglets.host.parts import Core, Moves
from paglets.runtime.autostart import AutoStart
from paglets.runtime.leases import Leases
from paglets.runtime.providers import Providers
from paglets.runtime.publishing import Publisher
from paglets.runtime.registry import Registry
from paglets.runtime.residentrows import ResidentRows
from paglets.runtime.residents import Residents
from paglets.runtime.services import Services


@dataclass(frozen=True, kw_only=True)
class Offering:
    """Parts that offer services, find them and keep them awake."""

    registry: Registry
    providers: Providers
    publisher: Publisher
    services: Services
    leases: Leases
    residents: Residents
    auto_start: AutoStart


def make_offering(given: Given, core: Core, moves: Moves) -> Offering:
    """Make the parts that offer and find services, and let them follow the paglets of this host."""
    registry = Registry()
    providers = Providers(registry, core.roster, given.recorder)
    publisher = Publisher(registry, given.records, given.recorder)
    core.roster.changed = providers.changed
    registry.changed = publisher.changed
    given.records.subscribe(providers.heard)
    leases = Leases(
        core.roster, moves.inactivity, core.forwarding, given.peers, given.calls, given.tasks
    )
    given.records.subscribe(leases.heard)
    residents = _make_residents(given, core, moves, leases)

    def disposed(agent_id: str) -> None:
        leases.gone(agent_id)
        residents.gone(agent_id)

    moves.creation.disposed = disposed
    core.activity.on_failed_restart(residents.not_restarted)
    return Offering(
        registry=registry,
        providers=providers,
        publisher=publisher,
        services=Services(registry, given.peers, given.records),
        leases=leases,
        residents=residents,
        auto_start=_make_auto_start(given, core, moves),
    )


def _make_residents(given: Given, core: Core, moves: Moves, leases: Leases) -> Residents:
    """Make what runs the resident services of launch.toml."""
    rows = ResidentRows(
        core.roster, given.store, core.commits, core.starter, core.admission, given.recorder
    )
    return Residents(
        given.settings.launch,
        core,
        inactivity=moves.inactivity,
        rows=rows,
        is_leased=leases.is_leased,
    )


def _make_auto_start(given: Given, core: Core, moves: Moves) -> AutoStart:
    """Make what starts the other paglets of launch.toml."""
    settings = given.settings
    return AutoStart(
        settings.launch,
        roster=core.roster,
        starter=core.starter,
        admission=core.admission,
        creation=moves.creation,
        inactivity=moves.inactivity,
        recorder=given.recorder,
        own_modules=lambda: tuple(
            name for folder in settings.agents for name in top_level_modules(folder)
        ),
    )
