"""From method and path to a handler, by the table of `wire/routes.py`.

Default-deny: a route of the table without a handler, a handler without a route, or a route that
says nothing about credentials stops the server from being built.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from paglets.host.http.asked import Answer, ApiRequest
from paglets.wire.routes import Pool, Route

Handler = Callable[[ApiRequest], Awaitable[Answer]]

OPEN_ROUTES = frozenset({"livez", "readyz"})
"""The only routes that answer without credentials; they tell ok or not, and the key id."""

FORWARD = Route("ANY", "/hosts/{name}/{path}", "forward", "Forward to another host, one hop.")
"""Takes every method; what it forwards decides on limits."""


@dataclass(frozen=True, slots=True)
class Match:
    """A route that fits a request."""

    entry: Route
    handler: Handler
    params: Mapping[str, str]
    inner: "Match | None" = None
    """For `forward`: what the other host will do with it, None if nothing."""


@dataclass(frozen=True, slots=True)
class _Pattern:
    entry: Route
    handler: Handler
    segments: tuple[str | None, ...]
    """None takes any text."""
    names: tuple[tuple[int, str], ...]
    """Place and name of each parameter."""

    def match(self, segments: list[str]) -> Match | None:
        for expected, found in zip(self.segments, segments, strict=True):
            if expected is not None and expected != found:
                return None
        params = {name: unquote(segments[place]) for place, name in self.names}
        return Match(self.entry, self.handler, params)


class Router:
    """Finds the route of a request.

    Args:
        routes: The table.
        handlers: One for each route, by its name.
        forward: Handles `/hosts/{name}/{path}`.

    Raises:
        ValueError: Table and handlers do not fit each other, or a route declares no pool.
    """

    def __init__(
        self, routes: tuple[Route, ...], handlers: Mapping[str, Handler], forward: Handler
    ) -> None:
        names = [entry.name for entry in routes]
        if sorted(names) != sorted(handlers):
            odd = sorted(set(names) ^ set(handlers)) or "a name is there twice"
            raise ValueError(f"routes and handlers do not fit: {odd}")
        self._patterns: dict[tuple[str, int], list[_Pattern]] = {}
        self._forward = forward
        for entry in routes:
            _check_pool(entry)
            self._add(entry, handlers[entry.name])

    def find(self, method: str, path: str) -> Match | None:
        """Return what handles `method` on `path`, None for nothing.

        Args:
            method: In upper case.
            path: As received, without the query, percent-encoded.
        """
        segments = path.split("/")
        if segments[0] != "":
            return None
        for pattern in self._patterns.get((method, len(segments)), ()):
            match = pattern.match(segments)
            if match is not None:
                return match
        if len(segments) >= 4 and segments[1] == "hosts":
            rest = "/".join(["", *segments[3:]])
            params = {"name": unquote(segments[2]), "path": rest}
            return Match(FORWARD, self._forward, params, self.find(method, rest))
        return None

    def methods(self, path: str) -> tuple[str, ...]:
        """Return the methods that `path` takes; empty where there is no such path."""
        known = {method for method, _ in self._patterns}
        return tuple(sorted(method for method in known if self.find(method, path) is not None))

    def _add(self, entry: Route, handler: Handler) -> None:
        parts = entry.path.split("/")
        pattern = _Pattern(
            entry,
            handler,
            tuple(None if part.startswith("{") else part for part in parts),
            tuple((n, part.strip("{}")) for n, part in enumerate(parts) if part.startswith("{")),
        )
        found = self._patterns.setdefault((entry.method, len(parts)), [])
        found.append(pattern)
        # Literal segments first, so that /transfers/check is not taken for a transfer's id.
        found.sort(key=lambda pattern: sum(part is None for part in pattern.segments))


def _check_pool(entry: Route) -> None:
    if entry.pool not in set(Pool):
        raise ValueError(f"route {entry.name} declares no pool, so nobody may call it")
    if (entry.pool is Pool.OPEN) != (entry.name in OPEN_ROUTES):
        raise ValueError(f"route {entry.name} may not be open without credentials")
