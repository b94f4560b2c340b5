"""Figures of the speaker on the real API server, beside the targets. Run as root: ``python -m tests.perf.speaker [--services 1000]``.

Two speakers in namespaces on one bridge; the Services, ledger entries and statuses are written by this program as the controller would.
The times have this program's own writes and polling in them (2 ms), and everything shares this machine's cores. Nothing is asserted.
"""

import argparse
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

from baremetal_lb.kube.rights import speaker_rights
from tests.support.kubeserver import running_server
from tests.support.speakers import SpeakerNode, Speakers, install_crds
from tests.support.wait import until

WRITERS = 16
ROUNDS = 7


def rss_mib(node: SpeakerNode) -> float:
    """Return the resident memory of a speaker, in MiB."""
    assert node.process is not None
    status = Path(f"/proc/{node.process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS:")).split()[1]) / 1024


def cpu_s(node: SpeakerNode) -> float:
    """Return the CPU time that a speaker has used, in seconds."""
    assert node.process is not None
    user, system = Path(f"/proc/{node.process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / 100


def idle(nodes: list[SpeakerNode], seconds: float = 10.0) -> str:
    """Return the CPU that speakers use while nothing happens, in per cent of a core."""
    before = [cpu_s(node) for node in nodes]
    time.sleep(seconds)
    return " / ".join(f"{(cpu_s(node) - start) / seconds * 100:.1f}" for node, start in zip(nodes, before, strict=True))


def until_answers(cluster: Speakers, ip: str, mac: str, began: float) -> float:
    """Ask for an IP until the node with this hardware address answers; return how long after ``began``, in ms."""
    until(lambda: mac in cluster.who_answers(ip, patience_s=0.002), 30)
    return (time.monotonic() - began) * 1000


def memory(cluster: Speakers, nodes: list[SpeakerNode], count: int) -> None:
    """Print RSS and idle CPU without Services, and with many."""
    print(f"RSS at 0 Services            {' / '.join(f'{rss_mib(node):.0f}' for node in nodes)} MiB   (target at most 75; MetalLB 60)")
    print(f"idle CPU at 0 Services       {idle(nodes)} %   (target at most 1; MetalLB 0.3)")

    def write(number: int) -> None:
        ip = f"2001:db8::{number + 0x1000:x}"
        cluster.service(f"many{number}", ip, endpoints=["node1"], announcer=nodes[number % len(nodes)].name)

    began = time.monotonic()
    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, range(count)))
    wanted = {f"many{number}" for number in range(count)}
    until(lambda: wanted <= {name.partition("@")[0] for name in cluster.statuses()}, 120)
    print(f"{count} Services written and announced in {time.monotonic() - began:.1f} s")
    print(f"RSS at {count} Services         {' / '.join(f'{rss_mib(node):.0f}' for node in nodes)} MiB   (target at most 80; MetalLB 82)")
    print(f"idle CPU at {count} Services    {idle(nodes)} %   (target at most 1; MetalLB 0.4-0.55)")


def latency(cluster: Speakers, nodes: list[SpeakerNode]) -> None:
    """Print how long it takes from a Service's status to the first answer, and from a lost Local endpoint to the next announcer's."""
    first, moved = [], []
    for number in range(ROUNDS):
        ip, name = f"198.51.100.{130 + number}", f"one{number}"
        uid = cluster.service(name, endpoints=["node1"], policy="Local", ledger=False)
        cluster.endpoints(name, {"node1": True})
        cluster.entry(ip, name, uid, announcer="node1")
        began = time.monotonic()
        cluster.assign(name, ip)
        first.append(until_answers(cluster, ip, nodes[0].host.mac, began))
        began = time.monotonic()
        cluster.endpoints(name, {"node1": False, "node2": True})
        moved.append(until_answers(cluster, ip, nodes[1].host.mac, began))
    print(
        f"status to first ARP reply    {median(first):.0f} ms median, {max(first):.0f} worst of {ROUNDS}   (target under 60 from creation)"
    )
    print(f"last Local endpoint moved    {median(moved):.0f} ms median, {max(moved):.0f} worst   (target under 1000)")


def takeover(cluster: Speakers, nodes: list[SpeakerNode]) -> None:
    """Print how long nobody answers after a kill -9."""
    gaps = []
    cluster.service("killed", "198.51.100.200", endpoints=["node1", "node2"], announcer="node1")
    until_answers(cluster, "198.51.100.200", nodes[0].host.mac, time.monotonic())
    for _ in range(3):
        began = time.monotonic()
        nodes[0].kill()
        gaps.append(until_answers(cluster, "198.51.100.200", nodes[1].host.mac, began))
        nodes[0].start()
        nodes[0].until_ready()
        until_answers(cluster, "198.51.100.200", nodes[0].host.mac, time.monotonic())
    print(f"kill -9 to the next reply    {median(gaps):.0f} ms median of {len(gaps)}   (Leases of 4 s; target under 500; MetalLB 5160)")


def main() -> None:
    """Run all measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--services", type=int, default=1000)
    count = parser.parse_args().services
    with (
        tempfile.TemporaryDirectory() as folder,
        running_server(Path(folder) / "kube") as server,
        Speakers(server, Path(folder)) as cluster,
    ):
        install_crds(server)
        for name in ("node1", "node2"):
            server.grant(f"speaker-{name}", speaker_rights(cluster.identity).everywhere)
        cluster.configure()
        nodes = [cluster.node(name) for name in ("node1", "node2")]
        for node in nodes:
            node.until_ready()
        latency(cluster, nodes)
        takeover(cluster, nodes)
        memory(cluster, nodes, count)


if __name__ == "__main__":
    main()
