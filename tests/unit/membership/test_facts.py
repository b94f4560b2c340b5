"""Facts of members as text."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baremetal_lb.membership.facts import MAX_OCTETS, MalformedFacts, MemberFacts, encode, parse
from baremetal_lb.model.net import Family, Mac
from baremetal_lb.model.roster import InterfaceFacts

interfaces = st.lists(
    st.builds(
        InterfaceFacts,
        st.text(max_size=15),
        st.booleans(),
        st.frozensets(st.sampled_from(list(Family))),
        st.none() | st.binary(min_size=6, max_size=6).map(Mac),
    ),
    max_size=4,
    unique_by=lambda i: i.name,
)
facts = st.builds(
    MemberFacts,
    st.booleans(),
    st.integers(0, 2**53),
    interfaces.map(lambda found: tuple(sorted(found, key=lambda i: i.name))),
)


def test_the_text_is_compact_and_stable() -> None:
    text = encode(MemberFacts(True, 7, (InterfaceFacts("eth0", True, frozenset({Family.IPV6, Family.IPV4})),)))
    assert text == '{"serving":true,"incarnation":7,"interfaces":[{"name":"eth0","carrier":true,"families":["IPv4","IPv6"]}]}'


@given(facts)
@settings(max_examples=100)
def test_what_is_encoded_is_parsed(value: MemberFacts) -> None:
    assert parse(encode(value)) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[]",
        "7",
        '{"serving":1,"incarnation":7,"interfaces":[]}',
        '{"serving":true,"incarnation":true,"interfaces":[]}',
        '{"serving":true,"incarnation":7}',
        '{"serving":true,"incarnation":7,"interfaces":[null]}',
        '{"serving":true,"incarnation":7,"interfaces":[{"name":"eth0","carrier":true}]}',
        '{"serving":true,"incarnation":7,"interfaces":[{"name":"eth0","carrier":true,"families":[],"mac":"zz"}]}',
        "[" * 60_000,
        " " * (MAX_OCTETS + 1),
    ],
)
def test_a_malformed_text_is_refused(text: str) -> None:
    with pytest.raises(MalformedFacts):
        parse(text)


@given(st.text(max_size=200))
@settings(max_examples=100)
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        parse(text)
    except MalformedFacts:
        pass
    else:
        raise AssertionError("random text was taken for facts")


def test_unknown_keys_and_families_are_ignored() -> None:
    text = '{"new":1,"serving":true,"incarnation":7,"interfaces":[{"name":"e","carrier":true,"mtu":9,"families":["IPv4","IPv9"]}]}'
    assert parse(text).interfaces == (InterfaceFacts("e", True, frozenset({Family.IPV4})),)
