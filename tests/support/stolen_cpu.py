"""Takes all CPUs away for moments, as a machine does that others share: run it as root beside a test run, to find what minds.

    python -m tests.support.stolen_cpu --busy-ms 50 350 --rest-ms 600

All CPUs are busy at the same moments with SCHED_FIFO, above everything else but the kernel's own share (5 % of each second). The moments
are the same ones for the same seed. Ends with Ctrl-C.
"""

import argparse
import os
import random
import time

PRIORITY = 60


def main() -> None:
    """Fork a hog for each CPU, and wait."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--busy-ms", type=float, nargs=2, default=(50, 350), metavar=("LEAST", "MOST"))
    parser.add_argument("--rest-ms", type=float, default=600, help="in the middle; half of it at least")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    begin_at = time.monotonic() + 0.5
    for cpu in os.sched_getaffinity(0):
        if os.fork() == 0:
            os.sched_setaffinity(0, {cpu})
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
            hog(random.Random(options.seed), begin_at, options.busy_ms, options.rest_ms)
            return
    os.wait()


def hog(moments: random.Random, at: float, busy_ms: tuple[float, float], rest_ms: float) -> None:
    """Be busy and rest in turn while the program runs; all hogs of one seed at the same moments."""
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(max(0.0, at - time.monotonic()))
        end = at + moments.uniform(*busy_ms) / 1000
        while time.monotonic() < end:
            pass
        at = end + moments.uniform(rest_ms / 2, rest_ms * 3 / 2) / 1000


if __name__ == "__main__":
    main()
