"""News waiting to be passed on: each piece a bounded number of times, the least told first.

Pure. A newer piece about the same thing replaces the older one. Urgent news makes the engine
gossip; lazy news waits for a probe to ride on.
"""

from collections.abc import Iterable

from paglets.mesh.messages import AnyRumour, Record, rumour_size

Subject = tuple[str, ...]


def subject_of(rumour: AnyRumour) -> Subject:
    """Return what a rumour is about: of two with the same subject the later one counts."""
    if isinstance(rumour, Record):
        return (rumour.host_id, rumour.kind, rumour.key)
    return (rumour.host_id,)


class Broadcasts:
    """A queue of rumours in shelves by the number of times each was passed on."""

    def __init__(self) -> None:
        self._shelves: list[dict[Subject, tuple[AnyRumour, int]]] = [{}]
        self._place: dict[Subject, int] = {}

    def __len__(self) -> int:
        return len(self._place)

    def add(self, rumour: AnyRumour) -> None:
        """Queue a rumour, in place of any other about the same thing."""
        subject = subject_of(rumour)
        self.discard(subject)
        self._shelves[0][subject] = (rumour, rumour_size(rumour))
        self._place[subject] = 0

    def discard(self, subject: Subject) -> None:
        """Stop telling about a thing."""
        shelf = self._place.pop(subject, None)
        if shelf is not None:
            del self._shelves[shelf][subject]

    def take(
        self, budget_bytes: int, limit: int, known: Iterable[AnyRumour] = ()
    ) -> list[AnyRumour]:
        """Return rumours for one frame, the least told first, and count them as told once more.

        Args:
            budget_bytes: Most bytes they may take together.
            limit: Times each is told; it is forgotten after that.
            known: What the other side has just told us; it is neither repeated to it nor counted.
        """
        taken: list[AnyRumour] = []
        heard = {subject_of(rumour): rumour for rumour in known}
        moved: list[tuple[int, Subject, tuple[AnyRumour, int]]] = []
        for told, shelf in enumerate(self._shelves):
            if not shelf:
                continue
            for subject, entry in shelf.items():
                if entry[1] > budget_bytes or (heard and heard.get(subject) == entry[0]):
                    continue
                budget_bytes -= entry[1]
                taken.append(entry[0])
                moved.append((told, subject, entry))
            if budget_bytes < 32:
                break
        for told, subject, entry in moved:
            self._move(told, subject, entry, limit)
        return taken

    def _move(self, told: int, subject: Subject, entry: tuple[AnyRumour, int], limit: int) -> None:
        del self._shelves[told][subject]
        if told + 1 >= limit:
            del self._place[subject]
            return
        if told + 1 == len(self._shelves):
            self._shelves.append({})
        self._shelves[told + 1][subject] = entry
        self._place[subject] = told + 1
