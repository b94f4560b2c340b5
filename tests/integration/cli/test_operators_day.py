"""What an operator does in a day, with a controller at work: exit codes, plans, and what comes of them."""

import json
from pathlib import Path

import pytest
import typer
import yaml
from typer.testing import CliRunner

from baremetal_lb.cli.change import Change, carry_out, fetch_one, preconditions
from baremetal_lb.cli.live import Cluster
from baremetal_lb.cli.main import app
from baremetal_lb.kube.resources import ours
from baremetal_lb.lab.servers import find_or_build
from baremetal_lb.model.ids import BAREMETAL_LB
from tests.support.controllers import LEDGER
from tests.support.wait import until


def pools(bmlb):
    return {row["pool"]: row for row in json.loads(bmlb("pool", "list", "-o", "json"))["pools"]}


def is_seen(install, name):
    """Tell whether the controller has taken up the pool as it is now: events of pools and of Services come by different watches."""
    pool = install.pool_object(name)
    conditions = pool.get("status", {}).get("conditions", [])
    return any(c["type"] == "Accepted" and c.get("observedGeneration") == pool["metadata"]["generation"] for c in conditions)


def test_a_pool_from_its_making_to_its_end(install, bmlb):
    install.start()
    said = bmlb("pool", "create", "blue", "--addresses", "198.51.100.0/30", "--retain-for", "0s", "--l2", "--yes")
    assert "ipaddresspools/blue created" in said
    assert "l2advertisements/blue created" in said
    install.service("web")
    until(lambda: install.ips("web") == ["198.51.100.0"], 20)
    until(lambda: pools(bmlb)["blue"]["allocated"] == 1, 20)
    assert "web" in bmlb("pool", "show", "blue")
    # Taking its IP away is refused, with the Service's name, and nothing has changed.
    said = bmlb("pool", "edit", "blue", "--remove-addresses", "198.51.100.0/31", "--yes", code=4)
    assert f"Service {install.namespace}/web: 198.51.100.0 -> 198.51.100.2" in said
    assert "--renumber" in said
    assert install.pool_object("blue")["spec"]["addresses"] == ["198.51.100.0/30"]
    assert bmlb("pool", "delete", "blue", "--yes", code=4).count("none") == 1
    # Asked for, it is done, and the controller does what was foreseen.
    bmlb("pool", "edit", "blue", "--remove-addresses", "198.51.100.0/31", "--renumber", "--yes")
    until(lambda: install.ips("web") == ["198.51.100.2"], 20)
    bmlb("pool", "drain", "blue", "--yes")
    until(lambda: is_seen(install, "blue"), 20)
    install.service("late", port=81)
    until(lambda: install.condition("late") == ("False", "PoolDisabled"), 20, lambda: install.condition("late"))
    assert "PoolDisabled" in bmlb("svc", "list", "-n", install.namespace, code=1)
    bmlb("pool", "undrain", "blue", "--yes")
    until(lambda: install.ips("late") == ["198.51.100.3"], 20)
    for name in ("web", "late"):
        install.server.delete(install.service_path(name))
    until(lambda: not install.server.get(LEDGER)["items"], 20)
    bmlb("pool", "delete", "blue", "--yes")
    assert "no pools" in bmlb("pool", "list")


