"""Exits 0 when the host in this container is ready.

Plain sockets and nothing of paglets: it runs every few seconds in every container.
"""

import os
import socket
import sys

TIMEOUT = 2.0
"""Seconds for the answer; below the health check's own."""


def address() -> tuple[str, str, int]:
    """Return scheme, address and port, as the running host wrote them down, else as usual."""
    try:
        with open(os.environ["PAGLETS_DATA"] + "/host.json") as file:  # noqa: PTH123 - as below
            text = file.read()
    except (KeyError, OSError):
        text = ""
    # json, pathlib and urllib take longer to import than all the rest of this.
    url = text.partition('"local_url": "')[2].partition('"')[0]
    scheme, _, place = url.partition("://")
    host, _, port = place.rpartition(":")
    if not port.isdigit():
        return "http", "127.0.0.1", int(os.environ.get("PAGLETS_PORT", "8765"))
    return scheme, host.strip("[]"), int(port)


def main() -> int:
    """Ask once; return the exit code."""
    scheme, host, port = address()
    request = f"GET /readyz HTTP/1.0\r\nHost: {host}\r\n\r\n".encode()
    try:
        with connect(scheme, host, port) as connection:
            connection.sendall(request)
            status = connection.recv(64).split(b" ", 2)[1]
    except (OSError, IndexError) as error:
        print(f"not ready: {error}", file=sys.stderr)
        return 1
    return 0 if status == b"200" else 1


def connect(scheme: str, host: str, port: int) -> socket.socket:
    """Return a connection to this container's own host."""
    connection = socket.create_connection((host, port), timeout=TIMEOUT)
    if scheme != "https":
        return connection
    import ssl  # only where it is needed: it takes as long as the rest

    # Its own port: there is nobody to be mistaken for.
    return ssl._create_unverified_context().wrap_socket(connection)  # noqa: S323, SLF001


if __name__ == "__main__":
    raise SystemExit(main())
