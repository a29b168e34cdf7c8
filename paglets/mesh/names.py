"""Which host ids were seen under which name. Pure; part of the table."""


class NameIndex:
    """Host ids by name; usually one, two while a container is being replaced."""

    def __init__(self) -> None:
        self._ids: dict[str, tuple[str, ...]] = {}

    def copy(self) -> "NameIndex":
        """Return an independent copy."""
        twin = NameIndex()
        twin._ids = dict(self._ids)
        return twin

    def ids(self, name: str) -> tuple[str, ...]:
        """Return the host ids seen under a name."""
        return self._ids.get(name, ())

    def add(self, name: str, host_id: str) -> None:
        """Note that a host has this name."""
        self._ids[name] = (*self.ids(name), host_id)

    def remove(self, name: str, host_id: str) -> None:
        """Note that a host has it no more."""
        left = tuple(known for known in self.ids(name) if known != host_id)
        if left:
            self._ids[name] = left
        else:
            self._ids.pop(name, None)
