"""A process that runs an Announcer, for tests and measurements: ``python -m tests.support.announcing`` reads commands, writes events.

Each line of standard input is a JSON object, each is answered by one line:

    {"announce": {"198.51.100.9": null, "2001:db8::9": ["eth0"]}}     what set_announced takes; answers when all groups are joined
    {"update": {...}, "withdraw": [...]}                              what update_announced takes
    {"probe": [...]}                                                  asks once for each; "unsent" and "answers" tell what came of it
    {"report": true}                                                  counters, links, conflicts, duration of the last command

``AnnouncerProcess`` is the other end.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from typing import Any, Self

from baremetal_lb.host.announcer import Announcer
from baremetal_lb.l2.links import LinkFacts
from baremetal_lb.model.net import IPAddress, Mac, parse_address
from tests.support.netns import Lab, Namespace
from tests.support.wait import until


class AnnouncerProcess:
    """An announcer in a namespace; its process ends with the lab."""

    def __init__(self, lab: Lab, where: Namespace, *, wrapper: tuple[str, ...] = ()) -> None:
        self.process = where.popen(
            *wrapper,
            sys.executable,
            "-m",
            "tests.support.announcing",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=os.getcwd(),  # noqa: PTH109 - the checkout
        )
        lab.on_exit(self.stop)
        self.first = self._read()

    @property
    def pid(self) -> int:
        """Process id."""
        return self.process.pid

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the announcer ended with {self.process.wait()}"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def tell(self, command: Mapping[str, object]) -> dict[str, Any]:
        """Give one command and return its answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        return self._read()

    def announce(self, *ips: str, on: Iterable[str] | None = None) -> dict[str, Any]:
        """Announce exactly these IPs."""
        return self.tell({"announce": dict.fromkeys(ips, None if on is None else list(on))})

    def report(self) -> dict[str, Any]:
        """Return counters, links and conflicts."""
        return self.tell({"report": True})

    def wait_for_link(self, name: str, **facts: object) -> None:
        """Wait until the announcer says this of a link."""

        def is_so() -> bool:
            link = self.report()["links"].get(name, {})
            return all(link.get(key) == value for key, value in facts.items())

        until(is_so, describe=lambda: self.report()["links"])

    def stop(self) -> None:
        """End it at once, as kill -9 does."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()


def _link(link: LinkFacts) -> dict[str, object]:
    return {
        "mac": str(link.mac),
        "carrier": link.carrier,
        "has_ipv4": link.has_ipv4,
        "has_ipv6": link.has_ipv6,
        "usable": link.usable,
        "reason": link.reason.name if link.reason else None,
    }


async def _obey(
    announcer: Announcer, command: Mapping[str, Any], conflicts: list[list[str]], answers: list[list[str]]
) -> dict[str, object]:
    started = time.perf_counter()
    if "announce" in command:
        announcer.set_announced(_ips(command["announce"]))
    if "update" in command:
        announcer.update_announced(_ips(command["update"]), [parse_address(ip) for ip in command["withdraw"]])
    unsent = announcer.probe(dict.fromkeys(map(parse_address, command.get("probe", []))))
    blocked = time.perf_counter() - started
    while announcer.pending_joins:
        await asyncio.sleep(0)
    counters = announcer.counters
    return {
        "blocked_s": blocked,
        "joined_s": time.perf_counter() - started,
        "links": {link.name: _link(link) for link in announcer.links},
        "conflicts": conflicts,
        "answers": answers,
        "unsent": sorted(map(str, unsent)),
        "replies": dict(counters.replies),
        "announcements": dict(counters.announcements),
        "drops": {reason.name: count for reason, count in counters.drops.items()},
        "conflict_frames": counters.conflicts,
        "failed_joins": counters.failed_joins,
        "failed_opens": counters.failed_opens,
        "link_resyncs": counters.link_resyncs,
        "imports_scapy": any(name.split(".")[0] == "scapy" for name in sys.modules),
    }


def _ips(wanted: Mapping[str, list[str] | None]) -> dict[IPAddress, frozenset[str] | None]:
    return {parse_address(ip): None if names is None else frozenset(names) for ip, names in wanted.items()}


async def main() -> None:
    """Obey until standard input ends."""
    conflicts: list[list[str]] = []
    answers: list[list[str]] = []

    def on_conflict(ip: IPAddress, mac: Mac, interface: str) -> None:
        conflicts.append([str(ip), str(mac), interface])

    def on_answer(ip: IPAddress, mac: Mac, interface: str) -> None:
        answers.append([str(ip), str(mac), interface])

    reader = asyncio.StreamReader(limit=1 << 24)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with Announcer(on_conflict=on_conflict, on_answer=on_answer) as announcer:
        print(json.dumps({"ready": True}), flush=True)
        while line := await reader.readline():
            answer = await _obey(announcer, json.loads(line), conflicts, answers)
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    import structlog

    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    asyncio.run(main())
