"""What a speaker remembers: objects as manifests, in a file of its own."""

import hashlib
import json
import os
import time
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

import pytest

from baremetal_lb.api.source import load as load_manifests
from baremetal_lb.kube.records import ENDPOINT_SLICE, IP_ALLOCATION, LEASE, NODE, SERVICE
from baremetal_lb.membership.facts import MemberFacts, encode
from baremetal_lb.model.ids import BAREMETAL_LB, METALLB, Identity, ObjectKey
from baremetal_lb.model.net import Family
from baremetal_lb.model.problem import Problem
from baremetal_lb.model.time import SECOND
from baremetal_lb.model.views import (
    EndpointSliceView,
    EndpointView,
    EntryService,
    IngressView,
    LeaseView,
    LedgerEntry,
    NodeView,
    Port,
    ServiceView,
    TrafficPolicy,
)
from speaker.manifests import entry_manifest, lease_manifest, node_manifest, service_manifest, slice_manifest
from speaker.state_copies import FUTURE_S, CopyReason, is_intact, read_copy
from speaker.state_file import Copy, StateFile

V4, V6 = ip_address("203.0.113.7"), ip_address("2001:db8::7")
IDENTITIES = pytest.mark.parametrize("identity", [BAREMETAL_LB, METALLB], ids=lambda identity: identity.name)
WEB = ServiceView(
    ObjectKey("shop", "web"),
    "uid-1",
    labels={"app": "web"},
    load_balancer_class="x/y",
    cluster_ips=("10.96.0.1",),
    families=(Family.IPV4,),
    ports=(Port("TCP", 80),),
    traffic_policy=TrafficPolicy.LOCAL,
    sharing_key="",
    wanted_announcer="n2",
    ingress=(IngressView(V4, str(V4)), IngressView(V6, str(V6))),
)
SLICES = [
    EndpointSliceView(
        ObjectKey("shop", f"web-{family.value}"),
        ObjectKey("shop", "web"),
        (
            EndpointView("n1", family, ready=True, serving=True, terminating=False),
            EndpointView("n2", family, ready=False, serving=True, terminating=True),
            EndpointView(None, family),
            EndpointView("n3", family, has_address=False),
        ),
    )
    for family in Family
]
POOL = {"apiVersion": "baremetal-lb.io/v1beta1", "kind": "IPAddressPool", "metadata": {"name": "blue", "namespace": "lb"}, "spec": {}}
NODES = [NodeView("n1", {"a": "b"}, is_network_unavailable=True), NodeView("n2", is_draining=True, internal_ips=(V4,))]


@IDENTITIES
def test_a_service_comes_back_as_it_was(identity: Identity) -> None:
    assert SERVICE.from_manifest(service_manifest(WEB, identity), identity) == WEB


@pytest.mark.parametrize("view", SLICES, ids=["IPv4", "IPv6"])
def test_a_slice_comes_back_as_it_was(view: EndpointSliceView) -> None:
    assert ENDPOINT_SLICE.from_manifest(slice_manifest(view), BAREMETAL_LB) == view


@IDENTITIES
@pytest.mark.parametrize("view", NODES, ids=lambda view: view.name)
def test_a_node_comes_back_as_it_was(view: NodeView, identity: Identity) -> None:
    assert NODE.from_manifest(node_manifest(view, identity), identity) == view


def test_an_entry_comes_back_as_far_as_a_speaker_reads_it() -> None:
    entry = LedgerEntry(V6, "owner", "blue", (EntryService(WEB.key, WEB.uid),), announcer="n1")
    name = "2001-0db8-0000-0000-0000-0000-0000-0007"
    assert IP_ALLOCATION.from_manifest(entry_manifest(entry, name, BAREMETAL_LB), BAREMETAL_LB) == entry


def test_a_lease_comes_back_as_it_was() -> None:
    lease = LeaseView(
        ObjectKey("lb", "speaker-n1"),
        "n1",
        4 * SECOND,
        1_764_000_000_123_456_000,
        labels={"baremetal-lb.io/component": "speaker"},
        annotations={"baremetal-lb.io/member": encode(MemberFacts(True, 7))},
    )
    assert LEASE.from_manifest(lease_manifest(lease), BAREMETAL_LB) == lease


