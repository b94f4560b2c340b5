"""Going away with notice, and which sessions a node is to have."""

from dataclasses import replace
from ipaddress import ip_address

from baremetal_lb.api.secrets import SecretReason
from baremetal_lb.bgp.reasons import SessionReason
from baremetal_lb.bgp.sessions import NodeSurroundings
from baremetal_lb.model.bgp import BGPPeer
from baremetal_lb.model.labels import LabelSelector, Operator, Requirement
from baremetal_lb.model.time import SECOND
from baremetal_lb.model.views import NodeView
from speaker.leaving import Leaving, Phase
from speaker.sessions import sessions_of

NODE = NodeView("node1", internal_ips=(ip_address("198.51.100.11"),))
PEER = BGPPeer("b", 64600, 64512, address=ip_address("198.51.100.1"))
ELSEWHERE = (LabelSelector((Requirement("rack", Operator.EXISTS),)),)


def test_a_node_that_is_to_go_gives_notice_for_a_while_and_then_is_gone() -> None:
    leaving = Leaving(2 * SECOND)
    assert leaving.phase(now=0) is Phase.STAYING
    leaving.want(is_leaving=True, now=SECOND)
    leaving.want(is_leaving=True, now=2 * SECOND)
    assert (leaving.phase(now=2 * SECOND), leaving.deadline(now=2 * SECOND)) == (Phase.NOTICE, 3 * SECOND)
    assert (leaving.phase(now=3 * SECOND), leaving.deadline(now=3 * SECOND)) == (Phase.GONE, None)


def test_a_node_that_may_stay_after_all_is_back_at_once_and_gives_notice_anew_the_next_time() -> None:
    leaving = Leaving(2 * SECOND)
    leaving.want(is_leaving=True, now=0)
    leaving.want(is_leaving=False, now=5 * SECOND)
    assert leaving.phase(now=5 * SECOND) is Phase.STAYING
    leaving.want(is_leaving=True, now=6 * SECOND)
    assert leaving.phase(now=7 * SECOND) is Phase.NOTICE


def test_each_peer_of_this_node_has_a_session_or_a_reason() -> None:
    peers = [
        PEER,
        replace(PEER, name="c"),
        replace(PEER, name="d", address=ip_address("198.51.100.2"), password_secret="s"),
        replace(PEER, name="e", address=None, interface="eth1"),
        replace(PEER, name="f", node_selectors=ELSEWHERE),
        replace(PEER, name="a", address=ip_address("198.51.100.3"), password_secret="unread"),
    ]
    found = sessions_of(peers, NODE, surroundings=lambda _peer: NodeSurroundings(), secret_reasons={"s": SecretReason.SecretMissing})
    assert set(found.specs) == {"b"}
    assert found.reasons == {
        "a": SessionReason.NoPassword,
        "c": SessionReason.AddressTaken,
        "d": SecretReason.SecretMissing,
        "e": SessionReason.NoRouterHeard,
    }
