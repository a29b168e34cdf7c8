"""`paglets completion SHELL`: the script that lets a shell complete commands and options."""

import click
from click.shell_completion import get_completion_class

COMPLETE_VARIABLE = "_PAGLETS_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print a script that completes commands in SHELL.

    \b
    bash: eval "$(paglets completion bash)"       in ~/.bashrc
    zsh:  eval "$(paglets completion zsh)"        in ~/.zshrc
    fish: paglets completion fish | source        in config.fish
    """  # noqa: D301 - \b is the character that keeps click from joining the lines
    maker = get_completion_class(shell)
    assert maker is not None
    script = maker(ctx.find_root().command, {}, "paglets", COMPLETE_VARIABLE)
    click.echo(script.source())