def file_at(path: Path, **options: float) -> StateFile:
    return StateFile(str(path), identity=BAREMETAL_LB, interval_s=options.get("interval_s", 0), max_age_s=options.get("max_age_s", 60))


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "state"
    assert file_at(path).save([service_manifest(WEB, BAREMETAL_LB), POOL])
    state = file_at(path).load()
    assert state is not None
    assert state.of("Service") == {WEB.key: WEB}
    assert state.of("IPAddressPool") == {ObjectKey("lb", "blue"): POOL}
    assert state.of("Node") == {}
    assert path.stat().st_mode & 0o777 == 0o600
    assert [found.name for found in tmp_path.iterdir()] == ["state"]


BROKEN = (
    b"{",
    b"7",
    b"\xff",
    b"{}",
    b'{"kind":"Service"}',
    b'{"kind":"Service","metadata":{"name":3}}',
    b'{"kind":"IPAddressPool","metadata":{"name":{}}}',
    b'{"kind":"IPAddressPool","metadata":{"name":""}}',
    b'{"kind":"IPAddressPool","metadata":{"name":"x","namespace":[]}}',
    b'{"kind":["IPAddressPool"],"metadata":{"name":"x"}}',
    b'{"kind":"IPAddressPool","metadata":{"name":"x"},"spec":1e999}',
    b"[" * 5000,
)


def signed(content: bytes) -> bytes:
    digest = hashlib.sha256(content).hexdigest().encode()
    return b'{"apiVersion":"speaker/2","kind":"StateFile","metadata":{"name":"sha256-%b"}}\n' % digest + content


