"""A paglet that turns to others by references it is given."""

from paglets import Message, Paglet, PagletProxyRef, handles


def reference(host_url: str, agent_id: str, birth_id: str) -> PagletProxyRef:
    return PagletProxyRef(host_url, agent_id, birth_id=birth_id)


class Asker(Paglet[None]):
    """Asks, looks at and puts to sleep."""

    @handles("ask")
    def ask(self, host_url: str, agent_id: str, birth_id: str, kind: str) -> object:
        return self.send(reference(host_url, agent_id, birth_id), Message(kind))

    @handles("look at")
    def look_at(self, host_url: str, agent_id: str, birth_id: str) -> dict:
        proxy = self.context.resolve(reference(host_url, agent_id, birth_id))
        return {"host": proxy.info().host_name, "handled": proxy.state()["handled"]}

    @handles("put to sleep")
    def put_to_sleep(self, host_url: str, agent_id: str, birth_id: str) -> None:
        self.context.resolve(reference(host_url, agent_id, birth_id)).deactivate()
