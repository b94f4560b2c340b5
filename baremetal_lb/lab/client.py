"""The lab's client: what it can fetch, and which machine on the wire it sees behind an IP."""

import json
import sys
from dataclasses import dataclass

from baremetal_lb.lab.errors import LabError
from baremetal_lb.lab.fetch import __file__ as fetch_file
from baremetal_lb.lab.netns import entering, run
from baremetal_lb.lab.privilege import joining
from baremetal_lb.lab.state import LabState
from baremetal_lb.model.net import IPAddress


@dataclass(frozen=True, slots=True)
class Page:
    """What came back: a backend's answer, or the error."""

    node: str = ""
    pod: str = ""
    client: str = ""
    """The client's address as the backend saw it."""
    error: str = ""


def run_on(state: LabState, host: str, command: list[str]) -> str:
    """Run a command on a machine of a lab, and return what it says.

    Raises:
        LabError: it failed.
    """
    return run(joining(state.owner_holder, entering(state.layout.namespace(host), command)))


class Client:
    """The client of one lab."""

    def __init__(self, state: LabState) -> None:
        self._state, self._layout = state, state.layout

    def run(self, command: list[str]) -> str:
        """Run a command on the client.

        Raises:
            LabError: it failed.
        """
        return run_on(self._state, self._layout.client.name, command)

    def fetch(self, ip: IPAddress, port: int) -> Page:
        """Fetch the page at an IP and port.

        Raises:
            LabError: the client itself is broken.
        """
        host = f"[{ip}]" if ip.version == 6 else str(ip)
        said = json.loads(self.run([sys.executable, "-I", "-S", fetch_file, f"http://{host}:{port}/"]))
        return Page(**said["answer"]) if "answer" in said else Page(error=said["error"])

    def announcer(self, ip: IPAddress) -> str | None:
        """Return the node whose MAC address the client has for an IP now; None when it has none.

        Raises:
            LabError: the MAC address is nobody's.
        """
        words = self.run(["ip", "neigh", "show", str(ip), "dev", self._layout.client.interface]).split()
        if "lladdr" not in words:
            return None
        mac = words[words.index("lladdr") + 1]
        node = next((node.name for node in self._layout.nodes if node.mac == mac), None)
        if node is None:
            raise LabError(f"{ip} is at {mac}, which is no node's")
        return node

    def asked_announcer(self, ip: IPAddress, port: int) -> str | None:
        """Return what ``announcer`` does, after asking on the wire where the client knows nobody any more.

        An announcement only changes what a client knows already: one that gave up in the gap of a move has to ask.

        Raises:
            LabError: the MAC address is nobody's.
        """
        known = self.announcer(ip)
        if known is None:
            self.fetch(ip, port)
            known = self.announcer(ip)
        return known

    def forget(self) -> None:
        """Empty the client's neighbour tables, so that it asks again."""
        for family in ("-4", "-6"):
            self.run(["ip", family, "neigh", "flush", "dev", self._layout.client.interface])
