"""`POST /agents/{id}/messages`: the hot path. Arguments and reply pass undecoded."""

from paglets.host.http.asked import Answer, ApiRequest, json_answer
from paglets.host.http.ports import Delivery
from paglets.host.http.routing import Handler


class MessageRoutes:
    """Hands messages to the runtime.

    Args:
        delivery: Takes messages to paglets; decodes their header itself.
    """

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery

    def handlers(self) -> dict[str, Handler]:
        """Return the handlers by route name."""
        return {"send_message": self.send}

    async def send(self, asked: ApiRequest) -> Answer:
        """Deliver a message. A caller that goes away takes its queued message along."""
        gone = asked.gone() if asked.gone is not None else None
        reply = await self._delivery.deliver(asked.id("agent_id"), asked.body, caller_gone=gone)
        return json_answer(reply)
