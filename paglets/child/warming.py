"""What the forkserver makes once, so that no Paglet Process makes it for itself.

Reading JSON or msgpack as a type needs a description of the type, made from its annotations when it
is first needed. Made after the fork, each is a copy of its own in each process, and so are the
pages of `typing` and all else that makes it. What is found here is no more than a cache: whatever
is left out, or unfit, is made by whoever needs it, who is told what is wrong with it.
"""

import contextlib
import importlib
import sys
from dataclasses import is_dataclass

from paglets.agent.contracts import ServiceOperation
from paglets.agent.introspection import make_manifest
from paglets.agent.paglet import Paglet
from paglets.agent.servicecalls import warm_operation
from paglets.child.events import warm_events
from paglets.child.preparing import SAMPLE
from paglets.wire.hostcalls import warm_replies
from paglets.wire.jsonvalues import warm_type


def warm() -> None:
    """Describe what hosts say to paglets of all kinds, and import the sample of spare processes.

    Importing takes 1.5 MiB of the process that does it. So only those do it that import a class of
    their own; the sample would make every spare pay for it, and every paglet of a preloaded class.
    """
    warm_replies()
    warm_events()
    sample = SAMPLE.partition(":")[0]
    importlib.import_module(sample)
    examine(sample)


def examine(module: str) -> None:
    """Examine the classes of a preloaded module, and the service operations that it names."""
    for each in list(vars(sys.modules[module]).values()):
        with contextlib.suppress(Exception):  # told to whom it concerns: who uses the class
            if isinstance(each, ServiceOperation):
                warm_operation(each)
            elif isinstance(each, type) and each.__module__ == module:
                _examine(each)


def _examine(cls: type) -> None:
    if issubclass(cls, Paglet):
        make_manifest(cls, cls.routes, code_version="")
    elif is_dataclass(cls):
        warm_type(cls)
