"""A whole cluster: two controllers, a speaker on each of some nodes, one link, and a person who edits what people edit."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

from baremetal_lb.cli.offline import read_cluster
from baremetal_lb.host.announcer import AnnouncerOptions
from baremetal_lb.kube.errors import ApiError
from baremetal_lb.kube.transport import MERGE_PATCH
from baremetal_lb.model.ids import BAREMETAL_LB
from baremetal_lb.model.net import IPAddress
from baremetal_lb.model.roster import InterfaceFacts, Member, Roster
from baremetal_lb.settle.cluster import SettleOptions
from baremetal_lb.settle.settle import settle
from controller.settings import Settings as ControllerSettings
from tests.support.simulation.clock import EPOCH_UTC, VirtualLoop
from tests.support.simulation.cluster import HOME, POOL, Cluster
from tests.support.simulation.laws import ENTRIES, SERVICES
from tests.support.simulation.link_laws import LinkLaws
from tests.support.simulation.network import Weather
from tests.support.simulation.speakers import SpeakerNode
from tests.support.simulation.truth import ADVERTISEMENTS, DRAIN, EXCLUDE, NODES, SLICES, Truth
from tests.support.simulation.wire import INTERFACE, SimulatedAnnouncer, Wire

POOL_V6 = "2001:db8:1::/125"
STATUSES = (BAREMETAL_LB.group, "servicel2statuses")
POOLS = (BAREMETAL_LB.group, "ipaddresspools")
OURS = f"/apis/{BAREMETAL_LB.group}/v1beta1/namespaces/{HOME}"
SERVICE_PATH = "/api/v1/namespaces/default/services"
SLICE_PATH = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"


class WholeCluster(Cluster):
    """The history of one seed."""

    def __init__(self, loop: VirtualLoop, seed: int, directory: Path, nodes: int) -> None:
        super().__init__(loop, seed)
        self.wire = Wire(loop, random.Random(self.rng.random()))
        self.truth = Truth(self.core.server)
        names = [f"n{number}" for number in range(nodes)]
        self.nodes = {name: SpeakerNode(name, self.core, self.wire, random.Random(self.rng.random()), directory) for name in names}
        self.link_laws = LinkLaws(self.wire, self.truth, self.nodes, [POOL, POOL_V6])
        self.everything()
        self.core.after_write.append(lambda who, request: self._after_write(who, request.method, request.path))
        self.wire.after_change.append(self.link_laws.look)

    def everything(self) -> None:
        """Create the nodes, the second family's pool and an advertisement of all pools."""
        for name in self.nodes:
            self.core.ask("POST", "/api/v1/nodes", {"metadata": {"name": name, "labels": {"half": "a" if name < "n2" else "b"}}})
        kind = {"apiVersion": f"{BAREMETAL_LB.group}/v1beta1"}
        self.core.ask("PATCH", f"{OURS}/ipaddresspools/p", {"spec": {"addresses": [POOL, POOL_V6]}}, MERGE_PATCH)
        self.core.ask("POST", f"{OURS}/l2advertisements", kind | {"kind": "L2Advertisement", "metadata": {"name": "all"}, "spec": {}})

    def _after_write(self, who: str, method: str, path: str) -> None:
        if "/leases" in path or "/events" in path:
            return
        self.link_laws.note(f"{who} {method} {path}")
        self.truth.look(now=self.core.loop.now)
        self.link_laws.look()

    @contextmanager
    def on_the_wire(self) -> Iterator[None]:
        """Have speakers announce on the simulated link."""

        def announcer(options: AnnouncerOptions, **listeners: Callable[..., None]) -> SimulatedAnnouncer:
            return SimulatedAnnouncer(self.wire, options, **listeners)

        with mock.patch("speaker.l2_task.Announcer", announcer):
            yield

    # -- weather and faults

    def all_weathers(self, kind: Weather) -> None:
        """Have the same weather everywhere."""
        self.weather.become(kind)
        for node in self.nodes.values():
            node.weather.become(kind)
            node.note_weather()
        self.core.stir()

    def weather_at(self, node: SpeakerNode, kind: Weather) -> None:
        node.weather.become(kind)
        node.note_weather()
        self.core.stir()

    def heal(self) -> None:
        """End all faults; start what does not run."""
        self.link_laws.disturb("healed")
        self.all_weathers(Weather())
        for node in self.nodes.values():
            node.resume()
            if not node.port.has_carrier:
                self.wire.plug(node.name, is_in=True)
            if not node.is_started:
                node.start()

    def check(self) -> None:
        super().check()
        if self.link_laws.broken is not None:
            raise self.link_laws.broken
        for node in self.nodes.values():
            node.check()

    async def end(self) -> None:
        for node in self.nodes.values():
            await node.kill()
        await super().end()

    def a_node(self) -> SpeakerNode:
        return self.nodes[self.rng.choice(sorted(self.nodes))]

    # -- a person

    def create_service(self) -> None:
        """Create a Service of either policy, of one or both families, sharing or not, and its endpoints."""
        rng, name = self.rng, f"s{self._next()}"
        annotations = {f"{BAREMETAL_LB.prefix}allow-shared-ip": "k"} if rng.random() < 0.25 else {}
        if rng.random() < 0.1:
            annotations[f"{BAREMETAL_LB.prefix}announcer"] = self.a_node().name
        spec = {
            "type": "LoadBalancer",
            "ports": [{"port": rng.randint(1, 60_000), "protocol": "TCP"}],
            "selector": {"app": name},
            "externalTrafficPolicy": rng.choice(["Local", "Cluster"]),
            "ipFamilyPolicy": rng.choice(["SingleStack", "SingleStack", "PreferDualStack"]),
        }
        self._touched(f"create {name} {spec['externalTrafficPolicy']} {spec['ipFamilyPolicy']} {annotations}")
        self.core.ask("POST", SERVICE_PATH, {"metadata": {"name": name, "annotations": annotations}, "spec": spec})
        for family in (4, 6):
            body = {
                "metadata": {"name": f"{name}-{family}", "labels": {"kubernetes.io/service-name": name}},
                "addressType": f"IPv{family}",
                "endpoints": self._endpoints(family),
            }
            self.core.ask("POST", SLICE_PATH, body)

    def _endpoints(self, family: int) -> list[dict[str, Any]]:
        rng, prefix = self.rng, "10.0.0." if family == 4 else "fd00::"
        kinds = [(True, True, False), (True, True, False), (False, False, False), (False, True, True), (False, False, True)]
        found = []
        for number, node in enumerate(sorted(self.nodes)):
            if rng.random() < 0.6:
                ready, serving, terminating = rng.choice(kinds)
                conditions = {"ready": ready, "serving": serving, "terminating": terminating}
                found.append({"addresses": [f"{prefix}{number + 1}"], "nodeName": node, "conditions": conditions})
        return found

    def move_endpoints(self) -> None:
        keys = [key for key, _ in self.core.server.store.items(SLICES)]
        if keys:
            name = self.rng.choice(sorted(key.name for key in keys))
            self._touched(f"endpoints of {name}")
            self.core.ask("PATCH", f"{SLICE_PATH}/{name}", {"endpoints": self._endpoints(int(name[-1]))}, MERGE_PATCH)

    def delete_service(self) -> None:
        services = self.laws.services()
        if not services:
            return
        name = self.rng.choice(services)["metadata"]["name"]
        self._touched(f"delete {name}")
        self.core.ask("DELETE", f"{SERVICE_PATH}/{name}")
        for family in (4, 6):
            self.core.ask("DELETE", f"{SLICE_PATH}/{name}-{family}")

    def edit_policy(self) -> None:
        services = self.laws.services()
        if services:
            name, policy = self.rng.choice(services)["metadata"]["name"], self.rng.choice(["Local", "Cluster"])
            self._touched(f"{name} becomes {policy}")
            self.core.ask("PATCH", f"{SERVICE_PATH}/{name}", {"spec": {"externalTrafficPolicy": policy}}, MERGE_PATCH)

    def edit_node(self) -> None:
        node, is_on = self.a_node().name, self.rng.random() < 0.4
        if self.rng.random() < 0.5:
            patch = {"labels": {EXCLUDE: "" if is_on else None}}
        else:
            patch = {"annotations": {DRAIN: "true" if is_on else None}}
        self._touched(f"{node} {patch}")
        self.core.ask("PATCH", f"/api/v1/nodes/{node}", {"metadata": patch}, MERGE_PATCH)

    def edit_advertisement(self) -> None:
        selectors = self.rng.choice([[], [], [{"matchLabels": {"half": "a"}}], [{"matchLabels": {"half": "b"}}]])
        self._touched(f"advertise on {selectors}")
        self.core.ask("PATCH", f"{OURS}/l2advertisements/all", {"spec": {"nodeSelectors": selectors}}, MERGE_PATCH)

    def delete_an_entry(self) -> None:
        """Delete an entry of the ledger behind the controller's back, as the law for that allows."""
        entries = self.laws.entries()
        if entries and self.laws.may_lose_entries:
            name = self.rng.choice(entries)["metadata"]["name"]
            self._touched(f"delete entry {name}")
            with suppress(ApiError):
                self.core.ask("DELETE", f"/apis/{BAREMETAL_LB.own_group}/v1beta1/ipallocations/{name}")

    def act(self) -> None:
        """Do something that people do."""
        actions: list[Callable[[], None]] = [self.create_service] * 3 + [self.move_endpoints] * 4
        actions += [self.delete_service, self.edit_policy, self.edit_node, self.edit_advertisement]
        self.rng.choice(actions)()

    def _touched(self, what: str) -> None:
        self.link_laws.note(f"person: {what}")

    # -- what must be in the end

    def expected(self) -> dict[IPAddress, str | None]:
        """Return who is to answer for each IP, as ``settle`` has it from the objects and the nodes that there are."""
        objects: list[dict[str, Any]] = []
        for storage, kind in KINDS.items():
            version = VERSIONS.get(kind, f"{storage[0]}/v1beta1")
            objects += [{**value, "kind": kind, "apiVersion": version} for _, value in self.core.server.store.items(storage)]
        install = ControllerSettings().install
        cluster = read_cluster(objects, identity=BAREMETAL_LB, namespace=HOME, owner=install).cluster
        members = {
            name: Member(name, node.is_running, node.is_running, interfaces=(InterfaceFacts(INTERFACE, node.port.has_carrier),))
            for name, node in self.nodes.items()
        }
        options = SettleOptions(BAREMETAL_LB, install, now_utc=EPOCH_UTC + self.core.loop.now)
        state = settle(replace(cluster, roster=Roster(members)), options=options)
        return {announcement.address: announcement.election.announcer for announcement in state.announcements}

    def settled_link(self) -> None:
        """Exactly the elected node answers for each IP, and the status objects say so."""
        expected = {ip: frozenset({node}) for ip, node in self.expected().items() if node is not None}
        answering = self.wire.answering()
        if expected != answering:
            differ = {str(ip): (expected.get(ip), answering.get(ip)) for ip in expected.keys() | answering.keys()}
            wrong = [(ip, *pair) for ip, pair in sorted(differ.items()) if pair[0] != pair[1]]
            self.link_laws.fail(f"elected and answering differ: {wrong}")
        told = {
            (value["status"]["serviceNamespace"], value["status"]["serviceName"], value["status"]["node"])
            for _, value in self.core.server.store.items(STATUSES)
        }
        meant = {
            (service.namespace, service.name, node.name)
            for node in self.nodes.values()
            if node.speaker is not None and node.is_running
            for standing in node.speaker.loop.standings.values()
            for service in standing.services
        }
        if told != meant:
            self.link_laws.fail(f"status objects are wrong: too many {sorted(told - meant)}, missing {sorted(meant - told)}")


KINDS = {
    SERVICES: "Service",
    NODES: "Node",
    SLICES: "EndpointSlice",
    ENTRIES: "IPAllocation",
    POOLS: "IPAddressPool",
    ADVERTISEMENTS: "L2Advertisement",
}
VERSIONS = {"Service": "v1", "Node": "v1", "EndpointSlice": "discovery.k8s.io/v1"}
