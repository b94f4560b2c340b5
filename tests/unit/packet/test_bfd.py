"""BFD Control packets against RFC 5880 §4.1 and §6.8.6, octet by octet."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baremetal_lb.packet.bfd import ControlPacket, State, encode, parse
from baremetal_lb.packet.malformed import MalformedPacket, MalformedReason

UP = ControlPacket(State.UP, 0x01020304, 0x0A0B0C0D, 3, 50_000, 300_000, is_poll=True, is_control_plane_independent=True, diagnostic=1)
OCTETS = bytes.fromhex("21 e8 03 18 01020304 0a0b0c0d 0000c350 000493e0 00000000")
U32 = st.integers(0, 2**32 - 1)
PACKETS = st.builds(
    ControlPacket,
    state=st.sampled_from(State),
    my_discriminator=st.integers(1, 2**32 - 1),
    your_discriminator=U32,
    detect_mult=st.integers(1, 255),
    desired_min_tx=U32,
    required_min_rx=U32,
    required_min_echo_rx=U32,
    diagnostic=st.integers(0, 31),
    is_poll=st.booleans(),
    is_final=st.booleans(),
    is_control_plane_independent=st.booleans(),
    is_demand=st.booleans(),
)


def test_a_packet_has_the_octets_of_the_standard():
    assert encode(UP) == OCTETS
    assert parse(OCTETS) == UP


@given(PACKETS, st.binary(max_size=8))
def test_what_is_encoded_is_parsed_and_what_is_behind_the_length_is_ignored(packet: ControlPacket, behind: bytes):
    assert parse(encode(packet) + behind) == packet


@given(st.binary(max_size=64))
def test_any_octets_are_a_packet_or_malformed(octets: bytes):
    try:
        packet = parse(octets)
    except MalformedPacket:
        return
    assert packet.my_discriminator
    assert packet.detect_mult


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (OCTETS[:23], MalformedReason.TooShort),
        (b"\x41" + OCTETS[1:], MalformedReason.NotVersion1),
        (OCTETS[:3] + b"\x17" + OCTETS[4:], MalformedReason.WrongLengthField),
        (OCTETS[:3] + b"\x19" + OCTETS[4:], MalformedReason.WrongLengthField),
        (OCTETS[:1] + b"\xec\x03\x18" + OCTETS[4:] + bytes(8), MalformedReason.WrongLengthField),
        (OCTETS[:2] + b"\x00" + OCTETS[3:], MalformedReason.NoDetectMult),
        (OCTETS[:1] + b"\xe9" + OCTETS[2:], MalformedReason.Multipoint),
        (OCTETS[:4] + bytes(4) + OCTETS[8:], MalformedReason.NoDiscriminator),
    ],
)
def test_what_needs_no_session_to_be_discarded_has_its_reason(octets: bytes, reason: MalformedReason):
    with pytest.raises(MalformedPacket) as caught:
        parse(octets)
    assert caught.value.reason is reason


def test_an_authentication_section_is_noticed_and_never_made():
    authenticated = parse(OCTETS[:1] + b"\xec\x03\x1a" + OCTETS[4:] + b"\x01\x02")
    assert authenticated.has_authentication
    with pytest.raises(ValueError, match="authentication"):
        encode(replace(UP, has_authentication=True))


def test_states_are_called_as_in_the_standard():
    assert [state.title for state in State] == ["AdminDown", "Down", "Init", "Up"]
