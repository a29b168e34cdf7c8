"""`GET /hosts` and `GET /services`: what the mesh knows, seen from here."""

from paglets.host.http.asked import Answer, ApiRequest, json_answer
from paglets.host.http.ports import Hosts, Services
from paglets.host.http.routing import Handler
from paglets.model.enums import ServiceScope
from paglets.wire.bodies import HostList


class HostRoutes:
    """Shows hosts and services.

    Args:
        hosts: The mesh.
        services: The registry.
    """

    def __init__(self, hosts: Hosts, services: Services) -> None:
        self._hosts = hosts
        self._services = services

    def handlers(self) -> dict[str, Handler]:
        """Return the handlers by route name."""
        return {"hosts": self.hosts, "services": self.services}

    async def hosts(self, asked: ApiRequest) -> Answer:
        """List hosts, this one included."""
        query = asked.query()
        online, tag, capability = query.flag("online"), query.text("tag"), query.text("capability")
        found = tuple(
            ref
            for ref in self._hosts.hosts()
            if (online is None or ref.online is online)
            and (tag is None or tag in ref.tags)
            and (capability is None or capability in ref.capabilities)
        )
        return json_answer(HostList(hosts=found))

    async def services(self, asked: ApiRequest) -> Answer:
        """List services that can be called from here."""
        query = asked.query()
        scope = query.choice("scope", *ServiceScope)
        return json_answer(await self._services.list(name=query.text("name"), scope=scope))
