"""`GET /hosts`, `/records` and `/services`: what the mesh knows, seen from here."""

from paglets.host.http.asked import Answer, ApiRequest, json_answer
from paglets.host.http.ports import Hosts, Records, Services
from paglets.host.http.routing import Handler
from paglets.model.enums import ServiceScope
from paglets.wire.bodies import HostList, ServiceList
from paglets.wire.hostcalls import LookupCall


class HostRoutes:
    """Shows hosts, what they have told, and services.

    Args:
        hosts: The mesh.
        records: What rides on its gossip.
        services: The registry.
    """

    def __init__(self, hosts: Hosts, records: Records, services: Services) -> None:
        self._hosts = hosts
        self._records = records
        self._services = services

    def handlers(self) -> dict[str, Handler]:
        """Return the handlers by route name."""
        return {
            "hosts": self.hosts,
            "records": self.records,
            "services": self.services,
            "show_service": self.service,
        }

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

    async def records(self, asked: ApiRequest) -> Answer:
        """List records of all hosts."""
        query = asked.query()
        found = self._records.list(
            host=query.text("host"),
            kind=query.text("kind"),
            after=query.text("after"),
            limit=query.limit(),
        )
        return json_answer(found)

    async def service(self, asked: ApiRequest) -> Answer:
        """Show what this host provides of a service."""
        version = asked.query().text("version") or ""
        return json_answer(self._services.describe(asked.id("service"), version))

    async def services(self, asked: ApiRequest) -> Answer:
        """List services that can be called from here."""
        query = asked.query()
        scope = query.choice("scope", *ServiceScope)
        found = self._services.find(
            LookupCall(
                name=query.text("name") or "",
                version=query.text("version") or "",
                operations=query.texts("operations"),
                capabilities=query.texts("capabilities"),
                host=query.text("host") or "",
                scope=ServiceScope.MESH if scope is None else ServiceScope(scope),
                limit=query.number("limit", 0),
            )
        )
        return json_answer(
            ServiceList(services=found.services, reason=found.reason, versions=found.versions)
        )
