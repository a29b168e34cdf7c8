"""`POST /mesh/join` and `/mesh/gossip`: passed to the mesh undecoded."""

from paglets.host.http.asked import Answer, ApiAnswer, ApiRequest
from paglets.host.http.ports import MeshHandler
from paglets.host.http.routing import Handler

CONTENT_TYPE = "application/octet-stream"


class MeshRoutes:
    """Hands the mesh's exchanges to it.

    Args:
        mesh: Its answering side.
    """

    def __init__(self, mesh: MeshHandler) -> None:
        self._mesh = mesh

    def handlers(self) -> dict[str, Handler]:
        """Return the handlers by route name."""
        return {"mesh_join": self.exchange, "mesh_gossip": self.exchange}

    async def exchange(self, asked: ApiRequest) -> Answer:
        """Answer one exchange."""
        body = await self._mesh.handle(asked.entry.path, asked.body, sender_host_id=asked.sender)
        return ApiAnswer(body=body, content_type=CONTENT_TYPE)
