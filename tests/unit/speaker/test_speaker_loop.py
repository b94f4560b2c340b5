"""The loop: from events to what the announcer answers for, by a clock that the test moves."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from ipaddress import ip_address

import pytest
from structlog.testing import capture_logs

from baremetal_lb.l2.probing import PERIOD, PROBES, QUESTIONS, YIELD_TAIL
from baremetal_lb.l2.reasons import YieldReason
from baremetal_lb.membership.facts import MemberFacts, encode
from baremetal_lb.membership.lease_roster import LeaseRoster, RosterOptions
from baremetal_lb.model.configuration import Configuration, L2Advertisement, Pool
from baremetal_lb.model.ids import ObjectKey
from baremetal_lb.model.net import AddressRange, Family, IPAddress, Mac
from baremetal_lb.model.roster import InterfaceFacts
from baremetal_lb.model.time import MILLISECOND, SECOND
from baremetal_lb.model.views import (
    EndpointSliceView,
    EndpointView,
    EntryService,
    IngressView,
    LeaseView,
    LedgerEntry,
    NodeView,
    ServiceView,
)
from speaker.contested import LINES
from speaker.decide import Decider
from speaker.loop import Loop
from speaker.plan import CLAIM_AGE, HANDOVER_LIMIT, L2Status
from speaker.reasons import SilenceReason
from speaker.world import World

IP, OTHER_IP = ip_address("203.0.113.7"), ip_address("203.0.113.8")
MACS = {node: Mac.parse(f"02:00:00:00:00:0{number}") for number, node in enumerate(("a", "me", "z"), start=1)}
STRANGER = Mac.parse("02:00:00:00:00:99")
ANNOTATION = "x/member"


class Answering:
    """The announcer's place: what would be answered for now, and how often that was changed; and who answers when it asks."""

    def __init__(self) -> None:
        self.answers: dict[IPAddress, Mac] = {}
        self.heard: list[tuple[IPAddress, Mac]] = []
        self.has_link = True
        self.probes: list[IPAddress] = []
        self.listening: set[IPAddress] = set()
        self.announced: dict[IPAddress, frozenset[str] | None] = {}
        self.updates = 0

    def update_announced(self, changed: Mapping[IPAddress, frozenset[str] | None], withdrawn: tuple[IPAddress, ...] = ()) -> None:
        self.updates += 1
        self.announced.update(changed)
        for address in withdrawn:
            del self.announced[address]

    def probe(self, asked: Mapping[IPAddress, frozenset[str] | None]) -> set[IPAddress]:
        if not self.has_link:
            return set(asked)
        self.probes += asked
        self.listening |= asked.keys()
        self.heard += [(ip, self.answers[ip]) for ip in asked if ip in self.answers]
        return set()

    def end_probes(self, ips: Iterable[IPAddress]) -> None:
        self.listening.difference_update(ips)


