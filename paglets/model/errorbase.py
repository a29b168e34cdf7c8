"""What every error of this package is: a message for people, facts for programs, a stable code.

The errors themselves, as a tree by who caused them, are in `model/errors.py`.
"""

from typing import ClassVar


class PagletsError(Exception):
    """Base of every error of this package.

    Args:
        message: One sentence for people: the thing, the host, the next step.
        detail: JSON-compatible facts; also attributes of the error, and kept on the wire.
    """

    code: ClassVar[str] = "error"
    """Stable name on the wire."""
    status: ClassVar[int] = 500
    """HTTP status it is answered with."""
    retryable: ClassVar[bool] = False
    """Whether the same call may succeed later without any change by the caller."""

    def __init__(self, message: str, **detail: object) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail

    def __getattr__(self, name: str) -> object:
        detail = self.__dict__.get("detail", {})
        if name in detail:
            return detail[name]
        raise AttributeError(f"{type(self).__name__} has no {name!r}")

    def __reduce__(self) -> tuple[object, ...]:
        return (_restore, (type(self), self.message, self.detail))


def _restore(cls: type[PagletsError], message: str, detail: dict[str, object]) -> PagletsError:
    error = cls.__new__(cls)
    PagletsError.__init__(error, message, **detail)
    return error
