"""The kind cluster of `make kind-up` under test, and what is beside it: clients, and a router with a client behind it.

    client   on the nodes' own network: layer 2
    router   FRR, on that network and on another one
    guest    on the other one: reaches IPs through the router only

All of it is found or made by names, so a run that was interrupted leaves nothing that the next one does not remove.
"""

import base64
import json
import os
import ssl
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_network
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import yaml

from baremetal_lb.lab.build import servers_folder
from kind_cluster.cluster import nodes
from kind_cluster.commands import CommandFailed, run, succeeds
from kind_cluster.images import OUTSIDE
from kind_cluster.places import CHECKOUT, KUBECONFIG, NETWORK, cache
from tests.support.pages import Reader
from tests.support.wait import until

NAMESPACE = "baremetal-lb-system"
RELEASE = "baremetal-lb"
CHART = CHECKOUT / "deploy" / "helm" / "baremetal-lb"
BEHIND = "bmlb-behind"
BEHIND_V4, BEHIND_V6 = "198.51.100.0/24", "2001:db8:5::/64"
ROUTER_BEHIND = ("198.51.100.254", "2001:db8:5::254")
BGP_POOL = ("203.0.113.0/24", "2001:db8:1::/120")
NODE_ASN, ROUTER_ASN = 64512, 64513
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


class Kind:
    """The cluster."""

    def __init__(self) -> None:
        self.nodes = nodes()

    def kubectl(self, *arguments: str, text: str | None = None, timeout_s: float = 180) -> str:
        """Run kubectl."""
        return run(servers_folder() / "kubectl", "--kubeconfig", KUBECONFIG, *arguments, text=text, timeout_s=timeout_s)

    def merge_as(self, token: str, path: str, patch: dict[str, Any]) -> tuple[int, str]:
        """Send a merge patch with somebody's token, as a speaker does; return status code and body."""
        cluster = yaml.safe_load(KUBECONFIG.read_text(encoding="utf-8"))["clusters"][0]["cluster"]
        context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/merge-patch+json"}
        request = Request(cluster["server"] + path, json.dumps(patch).encode(), headers, method="PATCH")
        try:
            with urlopen(request, timeout=10, context=context) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            return error.code, error.read().decode()

    def helm(self, *arguments: str) -> str:
        """Run helm on the namespace of the install."""
        return run(cache() / "bin" / "helm", "--kubeconfig", KUBECONFIG, "--namespace", NAMESPACE, *arguments, timeout_s=300)

    def bmlb(self, *arguments: str) -> str:
        """Run our command line.

        Raises:
            CommandFailed: with another exit code than 0.
        """
        environment = {"KUBECONFIG": str(KUBECONFIG)}
        return run(CHECKOUT / ".venv" / "bin" / "bmlb", *arguments, environment=environment, timeout_s=60)

    def bmlb_succeeds(self, *arguments: str) -> bool:
        """Tell whether our command line ends with exit code 0."""
        try:
            self.bmlb(*arguments)
        except CommandFailed:
            return False
        return True

    def apply(self, *objects: dict[str, Any]) -> None:
        """Apply objects."""
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", text=yaml.safe_dump_all(objects))

    def get(self, *arguments: str) -> Any:
        """Return what kubectl gets, as JSON; None where there is no such object."""
        try:
            return json.loads(self.kubectl("get", *arguments, "-o", "json"))
        except CommandFailed as error:
            if "NotFound" in str(error) or "not found" in str(error):
                return None
            raise

    def ips(self, service: str, namespace: str = "default") -> list[str]:
        """Return the IPs in a Service's status."""
        found = self.get("service", service, "-n", namespace) or {}
        return [entry["ip"] for entry in found.get("status", {}).get("loadBalancer", {}).get("ingress", ())]

    def pods(self, component: str) -> list[dict[str, Any]]:
        """Return the Pods of the controller or the speakers."""
        return list(self.get("pods", "-n", NAMESPACE, "-l", f"app.kubernetes.io/component={component}")["items"])

    def is_ready(self) -> bool:
        """Tell whether all our Pods are ready and none is going."""
        wanted = {"controller": 2, "speaker": len(self.nodes)}
        return all(
            sum(_is_ready(pod) and "deletionTimestamp" not in pod["metadata"] for pod in pods) == wanted[component] == len(pods)
            for component in wanted
            for pods in [self.pods(component)]
        )

    def node_addresses(self, family: int = 4) -> dict[str, str]:
        """Return the addresses of the nodes by name."""
        found = {}
        for node in self.get("nodes")["items"]:
            addresses = [each["address"] for each in node["status"]["addresses"] if each["type"] == "InternalIP"]
            found[node["metadata"]["name"]] = next((a for a in addresses if (":" in a) == (family == 6)), "")
        return found

    @property
    def has_ipv6(self) -> bool:
        """Tell whether the cluster has both families."""
        return all(self.node_addresses(6).values())

    @cached_property
    def subnets(self) -> tuple[IPv4Network, IPv6Network | None]:
        """Return the networks that the nodes are on."""
        found = json.loads(run("docker", "network", "inspect", "-f", "{{json .IPAM.Config}}", NETWORK))
        networks = [ip_network(entry["Subnet"]) for entry in found]
        v4 = next(network for network in networks if isinstance(network, IPv4Network))
        return v4, next((network for network in networks if isinstance(network, IPv6Network)), None)

    def is_programmed(self, ip: str) -> bool:
        """Tell whether kube-proxy on every node has heard that an IPv4 address is a Service's."""
        return all(f"-d {ip}/32 " in run("docker", "exec", node, "iptables-save", "-t", "nat") for node in self.nodes)

    def announcer(self, client: Outside, ip: str) -> str | None:
        """Return the node whose MAC a client has for an IP after it has asked anew; None without an answer."""
        with suppress(CommandFailed):
            client.run("ip", "neigh", "del", ip, "dev", "eth0")
        with suppress(CommandFailed):
            client.run("ping", "-c1", "-W1", ip)
        words = client.run("ip", "neigh", "show", ip, "dev", "eth0").split()
        if "lladdr" not in words:
            return None
        mac = words[words.index("lladdr") + 1]
        return next((node for node in self.nodes if mac == _mac(node)), None)


