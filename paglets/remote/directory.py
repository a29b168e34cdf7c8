"""Where hosts are: what this package needs of the mesh, a part of `runtime.ports.PeerHosts`.

`remote` and `runtime` stand on one layer and do not import each other; `host/build.py` hands the
same object to both.
"""

from typing import Protocol

from paglets.model.refs import HostRef


class Directory(Protocol):
    """Finds hosts."""

    def lookup(self, name: str) -> HostRef | None:
        """Return the newest generation of the host called `name`."""

    def by_id(self, host_id: str) -> HostRef | None:
        """Return the host with this id."""
