"""Laws of ranges."""

from hypothesis import assume, given
from hypothesis import strategies as st

from baremetal_lb.model.net import AddressRange, Family, RangeError, address_at


@st.composite
def ranges(draw, bound: int = 64) -> AddressRange:
    first = draw(st.integers(0, bound))
    return AddressRange(draw(st.sampled_from(Family)), first, first + draw(st.integers(0, bound)))


def members(r: AddressRange) -> set:
    return {address_at(r.family, value) for value in range(r.first, r.last + 1)}


@given(ranges(), st.lists(ranges(), max_size=6))
def test_minus_is_set_difference_in_ascending_disjoint_pieces(whole, holes):
    left = whole.minus(holes)
    assert set().union(*map(members, left)) == members(whole).difference(*map(members, holes))
    assert list(left) == sorted(left)
    assert sum(piece.size for piece in left) == len(set().union(*map(members, left)))


@given(ranges(), ranges())
def test_overlap_is_a_common_member(a, b):
    assert a.overlaps(b) == b.overlaps(a) == bool(members(a) & members(b))


@given(st.sampled_from(Family).flatmap(lambda f: st.tuples(st.just(f), *[st.integers(0, (1 << f.bits) - 1)] * 2)))
def test_what_is_printed_parses_to_the_same(args):
    family, a, b = args
    r = AddressRange(family, min(a, b), max(a, b))
    assume(family is Family.IPV4 or not {r.first >> 32, r.last >> 32} & {0xFFFF})  # an IPv4-mapped address is read as what it maps to
    assert AddressRange.parse(str(r), allow_single=True) == r


@given(st.text(max_size=60))
def test_any_text_parses_or_says_why_not(text):
    try:
        parsed = AddressRange.parse(text)
    except RangeError as error:
        kind = error.kind
    else:
        kind = None
        assert parsed.size > 0
    assert kind in {None, "unparsable", "reversed", "mixed-family", "bare-address"}
