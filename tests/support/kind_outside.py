"""Machines beside the kind cluster, as containers: clients, and a router with a network behind it.

    client   on the nodes' own network: layer 2
    router   FRR, on that network and on another one
    guest    on the other one: reaches IPs through the router only

All of it is found or made by names, so a run that was interrupted leaves nothing that the next one does not remove.
"""

import json
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from kind_cluster.commands import run, succeeds
from kind_cluster.images import OUTSIDE

BEHIND = "bmlb-behind"
BEHIND_V4, BEHIND_V6 = "198.51.100.0/24", "2001:db8:5::/64"
ROUTER_BEHIND = ("198.51.100.254", "2001:db8:5::254")
_CLIENT_SOURCE = Path(__file__).with_name("kind_client.py")


@dataclass(frozen=True, slots=True)
class Answers:
    """What became of a stream of requests."""

    answers: tuple[dict[str, Any], ...]

    @property
    def errors(self) -> list[str]:
        """Why requests had no answer."""
        return [answer["error"] for answer in self.answers if "error" in answer]

    @property
    def pods(self) -> Counter[str]:
        """Answers by Pod."""
        return Counter(answer["pod"] for answer in self.answers if "pod" in answer)

    @property
    def sources(self) -> set[str]:
        """Addresses that the backends saw."""
        return {answer["client"] for answer in self.answers if "client" in answer}

    @property
    def gap_s(self) -> float:
        """The longest time from one answered request's begin to the next one's."""
        times = sorted(answer["at"] for answer in self.answers if "pod" in answer)
        return max((later - earlier for earlier, later in pairwise(times)), default=0.0)


class Outside:
    """A container beside the cluster."""

    def __init__(self, name: str) -> None:
        self.name = name

    def run(self, *command: str) -> str:
        """Run a command in it."""
        return run("docker", "exec", self.name, *command, timeout_s=60)

    def address(self, network: str, family: int = 4) -> str:
        """Return its address on a network."""
        key = "IPAddress" if family == 4 else "GlobalIPv6Address"
        found = json.loads(run("docker", "inspect", "-f", "{{json .NetworkSettings.Networks}}", self.name))
        return str(found[network][key])

    def next_hops(self, prefix: str) -> set[str]:
        """Return the next hops of a prefix in its kernel."""
        family = "-6" if ":" in prefix else "-4"
        routes = json.loads(self.run("ip", "-j", family, "route", "show", prefix) or "[]")
        return {hop["gateway"] for route in routes for hop in route.get("nexthops", [route]) if "gateway" in hop}

    def ask(self, url: str, count: int = 1) -> Answers:
        """Ask so many times, one after the other."""
        source = _CLIENT_SOURCE.read_text(encoding="utf-8").partition("\ndef main(")[0]
        program = f"{source}\nprint(json.dumps([ask(sys.argv[1]) for _ in range({count})]))"
        return Answers(tuple(json.loads(self.run("python3", "-c", program, url))))

    @contextmanager
    def asking(self, url: str, *, per_second: float = 50) -> Iterator[list[Answers]]:
        """Ask at a steady pace while the block runs; the list has the answers afterwards."""
        result: list[Answers] = []
        command = ["docker", "exec", "-i", self.name, "python3", "-c", _CLIENT_SOURCE.read_text(encoding="utf-8"), url, str(per_second)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as asker:
            try:
                yield result
            finally:
                said, _ = asker.communicate(timeout=60)
        result.append(Answers(tuple(json.loads(said))))


@contextmanager
def outside(name: str, network: str, *options: str, command: Sequence[str] = ("sleep", "infinity")) -> Iterator[Outside]:
    """Run a container beside the cluster while the block runs."""
    run("docker", "rm", "-f", name)
    run("docker", "run", "-d", "--name", name, "--hostname", name, "--network", network, *options, OUTSIDE, *command)
    try:
        yield Outside(name)
    finally:
        run("docker", "rm", "-f", name)


@contextmanager
def behind_network() -> Iterator[None]:
    """Have the network behind the router while the block runs."""
    for left in ("bmlb-router", "bmlb-guest"):
        run("docker", "rm", "-f", left)
    if succeeds("docker", "network", "inspect", BEHIND):
        run("docker", "network", "rm", BEHIND)
    run("docker", "network", "create", "--ipv6", "--subnet", BEHIND_V4, "--subnet", BEHIND_V6, BEHIND)
    try:
        yield
    finally:
        run("docker", "network", "rm", BEHIND)
