"""`/livez`, `/readyz`, `/health` and `/metrics`: how this host is."""

import msgspec

from paglets.host.http.asked import Answer, ApiRequest, json_answer
from paglets.host.http.metrics import exposition
from paglets.host.http.ports import Health, MeshHandler
from paglets.host.http.routing import Handler
from paglets.host.http.tally import Tally


class Alive(msgspec.Struct, frozen=True):
    """All that a stranger is told."""

    ok: bool
    key_id: str | None
    """Which key a caller needs; None with `--insecure`."""


class HealthRoutes:
    """Tells how the host is.

    Args:
        health: Where it is known.
        key_id: Id of the key that signs.
        tally: Answers so far.
        mesh: What counts exchanges with other hosts.
    """

    def __init__(self, health: Health, key_id: str | None, tally: Tally, mesh: MeshHandler) -> None:
        self._health = health
        self._mesh = mesh
        self._key_id = key_id
        self._tally = tally

    def handlers(self) -> dict[str, Handler]:
        """Return the handlers by route name."""
        return {
            "livez": self.livez,
            "readyz": self.readyz,
            "health": self.health,
            "metrics": self.metrics,
        }

    async def livez(self, _asked: ApiRequest) -> Answer:
        """Answer while the loop turns."""
        return json_answer(Alive(True, self._key_id))

    async def readyz(self, _asked: ApiRequest) -> Answer:
        """Answer 200 once API and store are up, 503 before and while stopping."""
        ready = self._health.ready
        return json_answer(Alive(ready, self._key_id), 200 if ready else 503)

    async def health(self, _asked: ApiRequest) -> Answer:
        """Tell everything about this host."""
        return json_answer(self._health.health())

    async def metrics(self, _asked: ApiRequest) -> Answer:
        """Tell the same, and what is counted, as Prometheus text."""
        return exposition(self._health.health(), self._tally, self._mesh.counts())
