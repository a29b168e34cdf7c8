"""Exits 0 when the host in this container is ready. Plain sockets: it runs every few seconds."""

import os
import socket
import sys

PORT = int(os.environ.get("PAGLETS_PORT", "8765"))
REQUEST = b"GET /readyz HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n"


def main() -> int:
    try:
        with socket.create_connection(("127.0.0.1", PORT), timeout=2.0) as connection:
            if os.environ.get("PAGLETS_TLS_CERT"):
                import ssl

                context = ssl._create_unverified_context()  # noqa: S323 - our own port
                connection = context.wrap_socket(connection)
            connection.sendall(REQUEST)
            status = connection.recv(64).split(b" ", 2)[1]
    except (OSError, IndexError) as error:
        print(f"not ready: {error}", file=sys.stderr)
        return 1
    return 0 if status == b"200" else 1


raise SystemExit(main())
