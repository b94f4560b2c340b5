"""Whoever reads what another wrote gives a value or the one refusal that is documented, whatever the octets are."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baremetal_lb.bfd.wire import MalformedLine, decode_report, decode_want
from baremetal_lb.bgp.exabgp_events import parse_line
from baremetal_lb.kube.records import DecodeError, raw_object
from baremetal_lb.membership.facts import MalformedFacts, parse
from baremetal_lb.model.json_text import NotJSON, decode_json

DEEP = "[" * 5000 + "]" * 5000
WILD = st.sampled_from(
    [
        "1e999",
        "-1e999",
        "NaN",
        "Infinity",
        "9" * 5000,
        str(2**64),
        "-1",
        "0.5",
        '"\\ud800"',
        '"\\u0000"',
        "null",
        "true",
        "{}",
        "[]",
        "[[]]",
        '""',
        '"x"',
        "0",
        DEEP,
        '{"a":' * 3000 + "1" + "}" * 3000,
        "None",
    ]
)
LINES = [
    '{"hub":"hello","epoch":1,"pid":1,"is_running":true}',
    '{"hub":"withdrawn","reason":"x"}',
    '{"type":"state","neighbor":{"address":{"peer":"192.0.2.2"},"state":"down","reason":"x"}}',
    '{"type":"fsm","neighbor":{"address":{"peer":"192.0.2.2"},"state":"IDLE"}}',
    (
        '{"type":"open","neighbor":{"address":{"peer":"192.0.2.2"},"direction":"receive",'
        '"open":{"asn":1,"capabilities":{"1":{"name":"asn4","asn4":1}}}}}'
    ),
    '{"type":"negotiated","neighbor":{"address":{"peer":"192.0.2.2"},"negotiated":{"hold_time":9}}}',
    (
        '{"type":"notification","neighbor":{"address":{"peer":"192.0.2.2"},"direction":"send",'
        '"notification":{"code":1,"subcode":1,"message":"x"}}}'
    ),
    '[{"fsm":"IDLE","local":{"as":1,"id":"192.0.2.1","hold":9},"peer":{"address":"192.0.2.2","as":1,"hold":9}}]',
]
WANT = (
    '{"want":[{"peer":"p","remote":"192.0.2.2","local":"192.0.2.1","desired_min_tx":1000000,'
    '"required_min_rx":1000000,"detect_mult":3,"minimum_ttl":255}]}'
)
REPORT = '{"sessions":[{"peer":"p"}],"drops":{"x":1},"problems":["y"]}'
FACTS = '{"serving":true,"incarnation":1,"interfaces":[{"name":"e","carrier":true,"families":["IPv4"],"mac":"02:00:00:00:00:01"}]}'


def places(value, prefix=()):
    yield prefix
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in pairs:
        yield from places(item, (*prefix, key))


@st.composite
def holed(draw, texts):
    """Draw one of the texts with wild values in the place of one or two of its own."""
    value = json.loads(draw(st.sampled_from(texts)))
    marks = {}
    for number in range(draw(st.integers(1, 2))):
        mark = f"@{number}@"
        path = draw(st.sampled_from([place for place in places(value) if place] or [()]))
        if not path:
            break
        holder = value
        for step in path[:-1]:
            holder = holder[step]
        holder[path[-1]] = mark
        marks[mark] = draw(WILD)
    text = json.dumps(value)
    for mark, wild in marks.items():
        text = text.replace(json.dumps(mark), wild)
    return text


def any_text(*texts):
    return st.one_of(
        holed(list(texts)), st.text(max_size=50), st.binary(max_size=50).map(lambda octets: octets.decode(errors="surrogateescape"))
    )


@given(any_text(*LINES))
@settings(max_examples=400, deadline=None)
def test_a_line_of_exabgp_always_means_something(line):
    event = parse_line(line)
    for name in ("epoch", "pid", "asn", "hold_time_s", "code", "subcode"):
        assert getattr(event, name, None) is None or 0 <= getattr(event, name) < 2**32


@pytest.mark.parametrize("line", LINES)
def test_the_lines_that_are_filled_with_wild_values_are_read_without_them(line):
    assert type(parse_line(line)).__name__ not in ("Unreadable", "Output")


@given(any_text(WANT, REPORT))
@settings(max_examples=300, deadline=None)
def test_a_line_between_speaker_and_bfd_is_read_or_malformed(text):
    line = text.encode(errors="surrogatepass")
    for decode in (decode_want, decode_report):
        try:
            decode(line)
        except MalformedLine:
            continue


@given(any_text(FACTS))
@settings(max_examples=300, deadline=None)
def test_facts_are_read_or_malformed(text):
    try:
        facts = parse(text)
    except MalformedFacts:
        return
    assert 0 <= facts.incarnation < 2**63


@given(any_text('{"metadata":{"name":"x","labels":{"a":"b"}},"spec":{"x":1},"status":{"lastAccepted":{"a":[1]}}}'))
@settings(max_examples=300, deadline=None)
def test_an_object_of_the_api_server_is_read_or_refused(text):
    try:
        raw_object(text.encode(errors="surrogatepass"))
    except DecodeError:
        return


def test_what_is_longer_than_it_may_be_is_refused():
    assert decode_json(b"[1]", longest=3) == [1]
    with pytest.raises(NotJSON, match="longer than 2"):
        decode_json(b"[1]", longest=2)
    assert type(parse_line("[" + " " * (1 << 22) + "]")).__name__ == "Unreadable"


@pytest.mark.parametrize("epoch", ["-1", "4294967296", "9" * 5000, '"' + "9" * 5000 + '"', "1e999", "1.5", "true", "[]"])
def test_a_number_that_no_field_can_have_makes_a_line_unreadable(epoch):
    assert type(parse_line(f'{{"hub":"hello","epoch":{epoch},"pid":1,"is_running":true}}')).__name__ == "Unreadable"
