"""The `paglets` command, one file a noun; each is loaded when its command is used.

Nouns: host, agent, mesh, service, transfer, events, key, examples, demo, completion. What they
share: options (options.py), asking a host (asking.py), errors and exit codes (errors.py), tables
and JSON (output.py), ids by prefix (ids.py). Not here: what a host does; every command is a call
of its HTTP API by `remote/client.py`.
"""

from paglets.cli.root import root


def main() -> None:
    """Run the command line; the `paglets` script calls it."""
    root(prog_name="paglets")
