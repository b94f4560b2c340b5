"""An object that turns bad keeps its last accepted meaning (D5): for the controller, the speaker and `bmlb plan` alike, over restarts."""

import json

import pytest
from typer.testing import CliRunner

from baremetal_lb.cli.plan import app as plan
from baremetal_lb.kube.rights import speaker_rights
from baremetal_lb.model.ids import BAREMETAL_LB
from tests.support.controllers import GROUP, Install
from tests.support.speakers import Speakers, install_crds
from tests.support.wait import until

pytestmark = [pytest.mark.netns, pytest.mark.kube]
FAST = {"lease_duration_s": 3, "renew_deadline_s": 2, "retry_period_s": 0.5}


@pytest.fixture
def cluster(kube_server, controllers_may_work, tmp_path):
    """A node with a speaker's rights, on a link with a client."""
    install_crds(kube_server, BAREMETAL_LB)
    kube_server.grant("speaker-node1", speaker_rights(BAREMETAL_LB).everywhere)
    with Speakers(kube_server, tmp_path) as running:
        yield running


@pytest.fixture
def install(kube_server, cluster, tmp_path):
    """The controller's side of the same install."""
    prepared = Install(kube_server, tmp_path, cluster.namespace, cluster.users)
    try:
        yield prepared
    finally:
        prepared.close()


def refused(install, kind):
    """Tell with which reason the object named blue of a kind is not accepted; None where it is."""
    status = install.server.get(f"{GROUP}/namespaces/{install.system}/{kind}/blue").get("status", {})
    return next((c["reason"] for c in status.get("conditions", []) if (c["type"], c["status"]) == ("Accepted", "False")), None)


def planned(install, tmp_path):
    """Return what `bmlb plan` makes of the objects as they are."""
    listing = tmp_path / "objects.json"
    kinds = "services,endpointslices,leases,ipaddresspools,l2advertisements"
    listed = [
        install.server.kubectl("get", "-o", "json", *what)
        for what in (["-n", install.system, kinds], ["-n", install.namespace, "services,endpointslices"], ["nodes,ipallocations"])
    ]
    listing.write_text("\n".join(listed))
    told = CliRunner().invoke(plan, ["-n", install.system, "--lb-class", install.lb_class, "-f", str(listing), "-o", "json"])
    assert told.exit_code == 1, told.output
    return json.loads(told.stdout)


def test_controller_speaker_and_plan_agree_on_what_turned_bad_also_after_restarts(cluster, install, tmp_path):
    install.pool("older", "203.0.113.0/28", autoAssign=False)
    cluster.configure()
    controller = install.start(**FAST)
    node1 = cluster.node("node1", "--lb-class", install.lb_class)
    install.service("web")
    cluster.endpoints("web", {"node1": True})
    ip = until(lambda: install.ips("web"))[0]
    cluster.until_answered(ip, by=node1, deadline_s=20)
    base = f"{GROUP}/namespaces/{install.system}"
    for kind in ("ipaddresspools", "l2advertisements"):
        until(lambda kind=kind: "lastAccepted" in install.server.get(f"{base}/{kind}/blue").get("status", {}))
    bad = {"nodeSelectors": [{"matchLabels": {"no label": "x"}}]}
    install.server.merge(f"{base}/ipaddresspools/blue", {"spec": {"addresses": ["203.0.113.8/29", "203.0.113.32/28"]}})
    install.server.merge(f"{base}/l2advertisements/blue", {"spec": bad})
    until(lambda: refused(install, "ipaddresspools") == "OverlapsOtherPool", describe=lambda: refused(install, "ipaddresspools"))
    until(lambda: refused(install, "l2advertisements") == "InvalidSelector", describe=lambda: refused(install, "l2advertisements"))
    controller.kill()
    node1.kill()
    node1.state_file.unlink(missing_ok=True)
    install.start(**FAST)
    node1.start("--lb-class", install.lb_class)
    install.service("more")
    cluster.endpoints("more", {"node1": True})
    more = until(lambda: install.ips("more"))[0]
    cluster.until_answered(ip, by=node1, deadline_s=20)
    cluster.until_answered(more, by=node1, deadline_s=20)
    assert install.ips("web") == [ip]
    foreseen = planned(install, tmp_path)
    ns = install.namespace
    assert {row["service"]: row["ips"] for row in foreseen["services"]} == {f"{ns}/web": [ip], f"{ns}/more": [more]}
    assert {row["ip"]: row["announcer"] for row in foreseen["announcements"]} == {ip: "node1", more: "node1"}
    assert {(row["object"], row["reason"]) for row in foreseen["problems"]} == {
        (f"IPAddressPool/{install.system}/blue", "OverlapsOtherPool"),
        (f"L2Advertisement/{install.system}/blue", "InvalidSelector"),
    }
