"""Which paglets `[[paglets]]` of launch.toml comes to: aliases found, ids given, doubles refused.

Pure. A process has looked through the modules (`Starter.survey`); `autostart.py` starts what comes
out here.
"""

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from paglets.model.enums import PagletStatus
from paglets.model.launch import LaunchedPaglet, fixed_id, name_of_class
from paglets.store.rows import PagletRow
from paglets.wire.calls import Startable, Surveyed


@dataclass(frozen=True, slots=True)
class Start:
    """A paglet that is to be on this host, or to have been."""

    agent_id: str
    class_name: str
    entry: LaunchedPaglet


@dataclass(frozen=True, slots=True)
class StartPlan:
    """What to start, and what cannot be."""

    starts: tuple[Start, ...]
    problems: tuple[str, ...]
    """One sentence for each entry that names nothing, with its place and the next step."""


def plan_starts(
    entries: Iterable[LaunchedPaglet],
    surveyed: Surveyed,
    *,
    host: str,
    modules: Sequence[str],
    taken: Mapping[str, str],
) -> StartPlan:
    """Decide what `[[paglets]]` comes to.

    Args:
        entries: In the order of the file.
        surveyed: What was found in the modules.
        host: Name of this host.
        modules: Where aliases were looked for.
        taken: Ids and class names of residents, each with where it is declared.
    """
    starts: list[Start] = []
    problems: list[str] = []
    used = dict(taken)
    counts: Counter[str] = Counter()
    for entry in entries:
        found = _find(entry, surveyed, modules)
        if isinstance(found, str):
            problems.append(f"{entry.place}: {found}")
            continue
        counts[found.class_name] += 1
        agent_id = _id_of(entry, found, host, counts[found.class_name])
        why = _double(found, agent_id, used)
        if why is not None:
            problems.append(f"{entry.place}: {why}")
            continue
        used[agent_id] = entry.place
        if found.singleton:
            used[found.class_name] = entry.place
        starts.append(Start(agent_id, found.class_name, entry))
    return StartPlan(tuple(starts), tuple(problems))


def _find(entry: LaunchedPaglet, surveyed: Surveyed, modules: Sequence[str]) -> Startable | str:
    """Return the class an entry names, or what is wrong."""
    if entry.class_name is not None:
        for each in surveyed.found:
            if each.class_name == entry.class_name:
                return each
        why = dict(surveyed.failures).get(entry.class_name, "it was not found")
        return f"{entry.class_name} cannot be started: {why}"
    named = [each for each in surveyed.found if each.alias == entry.alias]
    if len(named) == 1:
        return named[0]
    if named:
        classes = " and ".join(f"{each.class_name} ({each.place})" for each in named)
        return f'alias "{entry.alias}" is that of {classes}: rename one, or write class = …'
    return _unknown(str(entry.alias), surveyed, modules)


def _unknown(alias: str, surveyed: Surveyed, modules: Sequence[str]) -> str:
    known = sorted({each.alias for each in surveyed.found if each.alias})
    near = difflib.get_close_matches(alias, known, n=1)
    looked = ", ".join(modules) or "nowhere: there are no agents folders and no [launch] modules"
    told = f'no class has alias "{alias}"; looked through {looked}'
    if near:
        told += f'; did you mean "{near[0]}"?'
    elif known:
        told += f"; known are {', '.join(known)}"
    broken = [f"{name} ({why})" for name, why in surveyed.failures if ":" not in name]
    if broken:
        told += f"; not importable: {', '.join(broken)}"
    return told


def _id_of(entry: LaunchedPaglet, found: Startable, host: str, number: int) -> str:
    fixed = entry.agent_id or found.agent_id
    if fixed is not None:
        return fixed
    base = found.alias or name_of_class(found.class_name)
    return fixed_id(base if number == 1 else f"{base}-{number}", host)


def _double(found: Startable, agent_id: str, used: Mapping[str, str]) -> str | None:
    """Return why a start is one too many, None if it is not."""
    if found.class_name in used:
        return (
            f"{found.class_name} is started already by {used[found.class_name]}, and a host runs "
            "one of it: remove one of the two"
        )
    if agent_id in used:
        return f"id {agent_id} is that of {used[agent_id]}: write another agent_id"
    return None


def objection(row: PagletRow, start: Start) -> str | None:
    """Return why the row under an id is not that of `start`, None if it is."""
    if row.manifest.class_name == start.class_name:
        return None
    if row.status is PagletStatus.MOVED:
        return (
            f"{start.entry.place}: {row.agent_id} was a {row.manifest.class_name} and has moved: "
            "write another agent_id"
        )
    return (
        f"{start.entry.place}: {row.agent_id} is a {row.manifest.class_name}, not a "
        f"{start.class_name}: `paglets agent dispose {row.agent_id}` makes room, or write another "
        "agent_id"
    )


def is_to_be_woken(row: PagletRow) -> bool:
    """Whether the paglet of a row is started again because launch.toml names it.

    Recovery has started what runs; one that sleeps does so by its own wish, and one that moves or
    has moved is where it wanted to be.
    """
    return row.status in {PagletStatus.CRASHED, PagletStatus.UNREADABLE}
