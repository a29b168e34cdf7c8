"""Program of a host that a test started: settings as JSON on the command line.

    python -m paglets.testing.hostprocess '{"name": "alpha", "data": "/tmp/x/alpha", ...}'

Kept apart from `paglets host` so that tests can set what has no option, such as timeouts.
"""

import sys
from pathlib import Path

import msgspec

from paglets.config.settings import HostSettings
from paglets.host.stages import run_host


def _other(kind: type, value: object) -> object:
    """Return what JSON has no word for: a path, or a value of a resident's state as it is."""
    if kind is object:
        return value
    assert kind is Path, f"settings hold no {kind.__name__}"
    return Path(str(value))


def main(text: str) -> int:
    """Run the host that `text` describes until it is told to stop; return the exit code."""
    return run_host(msgspec.json.decode(text, type=HostSettings, dec_hook=_other))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