class Node:
    """The speaker of node ``me`` among a, me and z, without sockets and API server."""

    def __init__(self, incarnation: int | None = None) -> None:
        self.now = 1000 * SECOND
        self.world = World("me")
        self.machine = LeaseRoster(RosterOptions("me", ANNOTATION, incarnation=incarnation))
        self.answering = Answering()
        self.statuses: dict[ObjectKey, L2Status | None] = {}
        self.may_withdraw = True
        self.reasons: Counter[YieldReason] = Counter()
        self.loop = Loop(
            Decider(self.world),
            self.machine,
            on_status=self.statuses.__setitem__,
            may_withdraw=lambda: self.may_withdraw,
            on_yield=lambda reason: self.reasons.update([reason]),
            clock=lambda: self.now,
        )
        self.loop.attach(self.answering)
        pool = Pool("blue", (AddressRange.parse("203.0.113.0/24"),))
        self.world.configure(Configuration((pool,), (L2Advertisement("all"),)))
        for node in MACS:
            self.world.see_node(node, NodeView(node))
        self.renew(*MACS)
        self.service("web", IP, announcer="me")

    def service(self, name: str, address: IPAddress, *, announcer: str) -> None:
        key = ObjectKey("shop", name)
        self.world.see_service(key, ServiceView(key, name, ingress=(IngressView(address, str(address)),)))
        self.world.see_slice(key, None, EndpointSliceView(key, key, (EndpointView("a", Family.IPV4, ready=True),)))
        self.entry(name, address, announcer=announcer)

    def entry(self, name: str, address: IPAddress, *, announcer: str) -> None:
        entry = LedgerEntry(address, "o", "blue", (EntryService(ObjectKey("shop", name), name),), announcer=announcer)
        self.world.see_entry(address, entry, now=self.now)

    def renew(self, *nodes: str, is_serving: bool = True) -> None:
        for node in nodes:
            facts = MemberFacts(is_serving, 1, (InterfaceFacts("eth0", mac=MACS[node]),))
            lease = LeaseView(ObjectKey("lb", f"speaker-{node}"), node, 4 * SECOND, self.now, annotations={ANNOTATION: encode(facts)})
            changes = self.machine.lease_seen(lease, now=self.now, now_utc=self.now)
            self.world.see_roster(self.machine.roster, changes)

    async def after(self, nanoseconds: int) -> set[IPAddress]:
        """Take turns for so long, as the loop does: at its deadlines, and when it is woken by an answer."""
        end, deadline = self.now + nanoseconds, await self.loop.turn()
        while self.answering.heard or (deadline is not None and deadline <= end):
            if self.answering.heard:
                for ip, mac in self.answering.heard:
                    self.loop.answered(ip, mac, "eth0")
                self.answering.heard.clear()
            else:
                self.now = max(self.now, deadline)
            deadline = await self.loop.turn()
        self.now = end
        await self.loop.turn()
        return set(self.answering.announced)

    async def hear_itself(self, seconds: int = 3) -> None:
        """Let own renewals come back for so long."""
        for _ in range(seconds):
            self.renew(*MACS)
            await self.after(SECOND)


@pytest.fixture
async def node() -> Node:
    made = Node()
    assert await made.after(0) == {IP}
    return made


async def test_what_is_announced_has_a_status(node: Node):
    web = ObjectKey("shop", "web")
    assert node.statuses == {web: L2Status(web)}
    node.world.see_service(web, None)
    assert await node.after(0) == set()
    assert node.statuses == {web: None}
    assert node.loop.silent[IP] is SilenceReason.NotInStatus


async def test_a_turn_without_news_does_nothing(node: Node):
    updates = node.answering.updates
    assert await node.after(SECOND) == {IP}
    assert node.answering.updates == updates


async def test_a_planned_move_goes_on_until_the_new_announcer_is_heard(node: Node):
    node.entry("web", IP, announcer="a")
    assert await node.after(0) == {IP}
    assert await node.after(HANDOVER_LIMIT - 1) == {IP}
    node.loop.heard(IP, MACS["a"], "eth0")
    assert await node.after(0) == set()
    assert node.loop.silent[IP] is SilenceReason.AnotherNode


async def test_a_planned_move_ends_unheard_at_its_limit(node: Node):
    node.entry("web", IP, announcer="a")
    deadline = await node.loop.turn()
    assert deadline == node.now + HANDOVER_LIMIT
    assert await node.after(HANDOVER_LIMIT) == set()


async def test_a_new_announcer_that_was_faster_than_the_news_was_heard_all_the_same(node: Node):
    await node.hear_itself()
    node.loop.heard(IP, MACS["a"], "eth0")
    assert await node.after(MILLISECOND) == {IP}
    node.entry("web", IP, announcer="a")
    assert await node.after(MILLISECOND) == set()


async def test_a_stranger_moves_nothing(node: Node):
    await node.after(CLAIM_AGE + 1)
    node.loop.heard(IP, STRANGER, "eth0")
    node.entry("web", IP, announcer="a")
    assert await node.after(0) == {IP}


