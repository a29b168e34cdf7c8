"""`POST /drain`: empties this host before it goes."""

from paglets.host.http.asked import Answer, ApiRequest, json_answer
from paglets.host.http.ports import Draining
from paglets.host.http.routing import Handler
from paglets.wire.bodies import DrainBody


class DrainRoutes:
    """Hands a drain to the runtime.

    Args:
        draining: Does it.
    """

    def __init__(self, draining: Draining) -> None:
        self._draining = draining

    def handlers(self) -> dict[str, Handler]:
        """Return the handlers by route name."""
        return {"drain": self.drain}

    async def drain(self, asked: ApiRequest) -> Answer:
        """Move this host's paglets away and report what became of each."""
        body = asked.decode(DrainBody)
        return json_answer(await self._draining.drain(to=body.to, deadline=body.deadline_seconds))
