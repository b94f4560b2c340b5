"""The laws, looked at after every write of anybody, on the API server's own objects."""

import time
from collections import defaultdict
from typing import Any

from baremetal_lb.apiserver.messages import Request
from baremetal_lb.apiserver.server import ApiServer
from baremetal_lb.model.ids import BAREMETAL_LB
from baremetal_lb.model.rfc3339 import parse_time
from baremetal_lb.model.time import SECOND

SERVICES = ("", "services")
ENTRIES = (BAREMETAL_LB.own_group, "ipallocations")


HOLD_SLACK = 10 * SECOND
"""How long after its end a hold may still be there."""


class Broken(AssertionError):
    """A law was broken; the history that led there is in the text."""


def ips_of(service: dict[str, Any]) -> list[str]:
    ingress = service.get("status", {}).get("loadBalancer", {}).get("ingress") or []
    return [entry["ip"] for entry in ingress]


def _held_until(spec: dict[str, Any]) -> int:
    """Return until when an entry without users is held (ns since the epoch); 0 when it is for nobody."""
    return parse_time(spec["heldFor"]["until"]) if "heldFor" in spec else 0


def sharing_key(service: dict[str, Any]) -> str:
    return str(service["metadata"].get("annotations", {}).get(f"{BAREMETAL_LB.prefix}allow-shared-ip", ""))


def ports(service: dict[str, Any]) -> set[tuple[str, int]]:
    return {(port.get("protocol", "TCP"), port["port"]) for port in service["spec"]["ports"]}


class Laws:
    """Checks; ``history`` keeps the last writes for the message."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._had: dict[str, frozenset[str]] = {}
        self.history: list[str] = []
        self.writes: dict[str, int] = defaultdict(int)
        """Writes by whom, Leases and Events aside."""
        self.broken: Broken | None = None
        """The first failure: the code that runs just then may swallow what is raised."""
        self.may_lose_entries = False
        """Somebody deletes entries behind the controller's back."""

    def services(self) -> list[dict[str, Any]]:
        return [value for _, value in self._server.store.items(SERVICES) if value["spec"].get("type") == "LoadBalancer"]

    def entries(self) -> list[dict[str, Any]]:
        return [value for _, value in self._server.store.items(ENTRIES)]

    def after_write(self, who: str, request: Request) -> None:
        if "/leases" in request.path or "/events" in request.path:
            return
        self.history.append(f"{who} {request.method} {request.path}")
        del self.history[:-60]
        self.writes[who] += 1
        self._no_two_on_one_ip()
        self._nobody_loses_an_ip()
        if not self.may_lose_entries:
            self._status_only_with_entry()

    def _fail(self, law: str) -> None:
        self.broken = self.broken or Broken(law + "\n" + "\n".join(self.history))
        raise self.broken

    def _no_two_on_one_ip(self) -> None:
        on: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for service in self.services():
            for ip in ips_of(service):
                on[ip].append(service)
        for ip, users in on.items():
            keys = {sharing_key(service) for service in users}
            taken = [port for service in users for port in ports(service)]
            if len(users) > 1 and (len(keys) > 1 or "" in keys or len(taken) != len(set(taken))):
                self._fail(f"{ip} is in the status of {[service['metadata']['name'] for service in users]}")

    def _nobody_loses_an_ip(self) -> None:
        have = {service["metadata"]["uid"]: frozenset(ips_of(service)) for service in self.services()}
        for uid, ips in self._had.items():
            if uid in have and not ips <= have[uid]:
                self._fail(f"the Service with uid {uid} had {sorted(ips)} and has {sorted(have[uid])}")
        self._had = have

    def _status_only_with_entry(self) -> None:
        users = {(entry["spec"]["address"], user["uid"]) for entry in self.entries() for user in entry["spec"].get("services") or []}
        for service in self.services():
            for ip in ips_of(service):
                if (ip, service["metadata"]["uid"]) not in users:
                    self._fail(f"{service['metadata']['name']} has {ip} in its status, and the ledger does not give it")

    def settled(self, pool_size: int) -> None:
        """What must be true when the network is good again and everybody had time."""
        services = {service["metadata"]["uid"]: service for service in self.services()}
        meant = {(ip, uid) for uid, service in services.items() for ip in ips_of(service)}
        users = {(entry["spec"]["address"], user["uid"]) for entry in self.entries() for user in entry["spec"].get("services") or []}
        if meant != users:
            self._fail(f"ledger and statuses differ: only statuses {meant - users}, only ledger {users - meant}")
        idle = [entry["spec"] for entry in self.entries() if not entry["spec"].get("services")]
        leaked = [spec["address"] for spec in idle if _held_until(spec) + HOLD_SLACK <= time.time_ns()]
        if leaked:
            self._fail(f"leaked: {leaked}")
        without = [service["metadata"]["name"] for service in services.values() if not ips_of(service)]
        if without and len({ip for ip, _ in meant}) < pool_size:
            self._fail(f"{without} have no IP, and the pool has free ones")
