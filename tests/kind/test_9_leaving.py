"""The last of this directory: upgrade of the chart under traffic, then uninstall, after which nothing of ours is there."""

from tests.kind.conftest import page
from tests.kind.test_4_changes import targets
from tests.support.kind import CHART, NAMESPACE, RELEASE, Kind, operator, until_ready
from tests.support.kind_outside import Outside
from tests.support.kind_traffic import Traffic
from tests.support.wait import until

__all__ = ["targets"]


def test_an_upgrade_of_the_chart_loses_nothing(kind: Kind, router: Outside, targets):
    with Traffic(targets, router) as traffic:
        kind.helm("upgrade", RELEASE, str(CHART), "--reuse-values", "--set", "logLevel=debug")
        kind.kubectl("rollout", "status", "-n", NAMESPACE, "daemonset/baremetal-lb-speaker", "--timeout=240s")
        kind.kubectl("rollout", "status", "-n", NAMESPACE, "deployment/baremetal-lb-controller", "--timeout=120s")
        until_ready(kind)
    assert traffic.lost(most_moves=6) == {}


def test_uninstall_leaves_nothing_of_ours(kind: Kind, client: Outside, router: Outside, targets):
    ip = kind.ips("l2-cluster")[0]
    operator().types(page("install.md", "Uninstall")[0].script)
    everything = "clusterroles,clusterrolebindings,customresourcedefinitions,validatingadmissionpolicies,validatingadmissionpolicybindings"
    left = [line for line in kind.kubectl("get", everything, "-o", "name").splitlines() if "baremetal-lb" in line]
    assert left == []
    assert kind.announcer(client, ip) is None
    until(lambda: "203.0.113" not in router.run("ip", "route", "show", "proto", "bgp"), 30)
    served = kind.kubectl("api-resources", "-o", "name", "--cached=false")
    assert "baremetal-lb.io" not in served
    # Services keep the IPs in their status until somebody else gives them others; they can be deleted, no finalizer of ours is on them.
    kind.kubectl("delete", "services,deployments", "--all", "-n", "default", "--timeout=60s")
