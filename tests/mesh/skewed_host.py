"""Program of a host whose clock is off, by the seconds in `PAGLETS_TEST_CLOCK_OFFSET`.

Everything of paglets in this process reads the time from `time.time`; so it is replaced before
anything of paglets is imported. Children keep the machine's clock.
"""

import os
import sys
import time

_true_time = time.time
_offset = float(os.environ["PAGLETS_TEST_CLOCK_OFFSET"])
time.time = lambda: _true_time() + _offset

if __name__ == "__main__":
    from paglets.testing.hostprocess import main

    raise SystemExit(main(sys.argv[1]))
