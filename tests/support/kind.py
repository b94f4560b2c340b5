"""The kind cluster of `make kind-up` under test."""

import base64
import json
import os
import ssl
from contextlib import suppress
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import yaml

from baremetal_lb.lab.build import servers_folder
from kind_cluster.cluster import nodes
from kind_cluster.commands import CommandFailed, run
from kind_cluster.places import CHECKOUT, KUBECONFIG, NETWORK, cache
from tests.support.kind_outside import BEHIND_V4, BEHIND_V6, Outside
from tests.support.pages import Reader
from tests.support.wait import until

NAMESPACE = "baremetal-lb-system"
RELEASE = "baremetal-lb"
CHART = CHECKOUT / "deploy" / "helm" / "baremetal-lb"
BGP_POOL = ("203.0.113.0/24", "2001:db8:1::/120")
NODE_ASN, ROUTER_ASN = 64512, 64513


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


def show_way_back(kind: Kind, router: Outside) -> None:
    """Tell the nodes where the network behind the router is; one that was started again has forgotten it."""
    for node in kind.nodes:
        run("docker", "exec", node, "ip", "route", "replace", BEHIND_V4, "via", router.address(NETWORK))
        if kind.has_ipv6:
            run("docker", "exec", node, "ip", "-6", "route", "replace", BEHIND_V6, "via", router.address(NETWORK, 6))


def _is_ready(pod: dict[str, Any]) -> bool:
    conditions = pod["status"].get("conditions", ())
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def until_ready(kind: Kind, deadline_s: float = 120) -> None:
    """Wait for all our Pods."""
    until(kind.is_ready, deadline_s, lambda: kind.kubectl("get", "pods", "-n", NAMESPACE, "-o", "wide"))
