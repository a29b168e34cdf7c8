"""Writes docs/cli.md from the commands' own help: `python -m tests.cli.reference`.

A test compares the page with what this returns, so that it cannot drift.
"""

from collections.abc import Iterator
from pathlib import Path

import click

from paglets.cli.root import root

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
WIDTH = 96
HEAD = """# The command line

Made from `--help` by `python -m tests.cli.reference`; a test compares the two.

- **The host that is asked** is `--url`, else `PAGLETS_URL`, else the only host that runs on this
  machine, else port 8765 here. Other hosts are reached through it. `--url`, `--key-file` and
  `--json` stand before or after the subcommand.
- **Ids** may be cut to any unique beginning. `agent` and `events` look at the whole mesh.
- **Results** go to stdout, talk to stderr; `--json` gives all fields, errors too. Where stdout is
  no terminal, tables are plain aligned columns.
- **Exit codes**: 0 done, 1 failed, 2 wrong usage, 3 host unreachable.
- **Variables**: those shown with an option. `PAGLETS_HOME` moves `~/.paglets`.
- **Completion**: `eval "$(paglets completion bash)"` in `~/.bashrc`; see below for other shells.
"""


def render() -> str:
    """Return the page."""
    parts = [HEAD]
    for context in contexts("paglets", root, None):
        path = context.command_path
        level = "#" * min(2 + path.count(" "), 4)
        parts.append(f"{level} {path}\n\n```text\n{context.get_help().rstrip()}\n```\n")
    return "\n".join(parts)


def contexts(
    name: str, command: click.Command, parent: click.Context | None
) -> Iterator[click.Context]:
    """Yield a context of every command, groups before what is in them."""
    settings = {**command.context_settings, "max_content_width": WIDTH, "terminal_width": WIDTH}
    context = click.Context(command, parent=parent, info_name=name, **settings)
    yield context
    if isinstance(command, click.Group):
        for each in command.list_commands(context):
            found = command.get_command(context, each)
            assert found is not None
            yield from contexts(each, found, context)


if __name__ == "__main__":
    PAGE.write_text(render())
