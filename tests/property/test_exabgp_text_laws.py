"""Whatever compile accepts, ExaBGP reads back what went in: no section, statement or word more, and a command is one line."""

import base64
from ipaddress import IPv6Address, ip_address, ip_network

from hypothesis import given, settings
from hypothesis import strategies as st

from baremetal_lb.api.compile import compile_objects
from baremetal_lb.api.secrets import SecretReason, password_of
from baremetal_lb.bgp.exabgp_commands import announce_body, end_of_rib, probe, routes_command, withdraw_body
from baremetal_lb.bgp.exabgp_config import block_of, render
from baremetal_lb.bgp.reasons import SessionReason
from baremetal_lb.bgp.session import Attributes, SessionSpec, TtlMode
from baremetal_lb.bgp.sessions import NodeSurroundings, session_of
from baremetal_lb.model.ids import BAREMETAL_LB
from baremetal_lb.model.net import Family, parse_address
from baremetal_lb.model.views import NodeView
from tests.support.exabgp_grammar import Node, parse, tokens
from tests.support.texts import HOSTILE_NAMES, HOSTILE_PASSWORDS, NAMES, PASSWORDS

NAMESPACE = "baremetal-lb-system"
NODE = NodeView("node1", internal_ips=(ip_address("198.51.100.1"), ip_address("2001:db8::1")))
HELPER = "/opt/bin/python3 -m relay"
MARKS = st.sampled_from([";", "{", "}", "#", '"', "'", "\\", "\n", "\r", "\0", " ", ",", "[", "]", "eth0", "a", ":", "\u202e", "\uff45"])
wild = st.lists(MARKS, max_size=8).map("".join) | st.text(max_size=16)
names = st.sampled_from(NAMES) | st.sampled_from([text for text in HOSTILE_NAMES.values() if len(text) < 99]) | wild
passwords = st.sampled_from(PASSWORDS) | st.sampled_from([text for text in HOSTILE_PASSWORDS.values() if len(text) < 99]) | wild
addresses = st.sampled_from(["203.0.113.1", "2001:db8::11", "fe80::1", "::ffff:203.0.113.9"]) | st.ip_addresses().map(str) | wild
asns = st.sampled_from([1, 65000, 64999, 4200000000]) | st.integers(-1, 2**32)
communities = st.sampled_from(["65000:1", "large:1:2:4294967295", "no", "1:65536"]) | wild


def maybe(**fields):
    return st.fixed_dictionaries({}, optional=fields)


peer_specs = st.builds(
    lambda base, end, kind, more: {**base, **end, **kind, **more},
    st.fixed_dictionaries({"myASN": asns}),
    st.fixed_dictionaries({"peerAddress": addresses}) | st.fixed_dictionaries({"interface": names}),
    st.fixed_dictionaries({"peerASN": asns}) | st.fixed_dictionaries({"dynamicASN": st.sampled_from(["internal", "external"]) | wild}),
    maybe(
        vrf=names,
        password=passwords,
        passwordSecret=st.fixed_dictionaries({"name": st.just("key") | names}),
        routerID=addresses,
        sourceAddress=addresses,
        peerPort=st.integers(0, 16384),
        holdTime=st.sampled_from(["9s", "0s", "1m30s"]) | wild,
        bfdProfile=names,
        enableGracefulRestart=st.booleans(),
        ebgpMultiHop=st.booleans(),
        ttlSecurity=st.booleans(),
        dualStackAddressFamily=st.booleans(),
    ),
)
likely = st.fixed_dictionaries(
    {"myASN": st.just(65000), "peerASN": st.just(64999), "peerAddress": st.sampled_from(["203.0.113.1", "2001:db8::11"])},
    optional={"vrf": st.sampled_from(NAMES), "password": st.sampled_from(PASSWORDS), "dualStackAddressFamily": st.booleans()},
)
likely_unnumbered = st.fixed_dictionaries(
    {"myASN": st.just(65000), "dynamicASN": st.sampled_from(["internal", "external"]), "interface": st.sampled_from(NAMES)}
)
advertisement_specs = maybe(
    communities=st.lists(communities, max_size=4, unique=True),
    localPref=st.integers(0, 2**32 - 1),
    med=st.integers(0, 2**32 - 1),
    asPathPrepend=st.integers(0, 16),
    peers=st.lists(names, max_size=2, unique=True),
)
aliases = st.lists(st.fixed_dictionaries({"name": st.just("no") | wild, "value": communities}), max_size=2)
secrets = passwords.map(lambda text: base64.b64encode(text.encode("utf-8", "surrogatepass")).decode()) | wild


