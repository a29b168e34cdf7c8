"""`python -m paglets.child`: started by a host, as forkserver or as one Paglet Process."""

import sys

from paglets.child.bootstrap import main
from paglets.supervise.program import run

run(sys.argv[1:], main)
