"""What people read of an explanation: every node and peer with its case, and nothing said once for each of them that is true of all."""

from rich.console import Console

from baremetal_lb.cli.explain_print import print_explanation

NOBODY = {"reason": None, "message": ""}
ALLOCATION = {"message": "1.", "since": None, "shares_with": [], "asked_for": None, "quota": None, "reservations": [], "pools": []}
PLAIN = {"service": "shop/web", "verdict": "It stands.", "next": None, "allocation": ALLOCATION, "external_traffic_policy": "Cluster",
         "endpoints": [], "condition": None, "layer2": [], "bgp": [], "events": []}  # fmt: skip
LAYER2 = {"ip": "198.51.100.1", "announced_by": [], "elected": "node1", "preferred": None, "advertisements": ["all"], **NOBODY}


def candidate(node, reason=None):
    return {"node": node, "eligible": reason is None, "ready_endpoints": 1, "reason": reason, "message": ""}


def printed(**sections):
    console = Console(width=200, record=True, highlight=False)
    with console.capture() as captured:
        print_explanation(PLAIN | sections, console)
    return [line.rstrip() for line in captured.get().splitlines()]


def test_every_candidate_has_a_line():
    lines = printed(layer2=[LAYER2 | {"candidates": [candidate("node1"), candidate("node2"), candidate("node3", "NodeDraining")]}])
    assert [line.split() for line in lines if "node" in line and "NODE" not in line] == [
        ["node1", "elected", "1"],
        ["node2", "yes", "1"],
        ["node3", "NodeDraining", "1"],
    ]


def test_a_reason_of_the_ip_is_not_said_again_for_each_node():
    nobody = LAYER2 | {"elected": None, "reason": "NoAdvertisement", "message": "None speaks of it."}
    lines = printed(layer2=[nobody | {"candidates": [candidate(f"node{n}", "NoAdvertisement") for n in (1, 2)]}])
    assert "Layer 2, 198.51.100.1: announced by nobody. None speaks of it." in lines
    assert not [line for line in lines if "node1" in line]


def test_a_route_is_with_a_peer_once_the_session_is_up():
    def peer(name, state, **more):
        return {"peer": name, "advertised": True, "state": state, "since": None, "error": None, **NOBODY} | more

    peers = [peer("up", "Established"), peer("down", "Idle", error="No route."), peer("other", "Established", advertised=False, reason="X")]
    lines = printed(bgp=[{"ip": "198.51.100.1", "node": "node1", "advertisements": ["all"], "peers": peers, **NOBODY}])
    assert [line.split() for line in lines[-3:]] == [
        ["198.51.100.1", "node1", "up", "yes", "Established"],
        ["198.51.100.1", "node1", "down", "once", "it", "is", "up", "Idle", "No", "route."],
        ["198.51.100.1", "node1", "other", "no", "Established", "X:"],
    ]
