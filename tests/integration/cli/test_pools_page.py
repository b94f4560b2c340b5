"""The commands of docs/how-to/pools.md do what the page says, one after the other, with a controller at work."""

import json
import shlex

from tests.support.controllers import LEDGER
from tests.support.pages import ROOT
from tests.support.wait import until
from tests.unit.docs.test_examples import commands

PAGE = ROOT / "docs" / "how-to" / "pools.md"
CHANGES = ("create", "edit", "drain", "undrain", "delete", "reserve", "unreserve", "release")
OFFICE_IP, HELD_IP = "198.51.100.201", "198.51.100.205"


def serve(install, bmlb):
    """Let a Service have an IP of the pool, for which the page asks then."""
    install.service("web", annotations={"loadBalancerIPs": OFFICE_IP})
    until(lambda: install.ips("web") == [OFFICE_IP], 20)


def empty(install, bmlb):
    """Let no Service be named by `pool show` any more, as the page says."""
    assert "198.51.100.201 -> none" in bmlb("pool", "delete", "office", "--yes", code=4)
    install.server.delete(install.service_path("web"))
    until(lambda: not any(each["services"] for each in json.loads(bmlb("pool", "show", "office", "-o", "json"))["entries"]), 20)


def hold(install, bmlb):
    """Let the IP wait for its Service."""
    spec = {"address": HELD_IP, "owner": f"baremetal-lb/{install.system}"}
    spec["heldFor"] = {"namespace": "shop", "name": "web", "until": "2999-01-01T00:00:00Z"}
    body = {"apiVersion": "baremetal-lb.io/v1beta1", "kind": "IPAllocation", "metadata": {"name": HELD_IP}, "spec": spec}
    install.server.create(LEDGER, body)


BEFORE = {"bmlb ip who 198.51.100.201": serve, "bmlb pool delete office": empty, "bmlb ip release 198.51.100.205": hold}


def test_every_command_of_the_page_does_what_it_says(install, bmlb):
    install.start()
    lines = commands(PAGE)
    assert set(BEFORE) <= set(lines)
    said = {}
    for line in lines:
        if line in BEFORE:
            BEFORE[line](install, bmlb)
        words = shlex.split(line)[1:]
        said[line] = bmlb(*words, *(["--yes"] if words[1] in CHANGES else []))
    assert f"{install.namespace}/web" in said["bmlb ip who 198.51.100.201"]
    assert "office" in said["bmlb pool list"]
    assert {row["pool"] for row in json.loads(bmlb("pool", "list", "-o", "json"))["pools"]} == {"tenants"}
    assert {ip: spec["heldFor"]["name"] for ip, spec in install.ledger().items()} == {OFFICE_IP: "web"}, "it may come back"
