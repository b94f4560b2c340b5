"""What a flood of connections costs a health and metrics server: memory, and how long a probe waits meanwhile.

    python -m tests.perf.flood [--connections 5000] [--seconds 15]

Each kind of flood meets a server process of its own. Printed are the resident memory before, its peak (after a garbage collection of
nothing: as it is), the growth, and the slowest of the probes that were sent all the while, each on a connection of its own.
"""

import argparse
import multiprocessing
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

SERVER = """
import asyncio, sys
from ipaddress import ip_address
from baremetal_lb.model.ids import BAREMETAL_LB
from baremetal_lb.telemetry import metric_table
from baremetal_lb.telemetry.health import Health, serve
from baremetal_lb.telemetry.logging import configure_logging
from baremetal_lb.telemetry.metrics import Metrics

async def main() -> None:
    configure_logging(level="error")
    metrics = Metrics(BAREMETAL_LB)
    rows = [((f"peer-{number}",), 1.0) for number in range(2000)]
    metrics.read_at_scrape(lambda: [metrics.family(metric_table.BFD_UP, rows)])
    port = int(sys.argv[1])
    async with serve(Health(), metrics, addresses=(ip_address("127.0.0.1"),), health_port=port, metrics_port=port):
        print("serving", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""
PROBE = b"GET /healthz HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n"
SCRAPE = b"GET /metrics HTTP/1.1\r\nHost: node\r\n\r\n"
FLOODS: dict[str, bytes] = {
    "headers that never end": b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 7000 + b"\r\n",
    "connections that say nothing": b"",
    "answers that nobody takes": SCRAPE,
    "pipelined requests": PROBE.replace(b"Connection: close\r\n", b"") * 500,
}


def rss_kib(pid: int) -> int:
    """Return the resident memory of a process."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def flood(port: int, sent: bytes, connections: int, until: float) -> None:
    """Keep so many connections open, anew as the server closes them."""
    held: list[socket.socket] = []
    opened = 0
    while time.monotonic() < until:
        one = socket.socket()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.settimeout(1)
        try:
            one.connect(("127.0.0.1", port))
            one.sendall(sent)
        except OSError:
            one.close()
            continue
        held.append(one)
        opened += 1
        if len(held) > connections:
            held.pop(0).close()
    print(f"    {opened} connections opened", flush=True)


def probe(port: int) -> float:
    """Return how long a probe took, in seconds; infinity for one that got no answer within 30 s."""
    begun = time.monotonic()
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=30) as one:
            one.sendall(PROBE)
            return time.monotonic() - begun if one.recv(12) == b"HTTP/1.1 200" else float("inf")
    except OSError:
        return float("inf")


def measured(what: str, sent: bytes, connections: int, seconds: float) -> None:
    """Print what one kind of flood costs."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    with subprocess.Popen([sys.executable, "-c", SERVER, str(port)], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        server.stdout.readline()
        for _ in range(20):  # what is made at the first request is no cost of the flood
            probe(port)
            with socket.create_connection(("127.0.0.1", port), timeout=30) as one:
                one.sendall(SCRAPE)
                while one.recv(65536):
                    pass
        before = peak = rss_kib(server.pid)
        until = time.monotonic() + seconds
        attacker = multiprocessing.Process(target=flood, args=(port, sent, connections, until))
        attacker.start()
        took: list[float] = []
        watcher = threading.Thread(target=_probe_until, args=(port, until, took.append))
        watcher.start()
        while time.monotonic() < until:
            peak = max(peak, rss_kib(server.pid))
            time.sleep(0.02)
        watcher.join()
        attacker.join()
        server.kill()
    slowest, lost = max(took), sum(one == float("inf") for one in took)
    print(
        f"{what:<30} before {before / 1024:6.1f} MiB   peak {peak / 1024:6.1f} MiB   growth {(peak - before) / 1024:5.2f} MiB   "
        f"{len(took)} probes, slowest {slowest * 1000:.0f} ms, {lost} unanswered",
        flush=True,
    )


def _probe_until(port: int, until: float, took: Callable[[float], None]) -> None:
    while time.monotonic() < until:
        took(probe(port))
        time.sleep(0.05)


def main() -> None:
    """Measure all kinds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=5000)
    parser.add_argument("--seconds", type=float, default=15)
    options = parser.parse_args()
    print(f"{options.connections} connections, {options.seconds:.0f} s each, {os.cpu_count()} processors")
    for what, sent in FLOODS.items():
        measured(what, sent, options.connections, options.seconds)


if __name__ == "__main__":
    main()
