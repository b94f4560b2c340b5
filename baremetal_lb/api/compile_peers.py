"""BGPPeer and BFDProfile: from specs to ``model.bgp``.

Peers are compared where they can meet: on one node, and in one VRF. There a router would see one speaker with two router ids, two own
autonomous systems or two sessions to one address; the younger peer is at fault. Where no nodes are known, peers are taken to meet.
Router ids that are given must be equal in all VRFs of a node, as in the reference.

What ExaBGP cannot do is told as a fault that is not fatal, on the object that asks for it: the session works, less well.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address

from baremetal_lb.api.compile_pools import duration_at
from baremetal_lb.api.faults import Fault, is_fatal
from baremetal_lb.api.frame import Item
from baremetal_lb.api.node_sets import NodeChoice, node_choice
from baremetal_lb.api.peers import BFDProfileSpec, BGPPeerSpec
from baremetal_lb.api.ranges import parse_ip
from baremetal_lb.api.reasons import ConfigurationReason
from baremetal_lb.api.reasons import ConfigurationReason as Why
from baremetal_lb.api.secrets import SecretFacts
from baremetal_lb.api.selectors import compile_selectors
from baremetal_lb.model.bgp import BFDProfile, BGPPeer, DynamicASN
from baremetal_lb.model.labels import LabelSelector
from baremetal_lb.model.net import IPAddress, family_of
from baremetal_lb.model.text import INTERFACE_NAME, OBJECT_NAME, PASSWORD
from baremetal_lb.model.time import MILLISECOND, SECOND
from baremetal_lb.model.views import NodeView

HOLD_TIME_MIN = 3 * SECOND
DEFAULT_HOLD_TIME_S = 90
DEFAULT_PORT = 179
TIME_MAX = 65535 * SECOND
"""Longest time that BGP's 16-bit fields of seconds can say."""


@dataclass(frozen=True, slots=True)
class BFDDraft:
    """What others must know of a BFDProfile."""

    has_echo: bool
    profile: BFDProfile


@dataclass(frozen=True, slots=True)
class PeerDraft:
    """What decides whether peers contradict each other."""

    vrf: str
    end: IPAddress | str
    """Address of the peer, or the interface of an unnumbered session."""
    router_id: IPAddress | None
    my_asn: int
    nodes: NodeChoice
    bfd_profile: str
    secret: str
    peer: BGPPeer
    """Without its BFD profile, which is another object."""

    def resolved(self, profiles: Mapping[str, BFDProfile]) -> BGPPeer:
        """Return the peer with the profile that is in force."""
        return replace(self.peer, bfd=profiles.get(self.bfd_profile))


def compile_bfd_profile(item: Item, spec: BFDProfileSpec) -> tuple[BFDDraft, list[Fault]]:
    """Compile one profile; the schema says what is allowed, and the echo function is not there."""
    defaults = BFDProfile(item.name)
    profile = BFDProfile(
        name=item.name,
        required_min_rx=defaults.required_min_rx if spec.receive_interval is None else spec.receive_interval * MILLISECOND,
        desired_min_tx=defaults.desired_min_tx if spec.transmit_interval is None else spec.transmit_interval * MILLISECOND,
        detect_mult=defaults.detect_mult if spec.detect_multiplier is None else spec.detect_multiplier,
        is_passive=spec.passive_mode is True,
        minimum_ttl=defaults.minimum_ttl if spec.minimum_ttl is None else spec.minimum_ttl,
    )
    faults = [Fault("spec.echoMode", Why.EchoNotSupported, is_fatal=False)] if spec.echo_mode else []
    return BFDDraft(spec.echo_mode is True, profile), faults


def compile_peer(item: Item, spec: BGPPeerSpec, nodes: Sequence[NodeView]) -> tuple[PeerDraft | None, list[Fault]]:
    """Compile one peer by itself."""
    selectors, faults = compile_selectors(spec.node_selectors, "spec.nodeSelectors")
    faults += _asn_faults(spec)
    end, found = _end(spec)
    faults += found
    router_id, found = _router_id(spec)
    hold_time_s, found_timers = _timers(spec)
    faults += found + found_timers + _text_faults(spec)
    secret = (spec.password_secret.name if spec.password_secret else None) or ""
    if spec.password and secret:
        faults.append(Fault("spec.passwordSecret", Why.ConflictingPassword, "Give password or passwordSecret."))
    if is_fatal(faults):
        return None, faults
    faults += _unsupported(spec, hold_time_s)
    peer = _peer(item.name, spec, selectors, router_id, hold_time_s, secret)
    draft = PeerDraft(spec.vrf or "", end, router_id, spec.my_asn, node_choice(selectors, nodes), spec.bfd_profile or "", secret, peer)
    return draft, faults


