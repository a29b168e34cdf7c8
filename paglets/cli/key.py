"""`paglets key …`: the keys of this user, carried between machines as one line of text.

On the machine of a host: `paglets key export`; here: `paglets key import`.
"""

import os
import sys
from pathlib import Path
from typing import TextIO

import click

from paglets.cli.errors import failed, shown
from paglets.cli.lazy import SuggestingGroup
from paglets.cli.options import Common, common
from paglets.cli.output import print_json, print_table, say
from paglets.config.keys import (
    Key,
    client_keyring,
    home_dir,
    parse_key,
    read_keyring,
    remember_key,
)
from paglets.model.errors import InvalidRequestError

KEY_ID = click.option("--id", "key_id", metavar="ID", help="Key with this id. Default: your own.")


@click.group(cls=SuggestingGroup)
@common
def key() -> None:
    """Show keys and carry them between machines."""


@key.command()
@common
@click.pass_obj
def show(shared: Common) -> None:
    """List the ids of your keys and where they lie; the keys themselves are not shown."""
    with shown(shared):
        rows = known_keys(home_dir())
    if shared.json:
        print_json([{"id": key_id, "file": str(path)} for key_id, path in rows])
        return
    print_table(("id", "file"), rows)


@key.command()
@KEY_ID
@common
@click.pass_obj
def export(shared: Common, key_id: str | None) -> None:
    """Print a key as one line, to be given to `paglets key import` elsewhere. Keep it secret."""
    click.echo(_chosen(shared, key_id).text())


@key.command("import")
@click.argument("file", type=click.File(), default="-")
@common
@click.pass_obj
def import_(shared: Common, file: TextIO) -> None:
    """Take a key from FILE, or from what is piped in, and print its id."""
    if file.name == "<stdin>" and sys.stdin.isatty():
        say("paste the line that `paglets key export` printed:")
    with shown(shared):
        imported = parse_key(file.readline())
        path = remember_key(imported, environ=os.environ)
    if shared.json:
        print_json({"id": imported.id, "file": str(path)})
        return
    click.echo(imported.id)
    say(f"stored in {path}")


@key.command()
@KEY_ID
@common
@click.pass_obj
def token(shared: Common, key_id: str | None) -> None:
    """Print the bearer token of a key, for curl and Prometheus."""
    click.echo(_chosen(shared, key_id).bearer_token())


def known_keys(home: Path) -> list[tuple[str, Path]]:
    """Return id and file of every key under `home`, those of its hosts too.

    Raises:
        OSError: A file cannot be read.
    """
    paths = [*sorted(home.glob("keys/*.key")), *sorted(home.glob("hosts/*/host.key"))]
    found: list[tuple[str, Path]] = []
    for path in paths:
        try:
            found.extend((each.id, path) for each in read_keyring(path).keys)
        except InvalidRequestError as error:
            say(f"skipped: {error}")
    return found


def _chosen(shared: Common, key_id: str | None) -> Key:
    with shown(shared):
        keyring = client_keyring(environ=os.environ, key_file=shared.key_file, key_id=key_id)
        found = None if keyring is None else keyring.primary
        if found is not None and key_id is not None:
            assert keyring is not None
            found = keyring.find(key_id)
    if found is None:
        what = "no key here" if key_id is None else f"no key {key_id} here"
        raise failed(shared, what, "the first `paglets host` makes one; `paglets key show` lists")
    return found
