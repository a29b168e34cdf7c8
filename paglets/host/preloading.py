"""What the forkserver imports once, so that the processes forked from it need not. Pure.

The owner's modules by the setting `preload`; of the built-in residents those that run all the time,
and jobs, of which there may be many, where the host has slots for them.
"""

from paglets.config.settings import HostSettings
from paglets.model.enums import ResidentLifecycle

_BUILT_IN = "paglets.system."
_WITH = {"paglets.system.compute_slots.agent": ("paglets.system.compute_slots.job",)}
"""What the paglets import that come with a resident."""


def preloaded(settings: HostSettings) -> tuple[str, ...]:
    """Return the modules in the order in which they are imported, each once."""
    modules = list(settings.preload)
    for resident in settings.launch.residents:
        module = resident.class_name.partition(":")[0]
        # Modules of the owner may start threads, which a forkserver must not have.
        if module.startswith(_BUILT_IN) and resident.lifecycle is ResidentLifecycle.EAGER:
            modules += (module, *_WITH.get(module, ()))
    return tuple(dict.fromkeys(modules))
