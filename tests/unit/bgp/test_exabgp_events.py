"""Lines of the real ExaBGP 5.0.15, recorded, and lines of nobody."""

from ipaddress import ip_address, ip_network

import pytest

from baremetal_lb.bgp.exabgp_events import (
    Ack,
    FsmChanged,
    Hello,
    HubWithdrew,
    Negotiated,
    NeighborsSeen,
    Notified,
    Opened,
    Output,
    RouteSeen,
    StateChanged,
    Unreadable,
    parse_line,
)
from baremetal_lb.bgp.exabgp_notifications import notification_words
from baremetal_lb.bgp.session import SessionStateName

PEER = ip_address("198.51.100.11")
HEAD = '{ "exabgp": "5.0.0", "time": 1795695458.1, "host" : "vm", "pid" : 20946, "ppid" : 20923, "counter": 1, '
NEIGHBOR = '"neighbor": { "address": { "local": "198.51.100.1", "peer": "198.51.100.11" }, "asn": { "local": 65000, "peer": %s }, '
FIRST = HEAD + '"type": "%s", ' + NEIGHBOR + '"router-id": "198.51.100.1" '
OPEN = (
    ', "direction": "receive", "open": { "version": 4, "asn": 23456, "hold_time": 240, "router_id": "198.51.100.11", "capabilities": { '
    '"1": { "name": "multiprotocol", "families": [ "ipv4/unicast", "ipv6/unicast" ] }, "65": { "name": "asn4", "asn4": 4200000001 }, '
    '"71": { "name": "unknown", "iana": "unassigned", "value": 71, "raw": "" } } } } }'
)
NOTIFICATION = (
    ', "direction": "receive", "notification": { "code": 6, "subcode": 2, "data": "0x53", '
    '"message": "Shutdown Communication: \\"maintenance at noon\\"" }  } }'
)
ROUTE = (
    "neighbor 198.51.100.11 local-ip 198.51.100.1 local-as 65000 peer-as auto router-id 198.51.100.1 family-allowed in-open ipv4 unicast "
    "192.0.2.1/32 next-hop 198.51.100.1 as-path ( 65000 65000 ) med 50 community [ 65000:1 65000:2 ] "
    "extended-community 0x4004FDE84CEE6B28 large-community 65000:1:2"
)
WORDS = {
    "as-path": ("65000", "65000"),
    "med": ("50",),
    "community": ("65000:1", "65000:2"),
    "extended-community": ("0x4004FDE84CEE6B28",),
    "large-community": ("65000:1:2",),
}
ROWS = {
    "done": ("done", Ack(True)),
    "error": ("error", Ack(False)),
    "up": (FIRST % ("state", "65001") + ', "state": "up" } }', StateChanged(PEER, True)),
    "up of a peer of any AS, which is no JSON": (FIRST % ("state", "None") + ', "state": "up" } }', StateChanged(PEER, True)),
    "down": (
        FIRST % ("state", "65001") + ', "state": "down", "reason": "notification received (6,2)" } }',
        StateChanged(PEER, False, "notification received (6,2)"),
    ),
    "connected": (FIRST % ("state", "65001") + ', "state": "connected" } }', Output()),
    "state machine": (FIRST % ("fsm", "65001") + ', "state": "OPENCONFIRM" } }', FsmChanged(PEER, SessionStateName.OPEN_CONFIRM)),
    "OPEN with an AS number of four octets": (FIRST % ("open", "None") + OPEN, Opened(PEER, 4200000001)),
    "negotiated": (FIRST % ("negotiated", "65001") + ', "negotiated": { "message_size": 4096, "hold_time": 9 }  } }', Negotiated(PEER, 9)),
    "NOTIFICATION": (
        FIRST % ("notification", "65001") + NOTIFICATION,
        Notified(PEER, "Received", 6, 2, 'Shutdown Communication: "maintenance at noon"'),
    ),
    "route": (ROUTE, RouteSeen(PEER, ip_network("192.0.2.1/32"), "198.51.100.1", WORDS)),
    "no sessions": ("[]", NeighborsSeen(())),
    "ExaBGP ends": (HEAD + '"type": "notification", "notification": "shutdown" }', Output()),
    "reload": ("reload in progress", Output()),
    "hub": ('{"hub": "hello", "epoch": 3, "pid": 7, "is_running": true}', Hello(3, 7, True)),
    "hub without ExaBGP": ('{"hub": "hello", "epoch": 3, "pid": null, "is_running": false}', Hello(3, None, False)),
    "hub withdrew": ('{"hub": "withdrawn", "reason": "SpeakerLost"}', HubWithdrew("SpeakerLost")),
    "half a line": (HEAD, Unreadable()),
    "another type": (FIRST % ("state", "65001") + ', "state": 7 } }', StateChanged(PEER, False)),
    "a state that is none": (FIRST % ("fsm", "65001") + ', "state": "DREAMING" } }', Unreadable()),
    "a number": ("[1]", Unreadable()),
    "deep": ("[" * 100_000, Unreadable()),
    "empty": ("", Unreadable()),
}


@pytest.mark.parametrize(("line", "event"), ROWS.values(), ids=ROWS.keys())
def test_a_line_is_one_event(line: str, event: object):
    assert parse_line(line) == event


WORDS_OF = {
    (6, 2, 'Shutdown Communication: "maintenance at noon"'): 'Cease, Administrative Shutdown: "maintenance at noon"',
    (6, 2, ""): "Cease, Administrative Shutdown",
    (6, 4, "\x14Administrative Reset"): "Cease, Administrative Reset",
    (4, 0, ""): "Hold Timer Expired",
    (2, 2, "ASN in OPEN (1) did not match"): 'OPEN Message Error, Bad Peer AS: "ASN in OPEN (1) did not match"',
    (6, 10, ""): "Cease, BFD Down",
    (77, 3, ""): "code 77, subcode 3",
    (6, 2, "\x1b[31m" + "x" * 999): 'Cease, Administrative Shutdown: "' + ("[31m" + "x" * 999)[:255] + '"',
}


@pytest.mark.parametrize(("told", "words"), WORDS_OF.items(), ids=lambda value: str(value)[:40])
def test_a_notification_is_told_in_words(told: tuple[int, int, str], words: str):
    assert notification_words(*told) == words
