"""A scripted BGP peer in plain sockets: for what real routers never do, and for what must be seen octet by octet.

    def script(conversation):                       # runs in a thread of its own, for each TCP connection
        conversation.establish()
        conversation.send(announce([65001], "198.51.100.1", "203.0.113.0/24"))
        conversation.listen()                       # keeps the session alive and records, until the other side or the test ends it

    with ScriptedPeer(lab.host("198.51.100.1/24"), asn=65001, router_id="198.51.100.1", script=script) as peer:
        until(lambda: peer.rib())                   # what the other side has announced and not withdrawn, in its last session

Ready scripts: ``speak`` (a peer as it should be), ``stay_silent``, ``reset_at(Stage...)``, ``say(...)`` (sends these octets for its OPEN or
after it). A script that fails fails the test at the end of the ``with`` block.
"""

import contextlib
import os
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Self

from tests.support.bgp_wire import (
    KEEPALIVE,
    NOTIFICATION,
    OPEN,
    UPDATE,
    Attributes,
    Message,
    Update,
    message,
    open_message,
    parse_update,
)
from tests.support.netns import Namespace

_MAX_MESSAGE = 65535


class Ended(Exception):
    """The connection is over: closed by the other side, or the test ends."""


class Stage(Enum):
    """Where in its life a session is."""

    ACCEPTED = "accepted"
    OPEN_RECEIVED = "OPEN received"
    OPEN_SENT = "OPEN sent"
    ESTABLISHED = "established"
    UPDATE_RECEIVED = "UPDATE received"


@dataclass
class Conversation:
    """One TCP connection with the other side, and all that it said."""

    peer: "ScriptedPeer"
    opened: socket.socket
    remote: str
    messages: list[Message] = field(default_factory=list)
    is_established: bool = False
    ended_at: int | None = None
    """Monotonic clock, ns."""
    how: str = ""
    """How it ended."""
    _buffer: bytes = b""
    _selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)

    def __post_init__(self) -> None:
        self._selector.register(self.opened, selectors.EVENT_READ)
        self._selector.register(self.peer.stopping, selectors.EVENT_READ)

    def send(self, octets: bytes) -> None:
        """Send, whatever it is.

        Raises:
            Ended: the other side is gone.
        """
        try:
            self.opened.sendall(octets)
        except OSError as error:
            raise Ended(str(error)) from None

    def receive(self, timeout_s: float | None = None) -> Message | None:
        """Return the next message, recorded; None when none came in that time.

        Raises:
            Ended: the other side is gone, or the test ends.
        """
        end = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            if len(self._buffer) >= 19 and len(self._buffer) >= (length := struct.unpack_from("!H", self._buffer, 16)[0]):
                whole = Message(self._buffer[18], self._buffer[19:length])
                self._buffer = self._buffer[length:]
                self.messages.append(whole)
                return whole
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                return None
            ready = [key.fileobj for key, _events in self._selector.select(left)]
            if self.peer.stopping in ready:
                raise Ended("the test ends")
            if ready:
                self._read()

    def _read(self) -> None:
        try:
            octets = self.opened.recv(_MAX_MESSAGE)
        except OSError as error:
            raise Ended(str(error)) from None
        if not octets:
            raise Ended("closed by the other side")
        self._buffer += octets

    def wait_for(self, kind: int) -> Message:
        """Return the next message of a kind.

        Raises:
            Ended: the other side is gone.
        """
        while True:
            found = self.receive()
            if found is not None and found.kind == kind:
                return found

    def establish(self, opening: bytes | None = None) -> None:
        """Exchange OPEN and KEEPALIVE, with this OPEN or the usual one.

        Raises:
            Ended: the other side did not agree.
        """
        self.send(opening or open_message(self.peer.asn, self.peer.router_id, hold_time_s=self.peer.hold_time_s))
        self.wait_for(OPEN)
        self.send(message(KEEPALIVE))
        self.wait_for(KEEPALIVE)
        self.is_established = True

    def listen(self) -> None:
        """Keep the session alive, and record what comes.

        Raises:
            Ended: when it is over.
        """
        pause = self.peer.hold_time_s / 3
        due = time.monotonic() + pause
        while True:
            if self.receive(max(0.0, due - time.monotonic())) is None:
                self.send(message(KEEPALIVE))
                due = time.monotonic() + pause

    def reset(self) -> None:
        """End the connection by a RST."""
        self.opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.opened.close()
        raise Ended("reset by us")

    def updates(self) -> list[Update]:
        """Return all UPDATEs so far."""
        return [parse_update(each.body) for each in list(self.messages) if each.kind == UPDATE]

    def notifications(self) -> list[tuple[int, int]]:
        """Return code and subcode of all NOTIFICATIONs that the other side sent."""
        return [(each.body[0], each.body[1]) for each in list(self.messages) if each.kind == NOTIFICATION]