@pytest.mark.parametrize("form", [signed, bytes], ids=["with checksum", "of the release before"])
def test_a_broken_line_costs_one_object(tmp_path: Path, form: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "state"
    service, node = (json.dumps(each).encode() for each in (service_manifest(WEB, BAREMETAL_LB), node_manifest(NODES[0], BAREMETAL_LB)))
    path.write_bytes(form(b"\n".join([service, *BROKEN, service[:-9], node, b'{"kind":"Other","metadata":{"name":"x"}}'])))
    state = file_at(path).load()
    assert state is not None
    assert state.of("Service") == {WEB.key: WEB}
    assert state.of("Node") == {ObjectKey("", "n1"): NODES[0]}
    assert state.of("IPAddressPool") == {}
    assert state.broken_lines == len(BROKEN) + 1


def test_a_file_cut_off_anywhere_is_refused_as_damaged(tmp_path: Path) -> None:
    path = tmp_path / "state"
    file_at(path).save([node_manifest(NODES[0], BAREMETAL_LB), POOL])
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert read_copy(path, identity=BAREMETAL_LB, max_age_s=60) is CopyReason.Damaged, length
        assert not is_intact(path)


def test_a_file_with_one_bit_flipped_anywhere_is_refused_as_damaged(tmp_path: Path) -> None:
    path = tmp_path / "state"
    file_at(path).save([POOL])
    whole = path.read_bytes()
    assert is_intact(path)
    for position in range(len(whole)):
        for bit in range(8):
            flipped = bytearray(whole)
            flipped[position] ^= 1 << bit
            path.write_bytes(flipped)
            assert read_copy(path, identity=BAREMETAL_LB, max_age_s=60) is CopyReason.Damaged, (position, bit)
            assert not is_intact(path)


@pytest.mark.parametrize(
    ("content", "dated_s", "reason"),
    [
        (b"", 0, CopyReason.Damaged),
        (b"rubbish\n", 0, CopyReason.Damaged),
        (b"\x00" * 4096, 0, CopyReason.Damaged),
        (b'{"kind":"Other","metadata":{"name":"x"}}\n', 0, CopyReason.Damaged),
        (signed(b""), -61, CopyReason.TooOld),
        (signed(b""), FUTURE_S + 60, CopyReason.FromTheFuture),
        (signed(b""), 10 * 365 * 86400, CopyReason.FromTheFuture),
    ],
    ids=["empty", "rubbish", "zeros", "nothing of ours", "old", "just ahead", "ten years ahead"],
)
def test_a_copy_that_is_not_fit_is_refused_with_its_reason_and_the_previous_one_is_used(
    tmp_path: Path, content: bytes, dated_s: float, reason: CopyReason
) -> None:
    path = tmp_path / "state"
    file_at(path).save([POOL])
    file_at(path).save([node_manifest(NODES[0], BAREMETAL_LB)])
    path.write_bytes(content)
    os.utime(path, (time.time() + dated_s,) * 2)
    file = file_at(path)
    state = file.load()
    assert state is not None
    assert state.of("IPAddressPool") == {ObjectKey("lb", "blue"): POOL}
    assert (file.used, file.refused) == (Copy.PREVIOUS, {Copy.CURRENT: reason})
    assert file.complaint == f"started from the previous copy of the state file; current: {reason.sentence}"


def test_a_copy_a_little_ahead_of_the_clock_is_used(tmp_path: Path) -> None:
    path = tmp_path / "state"
    file = file_at(path)
    file.save([POOL])
    os.utime(path, (time.time() + FUTURE_S / 2,) * 2)
    assert file.load() is not None
    assert (file.used, file.refused, file.complaint) == (Copy.CURRENT, {}, None)


def test_without_a_fit_copy_nothing_is_started_from_and_both_reasons_are_said(tmp_path: Path) -> None:
    path = tmp_path / "state"
    path.write_bytes(b"rubbish")
    file = file_at(path)
    assert file.load() is None
    assert file.refused == {Copy.CURRENT: CopyReason.Damaged, Copy.PREVIOUS: CopyReason.Missing}
    assert file.complaint is not None
    assert file.complaint.startswith("started with nothing; current: ")


def test_a_damaged_file_does_not_take_the_place_of_the_previous_one(tmp_path: Path) -> None:
    path = tmp_path / "state"
    file = file_at(path)
    file.save([POOL])
    file.save([])
    previous = path.with_name("state.previous").read_bytes()
    path.write_bytes(path.read_bytes() + b"x")
    file.save([])
    assert path.with_name("state.previous").read_bytes() == previous
    assert is_intact(path)


def test_a_file_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state"
    file_at(path).save([POOL])
    monkeypatch.setattr("speaker.state_copies.MAX_OCTETS", 20)
    assert read_copy(path, identity=BAREMETAL_LB, max_age_s=60) is CopyReason.TooLarge
    assert not file_at(path).save([POOL])
    assert is_intact(path)


def test_plan_reads_the_file_and_minds_no_header(tmp_path: Path) -> None:
    path = tmp_path / "state"
    file_at(path).save([POOL])
    problems: list[Problem] = []
    assert [each.object["kind"] for each in load_manifests([path], problems)] == ["StateFile", "IPAddressPool"]
    assert problems == []


def test_an_old_file_is_not_started_from(tmp_path: Path) -> None:
    path = tmp_path / "state"
    file_at(path).save([])
    os.utime(path, (1, 1))
    assert file_at(path).load() is None
    file_at(path).touch()
    assert file_at(path).load() is not None


def test_no_file_is_no_state(tmp_path: Path) -> None:
    assert file_at(tmp_path / "none").load() is None
    without = StateFile("", identity=BAREMETAL_LB, interval_s=1, max_age_s=1)
    assert without.load() is None
    assert without.save([])
    assert not without.is_due(now_s=1e9)


def test_a_file_that_cannot_be_written_is_a_problem_until_it_can(tmp_path: Path) -> None:
    folder = tmp_path / "later"
    state = file_at(folder / "state")
    assert not state.save([])
    assert state.problem is not None
    folder.mkdir()
    assert state.save([])
    assert state.problem is None


def test_a_link_beside_the_file_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "state.new").symlink_to(victim)
    assert not file_at(tmp_path / "state").save([])
    assert victim.read_text() == "mine"


def test_it_is_written_no_more_often_than_told(tmp_path: Path) -> None:
    state = file_at(tmp_path / "state", interval_s=1000)
    assert state.is_due(now_s=1e9)
    state.save([])
    assert not state.is_due(now_s=0)
