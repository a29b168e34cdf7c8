"""`/agents`: paglets are created and looked at."""

from paglets.host.http.asked import Answer, ApiAnswer, ApiRequest, json_answer
from paglets.host.http.fanout import FanOut
from paglets.host.http.ports import Creation, Inspection
from paglets.host.http.routing import Handler
from paglets.model.enums import PagletStatus
from paglets.wire.bodies import Address, AgentInfo, AgentList, CreateBody

TAIL_DEFAULT = 200
TAIL_LIMIT = 100_000


class AgentRoutes:
    """Creates and shows paglets.

    Args:
        creation: Makes them.
        inspection: Looks at them.
        fan_out: Asks the other hosts for `scope=mesh`.
    """

    def __init__(self, creation: Creation, inspection: Inspection, fan_out: FanOut) -> None:
        self._creation = creation
        self._inspection = inspection
        self._fan_out = fan_out

    def handlers(self) -> dict[str, Handler]:
        """Return the handlers by route name."""
        return {
            "list_agents": self.list,
            "create_agent": self.create,
            "show_agent": self.show,
            "agent_state": self.state,
            "agent_logs": self.logs,
        }

    async def create(self, asked: ApiRequest) -> Answer:
        """Create a paglet."""
        ref = await self._creation.create(asked.decode(CreateBody), key=asked.key)
        return json_answer(Address(ref=ref), 201)

    async def list(self, asked: ApiRequest) -> Answer:
        """List paglets of this host, or of all."""
        query = asked.query()
        limit = query.limit()
        own = await self._inspection.list(
            status=query.choice("status", *PagletStatus),
            class_name=query.text("class"),
            prefix=query.text("prefix"),
            after=query.text("after"),
            limit=limit,
        )
        if not query.mesh():
            return json_answer(own)
        others = await self._fan_out.ask(
            asked, lambda client, timeout: client.list_agents(
                {**query.values, "scope": "local"}, timeout=timeout
            ),
        )  # fmt: skip
        return json_answer(merge_agents([own, *others.answers], limit, others.unreachable))

    async def show(self, asked: ApiRequest) -> Answer:
        """Show a paglet, wherever it is with `search=mesh`."""
        agent_id = asked.id("agent_id")
        search = asked.query().choice("search", "local", "mesh") == "mesh"
        look = self._inspection.find if search else self._inspection.info
        return json_answer(await look(agent_id))

    async def state(self, asked: ApiRequest) -> Answer:
        """Return a paglet's state as JSON."""
        return ApiAnswer(body=await self._inspection.state(asked.id("agent_id")))

    async def logs(self, asked: ApiRequest) -> Answer:
        """Return what a paglet printed last."""
        tail = asked.query().number("tail", TAIL_DEFAULT, least=1, most=TAIL_LIMIT)
        return json_answer(await self._inspection.logs(asked.id("agent_id"), tail))


def merge_agents(pages: list[AgentList], limit: int, unreachable: tuple[str, ...]) -> AgentList:
    """Return one page of several hosts' pages, ordered by id.

    All entries of one id (a paglet and its tombstones) stay on one page, which may be a little
    longer for it.
    """
    entries: list[AgentInfo] = sorted(
        (info for page in pages for info in page.agents),
        key=lambda info: (info.agent_id, info.host_name),
    )
    # What a host has beyond its own page may come before the last entries of another's.
    ends = [page.next for page in pages if page.next is not None]
    complete = [info for info in entries if not ends or info.agent_id <= min(ends)]
    page = complete[:limit]
    while page and len(page) < len(complete) and complete[len(page)].agent_id == page[-1].agent_id:
        page.append(complete[len(page)])
    more = bool(page) and (len(page) < len(entries) or bool(ends))
    return AgentList(
        agents=tuple(page),
        next=page[-1].agent_id if more else None,
        unreachable=unreachable,
        total=sum(page.total for page in pages),
    )