Script = Callable[[Conversation], None]


def speak(conversation: Conversation) -> None:
    """Be a peer as it should be, that announces nothing."""
    conversation.establish()
    conversation.listen()


def stay_silent(conversation: Conversation) -> None:
    """Accept and never say a word."""
    while True:
        conversation.receive()


def reset_at(stage: Stage) -> Script:
    """Reset the connection as soon as the session gets there."""

    def script(conversation: Conversation) -> None:
        if stage is Stage.OPEN_RECEIVED:
            conversation.wait_for(OPEN)
        elif stage is Stage.OPEN_SENT:
            conversation.wait_for(OPEN)
            conversation.send(open_message(conversation.peer.asn, conversation.peer.router_id))
        elif stage is not Stage.ACCEPTED:
            conversation.establish()
        if stage is Stage.UPDATE_RECEIVED:
            conversation.wait_for(UPDATE)
        conversation.reset()

    return script


def say(octets: bytes, *, first: bool = False) -> Script:
    """Send these octets once the session is established, or instead of an OPEN; then go on as usual."""

    def script(conversation: Conversation) -> None:
        if not first:
            conversation.establish()
        conversation.send(octets)
        conversation.listen()

    return script


class ScriptedPeer:
    """Listens in a namespace, and runs its script for each connection."""

    def __init__(
        self,
        namespace: Namespace,
        *,
        asn: int,
        router_id: str,
        script: Script = speak,
        hold_time_s: int = 9,
        address: str = "::",
        port: int = 179,
    ) -> None:
        self.asn, self.router_id, self.hold_time_s = asn, router_id, hold_time_s
        self.script = script
        """May be changed at any time, for the connections that follow."""
        self.conversations: list[Conversation] = []
        self.stopping, self._stop = os.pipe()
        self._namespace = namespace
        self._errors: list[BaseException] = []
        self._threads: list[threading.Thread] = []
        self._listener = namespace.call(lambda: _listen(address, port))

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, kind: object, *_exception: object) -> None:
        os.close(self._stop)
        for thread in self._threads:
            thread.join(timeout=10)
        self._listener.close()
        for conversation in self.conversations:
            conversation.opened.close()
        os.close(self.stopping)
        if self._errors and kind is None:
            raise self._errors[0]

    def dial(self, remote: str, port: int = 179, source: str | None = None) -> None:
        """Connect to the other side, and run the script there."""
        opened = self._namespace.call(
            lambda: socket.create_connection((remote, port), timeout=5, source_address=(source, 0) if source else None)
        )
        opened.settimeout(None)
        self._converse(opened, remote)

    def rib(self) -> dict[str, Attributes]:
        """Return what the other side has announced and not withdrawn, in its last established session."""
        found: dict[str, Attributes] = {}
        for conversation in self.conversations[::-1]:
            if conversation.is_established:
                for each in conversation.updates():
                    found |= dict.fromkeys(each.announced, each.attributes)
                    for gone in each.withdrawn:
                        found.pop(gone, None)
                break
        return found

    @property
    def established(self) -> list[Conversation]:
        """Sessions that stand now."""
        return [each for each in self.conversations if each.is_established and each.ended_at is None]

    def _accept(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self.stopping, selectors.EVENT_READ)
            while all(key.fileobj is self._listener for key, _events in selector.select()):
                opened, address = self._listener.accept()
                self._converse(opened, address[0].removeprefix("::ffff:"))

    def _converse(self, opened: socket.socket, remote: str) -> None:
        conversation = Conversation(self, opened, remote)
        self.conversations.append(conversation)
        self._start(lambda: self._run(conversation))

    def _run(self, conversation: Conversation) -> None:
        try:
            self.script(conversation)
            conversation.how = "the script ended"
        except Ended as error:
            conversation.how = str(error)
        except BaseException as error:  # noqa: BLE001 - raised again at the end of the with block
            conversation.how = repr(error)
            self._errors.append(error)
        conversation.ended_at = time.monotonic_ns()
        with contextlib.suppress(OSError):
            conversation.opened.shutdown(socket.SHUT_RDWR)

    def _start(self, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, daemon=True)
        self._threads.append(thread)
        thread.start()


def _listen(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.create_server((address, port), family=family, backlog=64, dualstack_ipv6=address == "::")