def _peer(  # noqa: PLR0917  # the parts of one peer, put together once
    name: str, spec: BGPPeerSpec, selectors: tuple[LabelSelector, ...], router_id: IPv4Address | None, hold_time_s: int, secret: str
) -> BGPPeer:
    return BGPPeer(
        name=name,
        my_asn=spec.local_asn or spec.my_asn,
        peer_asn=spec.peer_asn or None,
        dynamic_asn=DynamicASN(spec.dynamic_asn) if spec.dynamic_asn else None,
        address=parse_ip(spec.peer_address) if spec.peer_address else None,
        interface=spec.interface or None,
        source_address=parse_ip(spec.source_address) if spec.source_address else None,
        port=spec.peer_port or DEFAULT_PORT,
        hold_time_s=hold_time_s,
        router_id=router_id,
        node_selectors=selectors,
        password=spec.password or None,
        password_secret=secret or None,
        is_graceful_restart=spec.enable_graceful_restart,
        is_multihop=spec.ebgp_multi_hop,
        has_ttl_security=spec.ttl_security,
        vrf=spec.vrf or None,
        is_dual_stack=spec.dual_stack_address_family,
    )


def _unsupported(spec: BGPPeerSpec, hold_time_s: int) -> list[Fault]:
    """Return what is asked for and cannot be done; the session works all the same."""
    faults: list[Fault] = []
    keepalive, _ = duration_at(spec.keepalive_time, "spec.keepaliveTime", -1)
    if keepalive >= 0 and keepalive * 3 != hold_time_s * SECOND:
        detail = f"Keepalives go every {hold_time_s / 3:g}s."
        faults.append(Fault("spec.keepaliveTime", Why.KeepaliveNotSupported, detail, is_fatal=False))
    if spec.connect_time is not None:
        faults.append(Fault("spec.connectTime", Why.ConnectTimeNotSupported, is_fatal=False))
    if spec.disable_mp:
        faults.append(Fault("spec.disableMP", Why.DisableMPWithoutEffect, is_fatal=False))
    if spec.vrf:
        faults.append(Fault("spec.vrf", Why.OutgoingInVRFOnly, is_fatal=False))
    return faults


def _asn_faults(spec: BGPPeerSpec) -> list[Fault]:
    faults: list[Fault] = []
    if not spec.peer_asn and not spec.dynamic_asn:
        faults.append(Fault("spec.peerASN", Why.MissingASN, "Give peerASN or dynamicASN."))
    if spec.peer_asn and spec.dynamic_asn:
        faults.append(Fault("spec.dynamicASN", Why.ConflictingASN, "Give peerASN or dynamicASN."))
    if spec.dynamic_asn not in (None, "", "internal", "external"):
        faults.append(Fault("spec.dynamicASN", Why.NotAllowed, "dynamicASN must be internal or external."))
    if spec.ebgp_multi_hop and spec.peer_asn == spec.my_asn:
        faults.append(Fault("spec.ebgpMultiHop", Why.MultihopWithinAS, f"Both ends are in AS {spec.my_asn}."))
    return faults


def _end(spec: BGPPeerSpec) -> tuple[IPAddress | str, list[Fault]]:
    faults: list[Fault] = []
    if not spec.peer_address and not spec.interface:
        faults.append(Fault("spec.peerAddress", Why.MissingAddress, "Give peerAddress or interface."))
    if spec.peer_address and spec.interface:
        faults.append(Fault("spec.interface", Why.ConflictingAddress, "Give peerAddress or interface."))
    address = parse_ip(spec.peer_address) if spec.peer_address else None
    if spec.peer_address and address is None:
        faults.append(Fault("spec.peerAddress", Why.InvalidAddress, f"invalid BGPPeer address {spec.peer_address!r}."))
    source = parse_ip(spec.source_address) if spec.source_address else None
    if spec.source_address and source is None:
        faults.append(Fault("spec.sourceAddress", Why.InvalidAddress, f"{spec.source_address!r} cannot be connected from."))
    if address is not None and source is not None and family_of(address) is not family_of(source):
        faults.append(Fault("spec.sourceAddress", Why.InvalidAddress, f"{source} and {address} are of different families."))
    return address or spec.interface or "", faults


def _router_id(spec: BGPPeerSpec) -> tuple[IPv4Address | None, list[Fault]]:
    if not spec.router_id:
        return None, []
    address = parse_ip(spec.router_id)
    if not isinstance(address, IPv4Address):
        return None, [Fault("spec.routerID", Why.InvalidRouterID, f"{spec.router_id!r} is none.")]
    return address, []