async def test_cut_off_it_yields_to_a_member_that_answers_and_takes_back_only_well_after_it_hears_again(node: Node):
    await node.after(CLAIM_AGE + 1)
    node.answering.answers[IP] = MACS["z"]
    node.loop.heard(IP, MACS["z"], "eth0")
    assert await node.after(0) == set()
    assert node.loop.silent[IP] is SilenceReason.YieldedToMember
    assert await node.after(60 * SECOND) == set()
    await node.hear_itself(YIELD_TAIL // SECOND - 1)
    assert await node.after(0) == set()
    await node.hear_itself(YIELD_TAIL // SECOND)
    assert await node.after(0) == {IP}
    assert node.reasons == {YieldReason.MemberAnswered: 1, YieldReason.InTouchAgain: 1}
    assert not node.answering.listening


async def test_cut_off_it_goes_on_when_nobody_stands_by_an_announcement_however_often_it_comes(node: Node):
    await node.after(CLAIM_AGE + 1)
    with capture_logs() as lines:
        for _ in range(100):
            node.loop.heard(IP, MACS["z"], "eth0")
            assert await node.after(100 * MILLISECOND) == {IP}
    assert [(line["event"], line["ip"], line["by"]) for line in lines] == [("address_claim_unconfirmed", IP, "z")]
    assert node.reasons == {YieldReason.Unconfirmed: 1}
    assert await node.after(QUESTIONS * PERIOD) == {IP}
    assert not node.answering.listening


async def test_a_yield_ends_a_second_after_the_question_that_nobody_answers(node: Node):
    await node.after(CLAIM_AGE + 1)
    node.answering.answers[IP] = MACS["z"]
    node.loop.heard(IP, MACS["z"], "eth0")
    assert await node.after(SECOND) == set()
    node.answering.answers.clear()
    assert await node.after(PERIOD - 1) == set()
    with capture_logs() as lines:
        assert await node.after(1) == {IP}
    assert ("address_taken_back", YieldReason.NobodyAnswered) in [(line["event"], line["reason"]) for line in lines]
    assert node.reasons == {YieldReason.MemberAnswered: 1, YieldReason.NobodyAnswered: 1}


async def test_a_strangers_answer_silences_nobody_and_is_said(node: Node):
    await node.after(CLAIM_AGE + 1)
    node.answering.answers[IP] = STRANGER
    with capture_logs() as lines:
        node.loop.heard(IP, MACS["z"], "eth0")
        assert await node.after(5 * SECOND) == {IP}
    assert [line["mac"] for line in lines if line["event"] == "address_claimed_by_stranger"] == [STRANGER]


async def test_a_strangers_answer_does_not_keep_up_a_yield(node: Node):
    await node.after(CLAIM_AGE + 1)
    node.answering.answers[IP] = MACS["z"]
    node.loop.heard(IP, MACS["z"], "eth0")
    assert await node.after(SECOND) == set()
    node.answering.answers[IP] = STRANGER
    assert await node.after(2 * SECOND) == {IP}


async def test_without_a_link_no_silence_counts(node: Node):
    await node.after(CLAIM_AGE + 1)
    node.answering.answers[IP] = MACS["z"]
    node.loop.heard(IP, MACS["z"], "eth0")
    assert await node.after(SECOND) == set()
    node.answering.has_link = False
    assert await node.after(20 * SECOND) == set()
    node.loop.attach(None)
    await node.after(20 * SECOND)
    assert node.loop.silent[IP] is SilenceReason.YieldedToMember


async def test_who_took_back_from_one_that_was_only_slow_finds_it_again(node: Node):
    """The other one is in touch and says nothing by itself; this one's claim is new, and its name is the lower one."""
    await node.after(CLAIM_AGE + 1)
    node.answering.answers[IP] = MACS["z"]
    node.loop.heard(IP, MACS["z"], "eth0")
    assert await node.after(SECOND) == set()
    node.answering.answers.clear()
    assert await node.after(PERIOD) == {IP}
    node.answering.answers[IP] = MACS["z"]
    assert await node.after(CLAIM_AGE) == {IP}
    assert await node.after(PERIOD) == set()


async def test_an_ip_that_nothing_names_any_more_is_not_asked_for(node: Node):
    await node.after(CLAIM_AGE + 1)
    node.answering.answers[IP] = MACS["z"]
    node.loop.heard(IP, MACS["z"], "eth0")
    await node.after(SECOND)
    node.world.see_service(ObjectKey("shop", "web"), None)
    node.world.see_entry(IP, None, now=node.now)
    await node.after(0)
    asked = len(node.answering.probes)
    await node.after(10 * SECOND)
    assert (len(node.answering.probes), node.answering.listening) == (asked, set())
    assert node.reasons[YieldReason.NoLongerNamed] == 1


async def test_many_yields_are_said_in_a_few_lines(node: Node):
    ips = [ip_address(f"203.0.113.{number}") for number in range(50, 150)]
    for ip in ips:
        node.service(f"s{ip}", ip, announcer="me")
    await node.after(CLAIM_AGE + 1)
    node.answering.answers = dict.fromkeys(ips, MACS["z"])
    with capture_logs() as lines:
        for ip in ips:
            node.loop.heard(ip, MACS["z"], "eth0")
        assert await node.after(1500 * MILLISECOND) == {IP}
    yielded = [line for line in lines if line["event"] == "address_yielded"]
    assert len(yielded) <= 2 * LINES
    assert sum(1 + line["more"] for line in yielded) == len(ips)
    assert node.reasons == {YieldReason.MemberAnswered: len(ips)}


async def test_in_touch_with_the_api_server_it_does_not_yield(node: Node):
    await node.hear_itself()
    node.answering.answers[IP] = MACS["z"]
    node.loop.heard(IP, MACS["z"], "eth0")
    assert await node.after(0) == {IP}
    assert not node.answering.probes


@pytest.mark.parametrize(("own_incarnation", "stays"), [(1, {IP}), (2, set())])
async def test_who_has_just_come_does_not_yield_to_the_one_that_hands_over_to_it(own_incarnation, stays):
    """The other one repeats its announcements until it hears ours. Where only a predecessor's Lease is known, what it says is news."""
    node = Node(own_incarnation)
    assert await node.after(0) == {IP}
    node.answering.answers[IP] = MACS["a"]
    node.loop.heard(IP, MACS["a"], "eth0")
    assert await node.after(MILLISECOND) == stays


async def test_of_two_that_are_cut_off_the_lower_name_keeps_a_recent_claim(node: Node):
    node.answering.answers[IP] = MACS["z"]
    node.loop.heard(IP, MACS["z"], "eth0")
    assert await node.after(0) == {IP}
    node.answering.answers[IP] = MACS["a"]
    node.loop.heard(IP, MACS["a"], "eth0")
    assert await node.after(0) == set()


async def test_nothing_is_withdrawn_before_the_first_complete_sync(node: Node):
    node.may_withdraw = False
    node.world.see_service(ObjectKey("shop", "web"), None)
    node.service("dns", OTHER_IP, announcer="me")
    assert await node.after(0) == {IP, OTHER_IP}
    node.may_withdraw = True
    assert await node.after(0) == {OTHER_IP}


@pytest.fixture
def remembering() -> Node:
    """Started from its state file, while the API server is away."""
    node = Node()
    node.may_withdraw = False
    node.now += 60 * SECOND
    return node


async def test_started_from_memory_it_yields_to_whoever_took_over_long_ago(remembering: Node):
    remembering.answering.answers[IP] = MACS["z"]
    assert await remembering.after(0) == {IP}
    assert await remembering.after(CLAIM_AGE + 3 * SECOND) == set()
    assert remembering.reasons == Counter([YieldReason.MemberAnswered])
    del remembering.answering.answers[IP]
    assert await remembering.after(4 * SECOND) == {IP}


async def test_started_from_memory_it_goes_on_where_nobody_else_answers_and_asks_a_few_times_only(remembering: Node):
    with capture_logs() as logs:
        assert await remembering.after(60 * SECOND) == {IP}
    assert (len(remembering.answering.probes), remembering.reasons) == (PROBES * (QUESTIONS + 1), Counter())
    assert [line for line in logs if line["log_level"] == "warning"] == []


async def test_what_may_not_be_withdrawn_yet_is_not_due_at_once_for_ever(remembering: Node):
    await remembering.after(0)
    remembering.entry("web", IP, announcer="z")
    await remembering.after(0)
    await remembering.after(10 * SECOND)
    deadline = await remembering.loop.turn()
    assert deadline is not None
    assert deadline > remembering.now


async def test_an_announcer_that_comes_back_is_given_everything(node: Node):
    node.loop.attach(None)
    node.service("dns", OTHER_IP, announcer="me")
    await node.after(0)
    again = Answering()
    node.loop.attach(again)
    assert again.announced == {IP: None, OTHER_IP: None}


@pytest.mark.parametrize("turns", range(6))
async def test_ends_when_it_is_cancelled_and_woken_at_about_the_same_time(turns):
    loop = Loop(Decider(World("me")), LeaseRoster(RosterOptions("me", ANNOTATION)), on_status=lambda _service, _status: None)
    task = asyncio.create_task(loop.run())
    while not loop.beat:
        await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    loop.wake()
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    done, _ = await asyncio.wait({task}, timeout=0.5)
    if not done:
        task.cancel()
    assert done
