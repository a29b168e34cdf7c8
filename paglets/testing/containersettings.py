"""How HostSettings reach a host in a container: as variables, or whole where no option exists.

The image's own command with `PAGLETS_…` variables is what people run, so tests run it too. What
only tests set, such as timeouts, goes by `paglets.testing.hostprocess` instead.
"""

import msgspec

from paglets.config.settings import HostSettings

HOME = "/var/lib/paglets"
"""The image's volume."""
DATA = f"{HOME}/hosts/own"
"""The image's data folder."""
AGENTS = "/agents"
"""The image's agents folder."""
KEY_FILE = "/keys/mesh.key"
"""A key that hosts share by a volume."""
PORT = 8765
"""Where hosts in containers listen."""


def command_of(settings: HostSettings) -> tuple[list[str], dict[str, str]]:
    """Return the command of a container, and its variables."""
    # Nothing starts by itself in a test unless it says so.
    variables = {"PAGLETS_KEY_FILE": KEY_FILE, "PAGLETS_LAUNCH": "/dev/null"}
    if _has_no_option(settings):
        text = msgspec.json.encode(settings, enc_hook=str).decode()
        return ["python", "-m", "paglets.testing.hostprocess", text], variables
    words = {
        "NAME": settings.name,
        "PRESET": settings.preset,
        "SEED": " ".join(settings.seeds),
        "ALLOW": " ".join(settings.allow),
        "TAG": " ".join(settings.tags),
        "CAPABILITY": " ".join(settings.capabilities),
        "PRELOAD": " ".join(settings.preload),
        "SPARE_PROCESSES": str(settings.spare_processes),
        "PROPERTY": " ".join(f"{key}={value}" for key, value in settings.properties.items()),
        "MESH_VERSION": settings.mesh_version or "",
        "ADVERTISE": settings.advertise or "",
        "MULTICAST": "1" if settings.multicast else "",
        "RELOAD": "1" if settings.reload else "",
        "DRAIN_ON_STOP": str(settings.drain_on_stop) if settings.drain_on_stop else "",
        "GREET": str(settings.greet) if settings.greet else "",
    }
    variables |= {f"PAGLETS_{name}": text for name, text in words.items() if text}
    return ["host"], variables


def _has_no_option(settings: HostSettings) -> bool:
    """Whether something is set that only launch.toml, or a test, can set."""
    plain = HostSettings(name=settings.name, data=settings.data)
    return any(getattr(settings, field) != getattr(plain, field) for field in _WITHOUT_OPTION)


_WITHOUT_OPTION = ("timeouts", "limits", "environment", "timing", "launch")
