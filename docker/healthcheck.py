"""Exits 0 when the host in this container is ready.

Plain sockets and nothing of paglets: it runs every few seconds in every container.
"""

import json
import os
import socket
import sys
from pathlib import Path
from urllib.parse import urlsplit

TIMEOUT = 2.0
"""Seconds for the answer; below the health check's own."""


def address() -> tuple[str, str, int]:
    """Return scheme, address and port, as the running host wrote them down, else as usual."""
    port = int(os.environ.get("PAGLETS_PORT", "8765"))
    try:
        facts = json.loads(Path(os.environ["PAGLETS_DATA"], "host.json").read_bytes())
        url = urlsplit(facts["local_url"])
    except (KeyError, OSError, ValueError):
        return "http", "127.0.0.1", port
    return url.scheme, url.hostname or "127.0.0.1", url.port or port


def main() -> int:
    """Ask once; return the exit code."""
    scheme, host, port = address()
    request = f"GET /readyz HTTP/1.0\r\nHost: {host}\r\n\r\n".encode()
    try:
        with socket.create_connection((host, port), timeout=TIMEOUT) as connection:
            if scheme == "https":
                import ssl  # only where it is needed: it takes as long as the rest

                # This container's own port: there is nobody to be mistaken for.
                context = ssl._create_unverified_context()  # noqa: S323, SLF001
                connection = context.wrap_socket(connection)
            connection.sendall(request)
            status = connection.recv(64).split(b" ", 2)[1]
    except (OSError, IndexError) as error:
        print(f"not ready: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0 if status == b"200" else 1


if __name__ == "__main__":
    raise SystemExit(main())
