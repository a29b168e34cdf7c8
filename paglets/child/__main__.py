"""`python -m paglets.child`: started by a host, as forkserver or as one Paglet Process."""

import sys

from paglets.child.bootstrap import main
from paglets.child.loader import learn
from paglets.child.preparing import prepare
from paglets.child.warming import examine, warm
from paglets.supervise.childsetup import ChildProgram
from paglets.supervise.program import run

run(sys.argv[1:], ChildProgram(main, prepare, examine, learn, warm))
