"""Option values that several commands take: sizes and lists of names. And how a stop ends them.

They are callbacks rather than types, because click's class of types is generic in some of its
releases only.
"""

import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import click

from paglets.model.sizes import parse_size

T = TypeVar("T")


def parse_names(text: str) -> tuple[str, ...]:
    """Return names with commas between them, each once, in their order."""
    return tuple(dict.fromkeys(filter(None, re.split(r"[,\s]+", text))))


def size(
    least: int, most: int | None = None
) -> Callable[[click.Context, click.Parameter, str], int]:
    """Return the callback of an option that is a size of `least` to `most` bytes."""

    def convert(ctx: click.Context, param: click.Parameter, value: str) -> int:
        try:
            found = parse_size(value)
        except ValueError as error:
            raise click.BadParameter(f"{error}.", ctx, param) from error
        if found < least or (most is not None and found > most):
            bounds = f"at least {least}" if most is None else f"{least} to {most}"
            raise click.BadParameter(f"{value!r} is not {bounds} bytes.", ctx, param)
        return found

    return convert


def given(
    convert: Callable[[click.Context, click.Parameter, str], T],
) -> Callable[[click.Context, click.Parameter, str | None], T | None]:
    """Return a callback that converts what was given, and leaves out what was not."""

    def convert_given(ctx: click.Context, param: click.Parameter, value: str | None) -> T | None:
        return None if value is None else convert(ctx, param, value)

    return convert_given


def names(
    choices: tuple[str, ...] = (),
) -> Callable[[click.Context, click.Parameter, str], tuple[str, ...]]:
    """Return the callback of an option that is a list of names, of `choices` if there are any."""

    def convert(ctx: click.Context, param: click.Parameter, value: str) -> tuple[str, ...]:
        found = parse_names(value)
        for name in found:
            if choices and name not in choices:
                raise click.BadParameter(f"{name!r} is none of {', '.join(choices)}.", ctx, param)
        return found

    return convert


@contextmanager
def ending_on_sigterm() -> Iterator[None]:
    """Let SIGTERM end the block as Ctrl-C does: containers are stopped by it."""

    def end(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, end)
    except ValueError:  # not in the main thread, as in a test: nothing to arrange
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