def test_nothing_is_sent_for_a_pool_with_a_fault_and_nothing_is_changed_by_a_dry_run(install, bmlb):
    install.pool("blue", "198.51.100.0/30")
    said = bmlb("pool", "create", "red", "--addresses", "198.51.100.2-198.51.100.9", "--yes", code=1)
    assert "blue" in said
    assert "nothing was sent" in said
    assert "(dry run)" in bmlb("pool", "create", "green", "--addresses", "203.0.113.0/30", "--dry-run")
    assert "(dry run)" in bmlb("pool", "delete", "blue", "--dry-run")
    assert "(dry run)" in bmlb("pool", "edit", "blue", "--add-addresses", "203.0.113.0/30", "--dry-run")
    assert pools(bmlb)["blue"]["addresses"] == ["198.51.100.0/30"]
    bmlb("ip", "reserve", "198.51.100.1", "--for-namespace", "shop", "--name", "keep", "--yes")
    assert "(dry run)" in bmlb("ip", "unreserve", "keep", "--dry-run")
    assert "reserved by keep" in bmlb("ip", "who", "198.51.100.1", code=1)
    assert set(pools(bmlb)) == {"blue"}
    assert "is there already" in bmlb("pool", "create", "blue", "--addresses", "203.0.113.0/30", "--yes", code=4)
    assert "nobody is there to ask" in bmlb("pool", "drain", "blue", code=2)
    assert "there are: blue" in bmlb("pool", "show", "bleu", code=1)
    assert "NotAnnounced" in bmlb("pool", "check", code=1)
    (complaint,) = json.loads(bmlb("pool", "check", "-o", "json", code=1))["complaints"]
    assert complaint["reason"] == "NotAnnounced"


def test_an_ip_from_its_reservation_to_its_release(install, bmlb):
    install.start()
    install.pool("blue", "198.51.100.0/30", retainFor="1h")
    bmlb("ip", "reserve", "198.51.100.1", "--for-namespace", install.namespace, "--service", "wanted", "--name", "keep", "--yes")
    assert "reserved by keep" in bmlb("ip", "who", "198.51.100.1", code=1)
    install.service("web")
    install.service("wanted", port=81)
    until(lambda: (install.ips("web"), install.ips("wanted")) == (["198.51.100.0"], ["198.51.100.1"]), 20)
    said = bmlb("ip", "who", "198.51.100.1")
    assert f"{install.namespace}/wanted TCP/81" in said
    assert "uses 198.51.100.1" in bmlb("ip", "release", "198.51.100.1", "--yes", code=4)
    install.server.delete(install.service_path("wanted"))
    until(lambda: [row["ip"] for row in json.loads(bmlb("ip", "list", "--held", "-o", "json"))["entries"]] == ["198.51.100.1"], 20)
    bmlb("ip", "release", "198.51.100.1", "--yes")
    until(lambda: [row["ip"] for row in json.loads(bmlb("ip", "list", "-o", "json"))["entries"]] == ["198.51.100.0"], 20)
    bmlb("ip", "unreserve", "keep", "--yes")
    assert "is nobody's" in bmlb("ip", "who", "198.51.100.1", code=1)
    assert "in no pool" in bmlb("ip", "who", "203.0.113.1", code=1)


def test_only_what_nobody_uses_is_released_and_only_of_this_install(install, bmlb):
    install.pool("blue", "198.51.100.0/30")
    lives = install.service("web")["metadata"]
    entries = {
        "198.51.100.0": {"services": [{"namespace": install.namespace, "name": "web", "uid": lives["uid"]}]},
        "198.51.100.1": {"services": [{"namespace": install.namespace, "name": "web", "uid": "of-the-one-before"}]},
        "198.51.100.2": {"owner": "other/install"},
    }
    for ip, spec in entries.items():
        spec = {"address": ip, "owner": f"baremetal-lb/{install.system}", **spec}  # noqa: PLW2901 - completed
        body = {"apiVersion": "baremetal-lb.io/v1beta1", "kind": "IPAllocation", "metadata": {"name": ip}, "spec": spec}
        install.server.create(LEDGER, body)
    assert "kubectl delete service" in bmlb("ip", "release", "198.51.100.0", "--yes", code=4)
    assert "in the ledger of install other/install" in bmlb("ip", "release", "198.51.100.2", "--yes", code=4)
    assert "(is gone)" in bmlb("ip", "who", "198.51.100.1")
    assert "(is gone)" not in bmlb("ip", "who", "198.51.100.0")
    assert "(dry run)" in bmlb("ip", "release", "198.51.100.1", "--dry-run")
    assert set(install.ledger()) == set(entries)
    bmlb("ip", "release", "198.51.100.1", "--yes")
    assert set(install.ledger()) == {"198.51.100.0", "198.51.100.2"}
    assert "not in the ledger" in bmlb("ip", "release", "198.51.100.1", "--yes", code=1)


