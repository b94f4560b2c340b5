"""How fast ARP and NDP are answered, beside the kernel's own answers in the same run: ``python -m tests.perf.l2_reply``.

Two namespaces and a bridge in a third, so that the frames cross veth pairs, not wires: compare the ratios with real hardware, not the
microseconds. The client is ``l2_client.c`` (compiled here; takes gcc), since a client in Python is slower than what it measures; questions
and answers are stamped by the kernel, and whatever else runs on the machine is in the figures. In the closed loop client, bridge and
announcer share the processors, so the kernel's row is what this client can do at most.

Rows: kernel = an address on the node's interface; ours = that many IPs that an Announcer in a process of its own answers for. With 10 000
groups joined the kernel walks a list of them for every multicast frame, whoever answers it: the kernel's second row shows what that costs.
The last table gives the processor time of an announcer to which none of the questions is addressed; "between" means that the targets lie
between those that it announces, where the filter of 128 ranges cannot tell them apart.
"""

import argparse
import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from statistics import median

from tests.support.announcing import AnnouncerProcess
from tests.support.netns import Lab

SOURCE = Path(__file__).with_name("l2_client.c")
FIRST = {"arp": "10.128.0.0", "ndp": "2001:db8:5::1:0"}
KERNEL = {"arp": "10.129.0.1", "ndp": "2001:db8:6::1"}
MANY = 10_000
TARGETS = {
    "latency": "p99 at most 163 us (prototype) and half of MetalLB's 424-470 us; the same with 10 000 IPs",
    "closed": "over 60 000/s, the same with 10 000 IPs (MetalLB: 25 500 with 1 IP, 23 100 with 1 000)",
    "foreign": "under 2 % of a core (MetalLB: 28-40 %), with 10 000 scattered IPs under 5 %",
}


class Bench:
    """The two hosts, the announcer and the compiled client."""

    def __init__(self, lab: Lab, client_binary: Path, seconds: float, rounds: int) -> None:
        self.node, self.client = lab.host("198.51.100.1/24", "2001:db8::1/64"), lab.host("198.51.100.7/24", "2001:db8::7/64")
        for protocol, address in KERNEL.items():
            extra = ("nodad",) if protocol == "ndp" else ()
            self.node.run("ip", "address", "add", f"{address}/{32 if protocol == 'arp' else 128}", "dev", "eth0", *extra)
        self.announcer = AnnouncerProcess(lab, self.node)
        self.binary, self.seconds, self.rounds = client_binary, seconds, rounds

    def ask(self, protocol: str, first: str, count: int, mode: str, amount: int) -> dict[str, float]:
        """Run the client once."""
        words = (str(self.binary), "eth0", protocol, first, str(count), mode, str(amount), str(self.seconds))
        return json.loads(self.client.run(*words))

    def median_of(self, ask: Callable[[], dict[str, float]]) -> dict[str, float]:
        """Run it several times; the median of each figure."""
        runs = [ask() for _ in range(self.rounds)]
        return {key: median(run[key] for run in runs) for key in runs[0]}

    def announce(self, count: int, step: int = 1) -> dict[str, float]:
        """Announce as many IPs of each family, ``step`` apart."""
        return self.announcer.announce(*(str(ip_address(first) + number * step) for first in FIRST.values() for number in range(count)))

    def row(self, label: str, protocol: str, first: str, count: int) -> None:
        """Print one line of the table."""
        if self.announcer.process.poll() is not None:
            raise SystemExit("the announcer has ended")
        slow = self.median_of(lambda: self.ask(protocol, first, count, "latency", 1000))
        fast = self.median_of(lambda: self.ask(protocol, first, count, "closed", 32))
        times = f"{slow['p50_us']:8.1f} {slow['p99_us']:8.1f} {slow['p999_us']:8.1f}"
        counts = f"{slow['sent'] - slow['replies']:6.0f} {fast['per_second']:10,.0f} {fast['duplicates']:6.0f}"
        print(f"{protocol}  {label:22} {times} {counts}", flush=True)


def cpu_seconds(pid: int) -> float:
    """Return the exact time on a processor of all threads."""
    return sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir()) / 1e9


def foreign(bench: Bench, protocol: str, label: str, first: str) -> None:
    """Print what questions for others cost the announcer."""
    before = cpu_seconds(bench.announcer.pid)
    sent = bench.ask(protocol, first, 50_000, "noise", 29_000)
    used = cpu_seconds(bench.announcer.pid) - before
    print(f"{protocol}  {label:30} {sent['per_second']:10,.0f} {100 * used / bench.seconds:8.2f} % of a core", flush=True)


def measure(bench: Bench) -> None:
    """Print all tables."""
    print("     who                         p50      p99     p999   lost  replies/s  twice     (us at 1 000/s; closed loop of 32)")
    for protocol, address in KERNEL.items():
        bench.row("kernel", protocol, address, 1)
    for count in (1, MANY):
        seen = bench.announce(count)
        blocked, joined = f"{seen['blocked_s'] * 1e3:.1f} ms", f"{seen['joined_s']:.2f} s"
        print(f"   announcing {count} of each family: loop blocked {blocked}, groups joined after {joined}")
        _until_quiet(bench)
        for protocol, first in FIRST.items():
            bench.row(f"ours, {count}", protocol, first, count)
    bench.row(f"kernel, {MANY} groups", "ndp", KERNEL["ndp"], 1)
    print("targets:", TARGETS["latency"], "|", TARGETS["closed"], sep="\n  ")
    print("\nquestions for others               questions/s    announcer")
    for count, step in ((1, 1), (MANY, 977)):
        bench.announce(count, step)
        _until_quiet(bench)
        foreign(bench, "arp", f"{count} IPs, elsewhere", "10.64.0.0")
        foreign(bench, "ndp", f"{count} IPs, elsewhere", "2001:db8:7::")
    foreign(bench, "arp", f"{MANY} IPs, between", "10.200.0.0")
    print("target:", TARGETS["foreign"])


def _until_quiet(bench: Bench) -> None:
    """Wait for the end of the announcement bursts, which would be measured as well."""
    last, now = -1, 0
    while last != now:
        last = now
        os.sched_yield()
        subprocess.run(["sleep", "4.5"], check=True)
        now = sum(bench.announcer.report()["announcements"].values())


def main() -> None:
    """Compile the client, build the lab, measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3, help="length of one run (default 3)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of which the median is printed (default 3)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Lab() as lab:
        binary = Path(folder, "l2_client")
        subprocess.run(["gcc", "-O2", "-Wall", "-Wno-unused-result", "-o", str(binary), str(SOURCE)], check=True)
        load = os.getloadavg()[0]
        print(f"load {load:.1f} on {os.cpu_count()} processors at the start; median of {options.rounds} runs of {options.seconds:g} s")
        measure(Bench(lab, binary, options.seconds, options.rounds))


if __name__ == "__main__":
    main()
