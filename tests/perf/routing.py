"""Everything that is measured of BGP and BFD, in one run: ``python -m tests.perf.routing``. Run as root; takes about half an hour.

bgp            a decision to the router's kernel, beside BIRD as the sender and a bare TCP connection
bgp_services   a write to the API to the router's kernel, on a whole lab
bfd            a cut cable to the router's kernel, beside BIRD as the node; the evenness of our packets
bgp_traffic    packets lost through ECMP while things come and go
"""

import subprocess
import sys

PROGRAMS = ("bgp", "bgp_services", "bfd", "bgp_traffic")


def main() -> int:
    """Run one after the other; return the first exit code that is not 0."""
    code = 0
    for program in PROGRAMS:
        print(f"\n=== {program}", flush=True)
        code = code or subprocess.run([sys.executable, "-m", f"tests.perf.{program}"], check=False).returncode
    return code


if __name__ == "__main__":
    sys.exit(main())
