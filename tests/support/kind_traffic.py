"""Streams of requests to Services of the kind cluster while something changes, and which losses a move of the IP explains."""

import json
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

from kind_cluster.commands import run
from tests.support.kind_outside import Answers, Outside
from tests.support.neighbour_monitor import NeighbourMonitor
from tests.support.netns import BorrowedNamespace
from tests.support.route_monitor import RouteMonitor

PACE = 50
HEARD_LATE_S = 1.0
"""How much later than the client this process may hear of a move, on a busy machine."""


@dataclass(frozen=True, slots=True)
class Target:
    """A Service under traffic."""

    who: Outside
    ip: str
    is_routed: bool
    """Reached through the router; else on the nodes' own network."""

    @property
    def url(self) -> str:
        """Where to ask."""
        return f"http://[{self.ip}]/" if ":" in self.ip else f"http://{self.ip}/"

    @property
    def prefix(self) -> str:
        """Its route in the router."""
        return f"{self.ip}/128" if ":" in self.ip else f"{self.ip}/32"


@dataclass(frozen=True, slots=True)
class Stream:
    """What became of one Service's requests, and when its IP moved: times in s on the monotonic clock, which clients share."""

    answers: Answers
    moves: tuple[float, ...]

    def unexplained(self) -> list[dict[str, Any]]:
        """Return the requests without an answer that no move explains.

        A connection that is under way when its IP moves to another announcer, or when a router chooses among other next hops, may come to
        a node whose kube-proxy does not know it: that resets it, or drops what its kernel takes for invalid. Nobody who moves IPs can help
        that. A connection is under way no longer than the slowest one that was answered. A refused connection is never explained: it
        came to a node that has no endpoint.
        """
        slowest = max((answer["took"] for answer in self.answers.answers if "pod" in answer), default=0.0)
        return [answer for answer in self.answers.answers if "error" in answer and not self._is_explained(answer, slowest)]

    def _is_explained(self, answer: dict[str, Any], slowest: float) -> bool:
        under_way_until = answer["at"] + min(answer["took"], slowest)
        is_cut_off = answer["error"].startswith(("ConnectionResetError", "TimeoutError"))
        return is_cut_off and any(answer["at"] <= moved <= under_way_until + HEARD_LATE_S for moved in self.moves)

    def summary(self) -> str:
        """Return it in a line."""
        errors, slow = self.answers.errors, [answer["took"] for answer in self.answers.answers if answer["took"] >= 1]
        kinds = sorted({error.partition(":")[0] for error in errors})
        return (
            f"{len(self.answers.answers)} requests, {len(errors)} lost {' '.join(kinds)}({len(self.unexplained())} without a move),"
            f" {len(slow)} took a second or more, longest gap {self.answers.gap_s * 1000:.0f} ms,"
            f" moves at {[round(moved - self.answers.answers[0]['at'], 2) for moved in self.moves]} s"
        )


class Traffic:
    """Asks all Services while the block runs.

    with Traffic(targets, router) as traffic:
        ...
    assert traffic.lost() == {}
    """

    def __init__(self, targets: dict[str, Target], router: Outside) -> None:
        self._targets, self._router, self._stack = targets, router, ExitStack()
        self._asked = dict[str, list[Answers]]()
        self._neighbours = dict[str, NeighbourMonitor]()
        self._streams = dict[str, Stream]()

    def __enter__(self) -> Self:
        self._routes = self._stack.enter_context(RouteMonitor(self._namespace(self._router)))
        for name, target in self._targets.items():
            if not target.is_routed:
                self._neighbours[name] = self._stack.enter_context(NeighbourMonitor(self._namespace(target.who)))
        self._before = {name: _way(target, self._router) for name, target in self._targets.items()}
        for name, target in self._targets.items():
            self._asked[name] = self._stack.enter_context(target.who.asking(target.url, per_second=PACE))
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()
        for name, target in self._targets.items():
            (answers,) = self._asked[name]
            self._streams[name] = Stream(answers, self._moves(name, target))
            print(f"{name}: {self._streams[name].summary()}")

    def _namespace(self, container: Outside) -> BorrowedNamespace:
        pid = run("docker", "inspect", "-f", "{{.State.Pid}}", container.name).strip()
        namespace = BorrowedNamespace(f"/proc/{pid}/ns/net")
        self._stack.callback(namespace.close)
        return namespace

    def _moves(self, name: str, target: Target) -> tuple[float, ...]:
        if target.is_routed:
            ways = [(event.at, () if event.is_removal else event.gateways) for event in self._routes.events(target.prefix)]
        else:
            ways = [(event.at, (event.mac,)) for event in self._neighbours[name].all_events() if event.ip == target.ip]
        return tuple(at / 1e9 for (_, before), (at, way) in pairwise([(0, self._before[name]), *ways]) if before not in ((), way))

    def lost(self, *, most_moves: int = 0) -> dict[str, Any]:
        """Why requests had no answer although nothing moved, or that there were more moves than planned, by Service; after the block."""
        found: dict[str, Any] = {}
        for name, stream in self._streams.items():
            if missing := stream.unexplained():
                begun = stream.answers.answers[0]["at"]
                found[name] = [f"at {answer['at'] - begun:.2f} s, after {answer['took']:.2f} s: {answer['error']}" for answer in missing]
            elif len(stream.moves) > most_moves:
                found[name] = f"moved {len(stream.moves)} times"
        return found


def _way(target: Target, router: Outside) -> tuple[str, ...]:
    """Return where packets to it go now: the router's next hops, or the MAC address that the client has; sorted."""
    if target.is_routed:
        return tuple(sorted(router.next_hops(target.prefix)))
    return tuple(entry["lladdr"] for entry in json.loads(target.who.run("ip", "-j", "neigh", "show", target.ip)) if "lladdr" in entry)