def _timers(spec: BGPPeerSpec) -> tuple[int, list[Fault]]:
    """Return the hold time in s, judged as the reference does: an absent one follows from the other; it counts in whole seconds."""
    hold, faults = duration_at(spec.hold_time, "spec.holdTime", -1)
    keepalive, found = duration_at(spec.keepalive_time, "spec.keepaliveTime", -1)
    connect, more = duration_at(spec.connect_time, "spec.connectTime", SECOND)
    faults += found + more
    effective = hold if hold >= 0 else 3 * keepalive
    if not faults:
        field = "spec.holdTime" if hold >= 0 else "spec.keepaliveTime"
        seconds = effective // SECOND
        if effective >= 0 and (0 < seconds < HOLD_TIME_MIN // SECOND or effective > TIME_MAX):
            faults.append(Fault(field, Why.InvalidTimers, f"The hold time would be {seconds}s; it must be 0s or 3s to 65535s."))
        if hold >= 0 and keepalive > hold:
            faults.append(Fault("spec.keepaliveTime", Why.InvalidTimers, "keepaliveTime must not be longer than holdTime."))
        if connect % SECOND or not SECOND <= connect <= TIME_MAX:
            faults.append(Fault("spec.connectTime", Why.InvalidTimers, "connectTime must be whole seconds, 1s to 65535s."))
    return effective // SECOND if effective >= 0 else DEFAULT_HOLD_TIME_S, faults


def _text_faults(spec: BGPPeerSpec) -> list[Fault]:
    secret = spec.password_secret.name if spec.password_secret else None
    judged = (
        ("spec.interface", spec.interface, INTERFACE_NAME, Why.InvalidInterfaceName),
        ("spec.vrf", spec.vrf, INTERFACE_NAME, Why.InvalidInterfaceName),
        ("spec.password", spec.password, PASSWORD, Why.InvalidPassword),
        ("spec.passwordSecret.name", secret, OBJECT_NAME, Why.InvalidName),
        ("spec.bfdProfile", spec.bfd_profile, OBJECT_NAME, Why.InvalidName),
    )
    return [Fault(field, reason, alphabet.sentence) for field, text, alphabet, reason in judged if text and not alphabet.admits(text)]


class PeerClaims:
    """Peers that are in force, by name."""

    def __init__(self, profiles: frozenset[str], secrets: Mapping[str, SecretFacts] | None) -> None:
        self._profiles = profiles
        """Names of all BFDProfiles that exist."""
        self._secrets = secrets
        """None: not known, so nothing is said of them."""
        self._placed: dict[str, PeerDraft] = {}

    def faults(self, item: Item, value: PeerDraft, *, is_incumbent: bool) -> list[Fault]:
        """Return what contradicts other peers, and references that lead nowhere."""
        contradictions: dict[ConfigurationReason, Fault] = {}
        for name, other in sorted(self._placed.items()):
            if name != item.name and value.nodes.may_meet(other.nodes):
                for fault in _contradictions(value, name, other):
                    contradictions.setdefault(fault.reason, fault)
        return self._reference_faults(value, is_incumbent=is_incumbent) + list(contradictions.values())

    def _reference_faults(self, value: PeerDraft, *, is_incumbent: bool) -> list[Fault]:
        faults: list[Fault] = []
        if value.bfd_profile and value.bfd_profile not in self._profiles:
            faults.append(Fault("spec.bfdProfile", Why.UnknownBFDProfile, f"{value.bfd_profile!r} is missing.", is_fatal=not is_incumbent))
        if value.secret and self._secrets is not None:
            secret = self._secrets.get(value.secret)
            if secret is None:
                faults.append(Fault("spec.passwordSecret", Why.UnknownSecret, f"{value.secret!r} is missing.", is_fatal=False))
            elif secret.flaw is not None:
                faults.append(
                    Fault("spec.passwordSecret", Why.UnusableSecret, f"{value.secret!r}: {secret.flaw}", is_fatal=not is_incumbent)
                )
        return faults

    def add(self, item: Item, value: PeerDraft) -> None:
        """Put a peer in force."""
        self._placed[item.name] = value

    def remove(self, item: Item, value: PeerDraft) -> None:  # noqa: ARG002  # see precedence.Claims
        """Take it out of force."""
        del self._placed[item.name]


def _contradictions(value: PeerDraft, name: str, other: PeerDraft) -> list[Fault]:
    faults: list[Fault] = []
    is_one_vrf = value.vrf == other.vrf
    if is_one_vrf and value.end == other.end:
        field = "spec.interface" if isinstance(value.end, str) else "spec.peerAddress"
        faults.append(Fault(field, Why.DuplicatePeer, f"{value.end} already exists in peer {name}."))
    if value.router_id != other.router_id and (is_one_vrf or (value.router_id and other.router_id)):
        theirs = other.router_id or "none given"
        faults.append(Fault("spec.routerID", Why.RouterIDConflict, f"Peer {name} has {theirs}; give all the same or none."))
    if is_one_vrf and value.my_asn != other.my_asn:
        faults.append(Fault("spec.myASN", Why.LocalASNConflict, f"Peer {name} has {other.my_asn}, this one {value.my_asn}."))
    return faults
