"""What a host says of itself once it answers: its banner, and `host.json` in its data folder.

Clients on the same machine find the host by that file (`connect/entry.py`).
"""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

from paglets.config.keys import Keyring
from paglets.config.settings import HostSettings
from paglets.host.given import allowed_prefixes
from paglets.host.identity import HostIdentity, local_address

Say = Callable[[str], None]
"""Tells a person at the console."""


def announce(
    settings: HostSettings, identity: HostIdentity, keyring: Keyring | None, *, say: Say
) -> None:
    """Print where the host is and what it allows, and write `host.json`; called once it answers."""
    key_id = None if keyring is None else keyring.primary.id
    for line in _banner(settings, identity, key_id):
        say(line)
    facts = {
        "pid": os.getpid(),
        "url": identity.url,
        "local_url": f"{scheme_of(settings)}://{local_address(identity.bind)}",
        "name": identity.name,
        "key_id": key_id,
        "started_at": time.time(),
    }
    path = _host_file(settings)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(facts))
    temporary.replace(path)


def unannounce(settings: HostSettings) -> None:
    """Remove `host.json`: nobody answers any more."""
    _host_file(settings).unlink(missing_ok=True)


def warnings_of(settings: HostSettings) -> list[str]:
    """Return what the owner should know of the settings, each with the next step."""
    if not settings.insecure:
        return []
    return ["--insecure: anybody who reaches the port can run allowed code; start without it"]


def scheme_of(settings: HostSettings) -> str:
    """Return `https` where the host has a certificate, else `http`."""
    return "https" if settings.tls_cert else "http"


def _banner(settings: HostSettings, identity: HostIdentity, key_id: str | None) -> list[str]:
    lines = [
        f"paglets host {identity.name} listens on {identity.bind}",
        f"  advertised as {identity.url}",
        f"  key {key_id or 'none (--insecure)'}, code {identity.code_version}, "
        f"data {settings.data}",
    ]
    if settings.agents:
        lines.append(f"  agents from {', '.join(str(folder) for folder in settings.agents)}")
    lines.append(f"  allowed: {', '.join(allowed_prefixes(settings)) or 'built-in classes only'}")
    lines += [f"  WARNING {warning}" for warning in warnings_of(settings)]
    return lines


def _host_file(settings: HostSettings) -> Path:
    return settings.data / "host.json"
