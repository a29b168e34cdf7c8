"""Proxies for code outside any paglet: scripts, the command line, notebooks.

    with paglets.connect() as client:
        tour = client.create("tour:Tour")
        tour.dispatch("beta")

`Client` (client.py) blocks and works also where a loop runs; `AsyncClient` (asyncclient.py) is its
twin. Both ask one host, their entry, which forwards to the others (calls.py). Which host that is
and with which key it is asked: entry.py. Not here: what a proxy offers (`agent/proxy.py`).
"""

import sys
import types

from paglets.connect.asyncclient import AsyncClient, connect_async
from paglets.connect.asyncproxy import AsyncPagletProxy
from paglets.connect.asyncservices import AsyncServiceHandle, AsyncServiceLease, AsyncServices
from paglets.connect.client import Client, connect

__all__ = [
    "AsyncClient",
    "AsyncPagletProxy",
    "AsyncServiceHandle",
    "AsyncServiceLease",
    "AsyncServices",
    "Client",
    "connect",
    "connect_async",
]


class _CallableModule(types.ModuleType):
    """Lets `paglets.connect(...)` work whichever is loaded first, the function or this package."""

    __call__ = staticmethod(connect)


sys.modules[__name__].__class__ = _CallableModule