def test_a_reservation_is_judged_before_it_is_made(install, bmlb):
    install.pool("blue", "198.51.100.0/30")
    bmlb("ip", "reserve", "198.51.100.1", "--for-namespace", "shop", "--name", "first", "--yes")
    said = bmlb("ip", "reserve", "198.51.100.1-198.51.100.2", "--for-namespace", "desk", "--name", "second", "--dry-run")
    assert "198.51.100.1-198.51.100.2 overlaps with first" in said
    assert "there is no namespace 'desk'" in said
    said = bmlb("ip", "reserve", "198.51.100.2", "198.51.100.2-198.51.100.3", "--for-namespace", "shop", "--yes", code=1)
    assert "nothing was sent" in said
    assert "--name gives another name" in bmlb(
        "ip", "reserve", "198.51.100.2", "--for-namespace", "shop", "--name", "first", "--yes", code=4
    )
    assert install.server.get("/apis/baremetal-lb.io/v1beta1/ipreservations/second") is None
    bmlb("ip", "unreserve", "first", "--yes")


def test_a_pool_is_shown_with_who_has_what_by_address_and_as_a_document(install, bmlb):
    install.start()
    install.pool("blue", "198.51.100.0/28")
    names = [f"s{number:02}" for number in range(12)]
    for name in names:
        install.service(name)
    install.all_served(12)
    document = json.loads(bmlb("pool", "show", "blue", "-o", "json"))
    assert [row["ip"] for row in document["entries"]] == [f"198.51.100.{number}" for number in range(12)]
    assert document["pool"]["spec"]["addresses"] == ["198.51.100.0/28"]
    bmlb("pool", "edit", "blue", "--add-addresses", "203.0.113.0/28", "--exclude", "198.51.100.3", "--yes")
    said = bmlb("pool", "show", "blue")
    assert all(f"{install.namespace}/{name}" in said for name in names)


def test_a_service_is_explained_by_the_running_system(install, bmlb):
    install.start()
    install.pool("blue", "198.51.100.0/32")
    install.pool("asked", "203.0.113.0/30", autoAssign=False)
    install.service("web")
    until(lambda: install.ips("web") == ["198.51.100.0"], 20)
    install.service("late", port=81)
    until(lambda: install.condition("late") == ("False", "PoolExhausted"), 20)
    document = json.loads(bmlb("svc", "explain", f"{install.namespace}/late", "-o", "json", code=1))
    assert document["reached"] is False
    assert {each["pool"]: each["reason"] for each in document["allocation"]["pools"]} == {
        "asked": "PoolNotAutoAssigned",
        "blue": "PoolExhausted",
    }
    assert document["verdict"].startswith("It has no IP:")
    until(lambda: "PoolExhausted" in bmlb("svc", "explain", "late", "-n", install.namespace, code=1), 20)
    said = bmlb("svc", "explain", f"{install.namespace}/lat", code=1)
    assert f"near to it: {install.namespace}/late" in said
    assert "none" in bmlb("svc", "list", "-A", code=1)


def test_events_of_a_service_that_had_the_name_before_are_not_told(install, bmlb):
    def events() -> list[str]:
        told = json.loads(bmlb("svc", "explain", f"{install.namespace}/web", "-o", "json", code=1))
        return [event["message"] for event in told["events"]]

    install.start()
    install.pool("blue", "198.51.100.0/30")
    for ip in ("198.51.100.1", "198.51.100.2"):
        install.service("web", annotations={"loadBalancerIPs": ip})
        until(lambda ip=ip: len(events()) == 1 and ip in events()[0], 20, events)
        install.server.delete(install.service_path("web"))


