"""What a spare process does ahead of its use: the life of a paglet, from `Load` to `Quiesce`, once.

Most of what the start of a paglet takes is not its work but its place: after the fork each function
that runs for the first time, and each class and dict that it uses, is on a page that the process
has to copy. A sample paglet led through the same code pays for these pages while nobody waits.
Nothing of it remains but what `sys.modules` and caches hold.
"""

import socket
import threading

from paglets.child.bootstrap import serve
from paglets.model.enums import Hook, Verb
from paglets.model.errors import InternalError
from paglets.model.refs import Epoch
from paglets.wire import calls
from paglets.wire.calls import decode_to_host, encode_call
from paglets.wire.frames import FrameDecoder, encode_frame

SAMPLE = "paglets.child.sample:Sample"
"""By name, as any class is loaded. The forkserver has imported it, see `warming.py`."""

_ANSWERS = (calls.Loaded, calls.HookDone, calls.Quiesced)
_ROOM = 64 * 1024
_THREAD_TIMEOUT = 5.0


def prepare() -> None:
    """Lead the sample through its life. Called once in a spare, in its main thread.

    Raises:
        InternalError: It did not go as it does for any paglet, or left a thread.
    """
    host, child = socket.socketpair()
    with host, child:
        for call in _life():
            host.sendall(encode_frame(encode_call(call)))
        host.shutdown(socket.SHUT_WR)
        failures: list[BaseException] = []
        serve(child, _stay, failures.append)
        answers = [*map(decode_to_host, FrameDecoder().feed(host.recv(_ROOM)))]
    if failures:
        raise failures[0]
    if tuple(map(type, answers)) != _ANSWERS:
        raise InternalError(f"the sample answered {answers}")
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join(_THREAD_TIMEOUT)  # a cancelled timer of a hook is about to end
    if threading.active_count() != 1:
        raise InternalError(f"the sample left threads: {threading.enumerate()}")


def _life() -> list[calls.ToChild]:
    me = calls.HostFacts(host_id="spare", name="spare", url="http://spare")
    load = calls.Load(call=1, agent_id="spare", class_name=SAMPLE, host=me, epoch=Epoch())
    hook = calls.RunHook(call=2, hook=Hook.ON_ACTIVATION, event=b'{"reason":"requested"}')
    leave = calls.Quiesce(call=3, verb=Verb.DEACTIVATE, hook=Hook.ON_DEACTIVATING, event=b"{}")
    return [load, hook, calls.OpenGate(), leave]


def _stay(_code: int) -> None:
    """Go on after an orderly end: the process has not begun yet."""
