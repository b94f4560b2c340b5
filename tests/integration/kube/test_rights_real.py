"""The rights that the modules say they need are the ones they need."""

import asyncio
from ipaddress import ip_address

import pytest

from baremetal_lb.kube.errors import ApiError
from baremetal_lb.kube.events import EventRecorder, Regarding
from baremetal_lb.kube.lease import Elector
from baremetal_lb.kube.patches import apply_service_status
from baremetal_lb.kube.records import SERVICE
from baremetal_lb.kube.resources import SERVICES
from baremetal_lb.kube.transport import Transport
from baremetal_lb.membership.facts import MemberFacts
from baremetal_lb.model.condition import Condition
from baremetal_lb.model.ids import BAREMETAL_LB, ObjectRef
from speaker.lease import OwnLease
from tests.support.wait import auntil

pytestmark = pytest.mark.kube

CONTROLLER = [
    {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "watch", "create", "update"]},
    {"apiGroups": [""], "resources": ["services/status"], "verbs": ["patch"]},
    {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create"]},
]
SPEAKER = [{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["patch", "create"]}]


async def test_the_controller_s_rights_suffice_for_election_status_and_events(kube_server, kube_namespace):
    kube_server.grant("bare-1", CONTROLLER)
    spec = {"type": "LoadBalancer", "allocateLoadBalancerNodePorts": False, "ports": [{"port": 80}]}
    made = kube_server.create(SERVICES.path(kube_namespace), {"metadata": {"name": "web"}, "spec": spec})
    done = []

    async with Transport(kube_server.kubeconfig("bare-1")) as transport:
        recorder = EventRecorder(transport, "c", "i")

        async def lead():
            service = SERVICE.from_manifest(made, BAREMETAL_LB)
            for ips in ((ip_address("203.0.113.1"),), ()):
                condition = Condition("Satisfied", is_true=bool(ips), reason="R", message="m")
                service = await apply_service_status(transport, BAREMETAL_LB, service, ips=ips, pool=None, condition=condition, now_utc=0)
                done.append(service.status_ips)
            recorder.record(Regarding(ObjectRef("Service", service.key), "v1"), reason="R", message="m", action="A")

        sender = asyncio.create_task(recorder.run())
        await asyncio.wait_for(Elector(transport, kube_namespace, "boss", "me").run(lead), 10)
        await auntil(lambda: recorder.sent == 1, 10, lambda: recorder.dropped)
        sender.cancel()
        with pytest.raises(ApiError, match="403"):
            await transport.request("GET", SERVICES.path(kube_namespace))
    assert done == [(ip_address("203.0.113.1"),), ()]


async def test_a_speaker_s_rights_suffice_for_its_lease(kube_server, kube_namespace):
    kube_server.grant("bare-2", SPEAKER)
    async with Transport(kube_server.kubeconfig("bare-2")) as transport:
        lease = OwnLease(transport, BAREMETAL_LB, kube_namespace, "node3", duration_s=10)
        for is_serving in (False, True):
            await lease.renew(MemberFacts(is_serving, incarnation=1))
    assert kube_server.get(f"/apis/coordination.k8s.io/v1/namespaces/{kube_namespace}/leases/speaker-node3")