def test_no_service_is_renumbered_unseen_because_of_a_class_that_was_not_named(install, bmlb):
    install.start()
    install.pool("blue", "198.51.100.0/30")
    install.service("web")
    until(lambda: install.ips("web") == ["198.51.100.0"], 20)
    assert f"Service {install.namespace}/web: 198.51.100.0 -> none" in bmlb("pool", "delete", "blue", "--yes", code=4)
    said = bmlb("pool", "delete", "blue", "--lb-class", "another.example/class", "--yes", code=2)
    assert install.lb_class in said
    assert install.pool_object("blue")


def test_ips_that_are_held_and_those_of_other_installs_are_told_before_a_pool_goes(install, bmlb):
    install.pool("blue", "198.51.100.0/30")
    far = {"address": "198.51.100.1", "owner": "other/install"}
    held = {"address": "198.51.100.2", "owner": f"baremetal-lb/{install.system}"}
    held["heldFor"] = {"namespace": "shop", "name": "web", "until": "2999-01-01T00:00:00Z"}
    for spec in (far, held):
        body = {"apiVersion": "baremetal-lb.io/v1beta1", "kind": "IPAllocation", "metadata": {"name": spec["address"]}, "spec": spec}
        install.server.create(LEDGER, body)
    said = bmlb("pool", "delete", "blue", "--yes", code=4)
    assert "198.51.100.1 is in the ledger of install other/install" in said
    assert "198.51.100.2 is held for shop/web until 2999-01-01T00:00:00Z" in said
    assert "198.51.100.1 is in the ledger" in bmlb("pool", "edit", "blue", "--remove-addresses", "198.51.100.1", "--yes", code=4)
    said = bmlb("pool", "edit", "blue", "--remove-addresses", "198.51.100.2", "--yes")
    assert "198.51.100.2 is held for shop/web" in said


def test_a_change_in_the_editor_that_meets_a_conflict_is_kept(install, bmlb, monkeypatch, tmp_path):
    """While the person writes, somebody else changes the pool."""
    install.pool("blue", "198.51.100.0/30")
    editor = tmp_path / "editor"
    config = install.server.kubeconfig("admin")
    kubectl = find_or_build(print) / "kubectl"
    patch = f"{kubectl} --kubeconfig {config} -n {install.system} patch ipaddresspool blue --type merge -p"
    editor.write_text(f"""#!/bin/sh
printf 'addresses: [203.0.113.0/28]\\n' > "$1"
{patch} '{{"spec":{{"autoAssign":false}}}}' >/dev/null
""")
    editor.chmod(0o755)
    monkeypatch.setenv("EDITOR", str(editor))
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    said = bmlb("pool", "edit", "blue", "--yes", code=4)
    assert "was changed by somebody else" in said
    kept = Path(said.split("What you wrote is kept in ")[1].split()[0])
    assert kept.read_text() == "addresses: [203.0.113.0/28]\n"
    assert install.pool_object("blue")["spec"]["addresses"] == ["198.51.100.0/30"]


def test_an_advertisement_of_the_same_name_is_told_before_anything_is_made(install, bmlb):
    bmlb("pool", "create", "blue", "--addresses", "198.51.100.0/30", "--l2", "--yes")
    bmlb("pool", "delete", "blue", "--yes")
    assert "L2Advertisement blue is there already" in bmlb(
        "pool", "create", "blue", "--addresses", "203.0.113.0/30", "--l2", "--yes", code=4
    )
    assert "no pools" in bmlb("pool", "list")


def test_a_status_of_a_reservation_that_is_written_in_between_is_no_conflict(install, bmlb):
    bmlb("ip", "reserve", "198.51.100.1", "--for-namespace", "shop", "--name", "keep", "--yes")
    path = "/apis/baremetal-lb.io/v1beta1/ipreservations/keep/status"
    last = {"lastAccepted": {"generation": 1, "spec": {}}}
    bmlb.at_terminal("ip", "unreserve", "keep", meanwhile=lambda: install.server.merge(path, {"status": last}))
    assert install.server.get("/apis/baremetal-lb.io/v1beta1/ipreservations/keep") is None


