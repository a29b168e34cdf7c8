"""The parts that have to do with services: offered, found, leased, and run by the host itself."""

from dataclasses import dataclass

from paglets.host.given import Given
from paglets.host.parts import Core, Moves
from paglets.runtime.leases import Leases
from paglets.runtime.providers import Providers
from paglets.runtime.publishing import Publisher
from paglets.runtime.registry import Registry
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
    )


def _make_residents(given: Given, core: Core, moves: Moves, leases: Leases) -> Residents:
    """Make what runs the resident services of launch.toml."""
    return Residents(
        given.settings.launch,
        roster=core.roster,
        store=given.store,
        commits=core.commits,
        activity=core.activity,
        inactivity=moves.inactivity,
        starter=core.starter,
        admission=core.admission,
        recorder=given.recorder,
        tasks=given.tasks,
        is_leased=leases.is_leased,
    )
