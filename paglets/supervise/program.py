"""The command line of `python -m paglets.child`: how the host's two factories start a program.

`forkserver CONTROL LIFELINE` serves forks (`forkserver.py`), `spawn CHANNEL LIFELINE TITLE` is one
Paglet Process started by exec. The numbers are descriptors. People never type this.
"""

import sys
from collections.abc import Sequence

from paglets.supervise.childsetup import (
    ChildProgram,
    handled_signals,
    keep_only,
    reset_signals,
    run_entry,
    set_up_output,
    settle_in,
)
from paglets.supervise.forkserver import serve
from paglets.supervise.linux import ProcessTitle

FORKSERVER = "forkserver"
SPAWN = "spawn"


def run(arguments: Sequence[str], program: ChildProgram) -> None:
    """Run the program that `arguments` name, then exit.

    Args:
        arguments: The command line without the program's name.
        program: What each Paglet Process runs.

    Raises:
        SystemExit: Always in a forkserver; with 2 if the arguments are no valid ones.
    """
    match arguments:
        case [way, control, lifeline] if way == FORKSERVER:
            sys.exit(serve(int(control), int(lifeline), program))
        case [way, channel, lifeline, title] if way == SPAWN:
            set_up_output()
            fds = keep_only(channel=int(channel), output=None, lifeline=int(lifeline))
            settle_in(fds, ProcessTitle(), title)
            reset_signals(handled_signals())
            run_entry(program.entry, fds)
        case _:
            sys.exit("this program is started by paglets host; see paglets/supervise/program.py")