def _mac(node: str) -> str:
    """Return a node's MAC address, as Docker knows it: a paused node can't be asked."""
    return run("docker", "inspect", "-f", f'{{{{(index .NetworkSettings.Networks "{NETWORK}").MacAddress}}}}', node).strip()


def operator() -> Reader:
    """Return the shell of whoever runs this cluster: in the checkout, with kubectl, helm and our command line."""
    programs = (CHECKOUT / ".venv" / "bin", servers_folder(), cache() / "bin")
    return Reader(CHECKOUT, {"KUBECONFIG": str(KUBECONFIG), "PATH": ":".join([*map(str, programs), os.environ["PATH"]])})


@contextmanager
def outside(name: str, network: str, *options: str, command: Sequence[str] = ("sleep", "infinity")) -> Iterator[Outside]:
    """Run a container beside the cluster while the block runs."""
    run("docker", "rm", "-f", name)
    run("docker", "run", "-d", "--name", name, "--hostname", name, "--network", network, *options, OUTSIDE, *command)
    try:
        yield Outside(name)
    finally:
        run("docker", "rm", "-f", name)


def show_way_back(kind: Kind, router: Outside) -> None:
    """Tell the nodes where the network behind the router is; one that was started again has forgotten it."""
    for node in kind.nodes:
        run("docker", "exec", node, "ip", "route", "replace", BEHIND_V4, "via", router.address(NETWORK))
        if kind.has_ipv6:
            run("docker", "exec", node, "ip", "-6", "route", "replace", BEHIND_V6, "via", router.address(NETWORK, 6))


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


def _is_ready(pod: dict[str, Any]) -> bool:
    conditions = pod["status"].get("conditions", ())
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def until_ready(kind: Kind, deadline_s: float = 120) -> None:
    """Wait for all our Pods."""
    until(kind.is_ready, deadline_s, lambda: kind.kubectl("get", "pods", "-n", NAMESPACE, "-o", "wide"))