def manifest(kind, spec, version="v1beta1"):
    metadata = {"name": "x", "namespace": NAMESPACE}
    return {"apiVersion": f"baremetal-lb.io/{version}", "kind": kind, "metadata": metadata, "spec": spec}


def secret(data):
    metadata = {"name": "key", "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "kubernetes.io/basic-auth", "data": {"password": data}}


def compiled(*objects):
    return compile_objects(objects, identity=BAREMETAL_LB, namespace=NAMESPACE).configuration


def sessions(spec, key):
    """Return the session of the node, with the password as it went in, if there is one."""
    held = password_of(key)
    password = None if isinstance(held, SecretReason) else held
    link = NodeSurroundings(router=IPv6Address("fe80::9"), link_local=IPv6Address("fe80::8"), password=password)
    for peer in compiled(manifest("BGPPeer", spec, "v1beta2"), key).bgp_peers:
        found = session_of(peer, NODE, link if peer.address is None else NodeSurroundings(password=password))
        assert found is not SessionReason.NotWritable, "an earlier gate let something through"
        if isinstance(found, SessionSpec):
            yield found


def section(*words, body):
    return Node(words, tuple(Node(item) if isinstance(item, tuple) else item for item in body))


def expected(session: SessionSpec, spec, key) -> tuple[Node, ...]:
    """Return what the file must be, from the manifest where a text of a stranger is in it."""
    ttl = {TtlMode.SINGLE_HOP: [("outgoing-ttl", "1")], TtlMode.SECURITY: [("outgoing-ttl", "255"), ("incoming-ttl", "255")]}
    given_texts = {name: str(parse_address(spec[name])) for name in ("peerAddress", "routerID", "sourceAddress") if spec.get(name)}
    interface = spec.get("vrf") or (spec.get("interface") if session.remote.is_link_local else None)
    plain = spec.get("password") or ""
    if (spec.get("passwordSecret") or {}).get("name"):
        plain = base64.b64decode(key["data"]["password"]).decode()
    encoded = base64.b64encode(plain.encode()).decode()
    peer_asn = session.peer_asn or (session.local_asn if spec.get("dynamicASN") == "internal" else "auto")
    neighbor = section(
        "neighbor",
        given_texts.get("peerAddress", "fe80::9"),
        body=[
            ("router-id", given_texts.get("routerID", "198.51.100.1")),
            ("local-address", given_texts.get("sourceAddress", str(session.local))),
            ("local-as", str(spec["myASN"])),
            ("peer-as", str(peer_asn)),
            ("hold-time", str(session.hold_time_s)),
            *([("connect", str(spec["peerPort"]))] if spec.get("peerPort", 179) not in (0, 179) else []),
            *([("source-interface", interface)] if interface else []),
            *ttl.get(session.ttl, []),
            *([("md5-password", encoded), ("md5-base64", "true")] if plain else []),
            ("manual-eor", "true"),
            ("adj-rib-out", "true"),
            section("family", body=[(f"ipv{4 if family is Family.IPV4 else 6}", "unicast") for family in sorted(session.families)]),
            section(
                "capability",
                body=[
                    ("asn4", "enable"),
                    ("route-refresh", "enable"),
                    *([("graceful-restart", "30")] if spec.get("enableGracefulRestart") else []),
                    *([("nexthop", "enable")] if session.has_extended_next_hop else []),
                ],
            ),
            *([section("nexthop", body=[("ipv4", "unicast", "ipv6")])] if session.has_extended_next_hop else []),
            section(
                "api",
                body=[
                    ("processes", "[", "speaker", "]"),
                    *(("neighbor-changes",), ("negotiated",), ("fsm",)),
                    section("receive", body=[("parsed",), ("open",), ("notification",)]),
                    section("send", body=[("parsed",), ("notification",)]),
                ],
            ),
        ],
    )
    return (section("process", "speaker", body=[("run", *HELPER.split()), ("encoder", "json")]), neighbor)


@settings(max_examples=300, deadline=None)
@given(spec=peer_specs | likely | likely_unnumbered, data=secrets)
def test_the_configuration_of_an_accepted_peer_is_read_back_as_exactly_that_peer(spec, data):
    for session in sessions(spec, secret(data)):
        text = render([block_of(session)], HELPER)
        assert parse(text) == expected(session, spec, secret(data))
        assert text.isascii()


@settings(max_examples=200, deadline=None)
@given(
    spec=likely | likely_unnumbered,
    route=advertisement_specs,
    named=aliases,
    prefixes=st.lists(st.ip_addresses(v=4), min_size=1, max_size=4),
)
def test_the_commands_of_an_accepted_advertisement_are_one_line_of_the_same_words(spec, route, named, prefixes):
    objects = (manifest("BGPAdvertisement", route), manifest("Community", {"communities": named}))
    (session,) = sessions(spec, secret(""))
    routes = [ip_network(prefix) for prefix in prefixes]
    for advertisement in compiled(*objects).bgp_advertisements:
        attributes = Attributes(
            advertisement.local_pref or None,
            advertisement.med,
            advertisement.as_path_prepend,
            advertisement.communities,
            advertisement.large_communities,
        )
        is_internal = session.peer_asn == session.local_asn or spec.get("dynamicASN") == "internal"
        own = str(session.local_asn)
        hops = [str(hop) for family, hop in session.next_hops if family is Family.IPV4]
        words = ["neighbor", str(session.remote), "announce", "attributes", "next-hop", *(hops or ["self"])]
        if route.get("asPathPrepend") and not is_internal:
            words += ["as-path", "[", *[own] * (route["asPathPrepend"] + 1), "]"]
        if route.get("localPref") and is_internal:
            words += ["local-preference", str(route["localPref"])]
        if "med" in route:
            words += ["med", str(route["med"])]
        for kind, values in (("community", advertisement.communities), ("large-community", advertisement.large_communities)):
            if values:
                words += [kind, "[", *(":".join(str(int(number)) for number in value) for value in values), "]"]
        body = announce_body(session, Family.IPV4, attributes)
        assert read(routes_command([session.remote], body, routes)) == [*words, "nlri", *map(str, routes)]


@given(remotes=st.lists(st.ip_addresses(), min_size=1, max_size=3), family=st.sampled_from(Family), asn=st.integers(1, 2**32 - 1))
def test_the_other_commands_are_one_line_too(remotes, family, asn):
    chosen = [word for remote in remotes for word in (",", "neighbor", str(remote))][1:]
    hop = "192.0.2.1" if family is Family.IPV4 else "2001:db8::1"
    withdrawn = [*chosen, "withdraw", "attributes", "next-hop", hop, "nlri", "0.0.0.0/0"]
    assert read(routes_command(remotes, withdraw_body(family), [ip_network("0.0.0.0/0")])) == withdrawn
    assert read(end_of_rib(remotes[0], family)) == ["neighbor", str(remotes[0]), "announce", "eor", family.value.lower(), "unicast"]
    identity = ["local-as", str(asn), "peer-as", "auto", "router-id", "198.51.100.1"]
    asked = probe(remotes[0], asn, None, NODE.internal_ips[0])
    assert read(asked) == ["neighbor", str(remotes[0]), *identity, "clear", "adj-rib", "in"]


def read(command: str) -> list[str]:
    """Return the words of a command, as ExaBGP takes them from a line."""
    assert len(command.splitlines()) == 1
    assert command.isascii()
    return [token.removeprefix("=") for token in tokens(command + ";")[:-1]]


def test_the_reader_of_these_tests_sees_what_an_attacker_would_write():
    attack = "neighbor 1.1.1.1 {\n    source-interface x; }\nprocess p { run /bin/sh; \n}\n"
    assert parse(attack) == (
        Node(("neighbor", "1.1.1.1"), (Node(("source-interface", "x")),)),
        Node(("process", "p"), (Node(("run", "/bin/sh")),)),
    )
    assert parse('a "b; { c";\nd \\;x; # e;\n') == (Node(("a", "b; { c")), Node(("d", ";x")))
