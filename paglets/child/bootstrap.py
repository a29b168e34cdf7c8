"""The entry of every Paglet Process: wait for `Load`, load, serve, end.

Nothing of an author's runs before the host has sent its first frame: by then it has this process
on its list. The exit code is 0 only where the host asked for the end; every other end is a crash.
"""

import contextlib
import os
import socket
import sys
import traceback
from collections.abc import Callable

from paglets.child.loader import LoadedClass, load
from paglets.child.paglet import LivePaglet
from paglets.child.pipe import HostPipe
from paglets.child.runner import Runner
from paglets.child.surveying import survey
from paglets.model.errors import ClassLoadError, InternalError, PagletsError
from paglets.supervise.childsetup import ChildFds
from paglets.wire.calls import Failed, Load, Loaded, Snapshot, Survey
from paglets.wire.failures import encode_failure, handler_error

End = Callable[[int], None]
Crash = Callable[[BaseException], None]


def main(fds: ChildFds) -> None:
    """Be one paglet. Called once in a Paglet Process, in its main thread."""
    serve(socket.socket(fileno=fds.channel), end_process, crash_process)


def serve(channel: socket.socket, end: End, crash: Crash) -> None:
    """Load what the host says and serve it until the end.

    Args:
        channel: To the host.
        end: Ends the process with an exit code.
        crash: Prints an exception and ends the process with 1.
    """
    pipe = HostPipe(channel)
    first = pipe.read()
    while first == []:
        first = pipe.read()
    if first is None:
        return  # the host changed its mind
    call = first[0]
    if isinstance(call, Survey):
        pipe.send(survey(call))
        return
    if not isinstance(call, Load):
        raise InternalError(f"the host began with {type(call).__name__}")
    started = _start(call, pipe, crash)
    if started is None:
        return
    loaded, paglet = started
    snapshot: Snapshot | None = None
    if loaded.is_new and paglet is not None:
        snapshot = paglet.snapshots.wrap(loaded.data)
    pipe.send(
        Loaded(call=call.call, manifest=loaded.manifest, snapshot=snapshot, dropped=loaded.dropped)
    )
    if paglet is None:
        return
    try:
        Runner(paglet, end, crash).run(first[1:])
    except BaseException as error:  # noqa: BLE001 - sys.exit() in a handler, or a defect of ours
        crash(error)
    finally:
        pipe.close()


def end_process(code: int) -> None:
    """End this process at once; its output is written first."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def crash_process(error: BaseException) -> None:
    """Show `error` in the paglet's log and end this process with exit code 1."""
    traceback.print_exception(error, file=sys.stderr)
    end_process(1)


def _start(
    call: Load, pipe: HostPipe, crash: Crash
) -> tuple[LoadedClass, LivePaglet | None] | None:
    try:
        loaded = load(call)
        return loaded, None if call.check_only else LivePaglet(call, loaded, pipe, crash)
    except PagletsError as error:
        failure = encode_failure(error)
    except Exception as error:  # noqa: BLE001 - the author's class or metaclass; forwarded
        text = f"{call.class_name} cannot be loaded: {type(error).__name__}: {error}"
        trace = handler_error(error).detail["traceback_text"]
        failure = encode_failure(ClassLoadError(text, traceback_text=trace))
    pipe.send(Failed(call=call.call, failure=failure))
    return None