@pytest.mark.parametrize("verb", ["drain", "delete"])
def test_a_status_that_the_controller_writes_in_between_is_no_conflict(install, bmlb, verb):
    install.pool("blue", "198.51.100.0/30")
    path = f"/apis/baremetal-lb.io/v1beta1/namespaces/{install.system}/ipaddresspools/blue/status"
    bmlb.at_terminal("pool", verb, "blue", meanwhile=lambda: install.server.merge(path, {"status": {"assignedIPv4": 1}}))
    assert (install.pool_object("blue").get("spec") or {"disabled": True})["disabled"] is True


def test_a_service_that_got_an_ip_of_a_pool_in_between_stops_its_deletion(install, bmlb):
    """What was shown and agreed to is that nobody loses anything."""
    install.start()
    install.pool("blue", "198.51.100.0/30")

    def serve():
        install.service("web")
        until(lambda: pools(bmlb)["blue"]["allocated"] == 1, 20)

    bmlb.at_terminal("pool", "delete", "blue", meanwhile=serve, code=4)
    assert install.ips("web") == ["198.51.100.0"]
    assert install.pool_object("blue")


def test_whoever_says_no_has_changed_nothing(install, bmlb):
    install.pool("blue", "198.51.100.0/30")
    assert "Aborted" in bmlb.at_terminal("pool", "delete", "blue", meanwhile=lambda: None, answer="n", code=1)
    assert install.pool_object("blue")


def test_nobody_s_change_in_between_is_overwritten(install, capsys):
    """The plan is made of what was read; what was changed since is a conflict."""
    install.pool("blue", "198.51.100.0/30")
    cluster = Cluster(str(install.server.kubeconfig("admin")), namespace=install.system)
    resource = ours(BAREMETAL_LB, "ipaddresspools")
    read = fetch_one(cluster, resource, "blue", namespace=install.system)
    install.server.merge(resource.path(install.system, "blue"), {"spec": {"autoAssign": False}})
    for verb, body in (("changed", {**read, "spec": {**read["spec"], "disabled": True}}), ("deleted", preconditions(read))):
        with pytest.raises(typer.Exit) as ended:
            carry_out(cluster, [Change(verb, resource, "blue", install.system, body)], dry_run=False, yes=True)
        assert ended.value.exit_code == 4
        assert "was changed by somebody else" in capsys.readouterr().err
    assert install.pool_object("blue")["spec"] == {**read["spec"], "autoAssign": False}


@pytest.mark.parametrize("install", [pytest.param("real", marks=pytest.mark.kube)], indirect=True)
def test_whoever_has_no_rights_is_told_so(install, bmlb):
    bmlb.user = "nobody"
    assert "not allowed" in bmlb("pool", "list", code=3)


def test_an_api_server_that_is_away_is_told_apart(install, bmlb, tmp_path):
    config = install.server.kubeconfig("admin").read_text().replace(install.server.url, "https://127.0.0.1:1")
    (tmp_path / "away").write_text(config)
    done = bmlb.run("pool", "list", kubeconfig=tmp_path / "away")
    assert done.exit_code == 3
    assert "does not answer" in done.output


@pytest.mark.parametrize(
    "command", [("pool", "list"), ("ip", "who", "198.51.100.1"), ("ip", "release", "198.51.100.1"), ("ip", "unreserve", "x")]
)
def test_a_cluster_without_our_kinds_is_told_apart(command, bare_server):
    done = CliRunner().invoke(app, [*command, "--kubeconfig", str(bare_server)])
    assert done.exit_code == 3
    assert "is not installed there" in done.output
    assert "bmlb crds" in done.output
    assert yaml.safe_load(bare_server.read_text())["users"][0]["user"]["token"] not in done.output


def test_the_versions_are_those_of_this_program_and_of_the_server(bmlb):
    told = json.loads(bmlb("version", "-o", "json"))
    assert told["kubernetes"].startswith("v1.")
    assert told["bmlb"]
