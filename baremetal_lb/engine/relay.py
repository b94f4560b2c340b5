"""ExaBGP's API helper: carries octets between its pipes and the hub's socket, and knows nothing.

Two things can stop every session of ExaBGP from in here, and both are this program's whole purpose: ExaBGP blocks when nobody reads what
it says (its answers fill a pipe of 64 KiB), and it ends when its helper ended six times within a minute. So this reads always, and ends
only when ExaBGP has closed the pipe. What the hub does not take in time is thrown away with the connection; the hub reads anew then.

Standard library only: it starts in milliseconds and takes little.
"""

import os
import selectors
import signal
import socket
import sys
import time

SOCKET_VARIABLE = "BMLB_RELAY_SOCKET"
CHUNK = 1 << 16
MOST_TO_HUB = 16 << 20
MOST_TO_EXABGP = 1 << 20
RETRY_S = 0.1
LOOK_S = 0.25
"""How often it looks whether ExaBGP tells it to end; signals are blocked here, since not all of them are meant for it (exabgp.py)."""


def _is_told_to_end() -> bool:
    """Tell whether ExaBGP itself, and not somebody who stops everything at once, has sent SIGTERM."""
    told = signal.sigtimedwait({signal.SIGTERM}, 0)
    return told is not None and told.si_pid == os.getppid()


class Relay:
    """One pair of pipes and one connection, which comes and goes."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._selector = selectors.DefaultSelector()
        self._hub: socket.socket | None = None
        self._to_hub = bytearray()
        self._to_exabgp = bytearray()
        self._retry_at = 0.0
        os.set_blocking(0, False)
        os.set_blocking(1, False)
        self._selector.register(0, selectors.EVENT_READ)

    def run(self) -> None:
        """Carry until ExaBGP closes its pipe."""
        while True:
            if self._hub is None and time.monotonic() >= self._retry_at:
                self._connect()
            self._arm()
            if _is_told_to_end():
                return
            for key, events in self._selector.select(RETRY_S if self._hub is None else LOOK_S):
                if key.fd == 0 and not self._read_exabgp():
                    return
                if key.fd == 1:
                    self._write_exabgp()
                if self._hub is not None and key.fileobj is self._hub:
                    self._serve_hub(events)

    def _connect(self) -> None:
        self._retry_at = time.monotonic() + RETRY_S
        hub = socket.socket(socket.AF_UNIX)
        try:
            hub.connect(self._path)
        except OSError:
            hub.close()
            return
        hub.setblocking(False)
        self._hub = hub
        self._selector.register(hub, selectors.EVENT_READ)

    def _arm(self) -> None:
        """Ask for just the events that there is something to do about."""
        if self._hub is not None:
            wanted = selectors.EVENT_WRITE if self._to_hub else 0
            wanted |= selectors.EVENT_READ if len(self._to_exabgp) < MOST_TO_EXABGP else 0
            # Nothing to read for and nothing to write: reading is asked for all the same, a selector takes no empty wish.
            self._selector.modify(self._hub, wanted or selectors.EVENT_READ)
        is_armed = 1 in self._selector.get_map()
        if self._to_exabgp and not is_armed:
            self._selector.register(1, selectors.EVENT_WRITE)
        elif is_armed and not self._to_exabgp:
            self._selector.unregister(1)

    def _read_exabgp(self) -> bool:
        try:
            octets = os.read(0, CHUNK)
        except BlockingIOError:
            return True
        if not octets:
            return False
        if self._hub is not None:
            self._to_hub += octets
            if len(self._to_hub) > MOST_TO_HUB:
                self._drop_hub()
        return True

    def _write_exabgp(self) -> None:
        try:
            del self._to_exabgp[: os.write(1, self._to_exabgp[:CHUNK])]
        except BlockingIOError:
            return
        except BrokenPipeError:  # ExaBGP is ending; the end of its other pipe ends this
            self._to_exabgp.clear()

    def _serve_hub(self, events: int) -> None:
        if self._hub is None:
            return
        try:
            if events & selectors.EVENT_READ and len(self._to_exabgp) < MOST_TO_EXABGP:
                octets = self._hub.recv(CHUNK)
                if not octets:
                    self._drop_hub()
                    return
                self._to_exabgp += octets
            if events & selectors.EVENT_WRITE and self._to_hub:
                del self._to_hub[: self._hub.send(self._to_hub[:CHUNK])]
        except BlockingIOError:
            return
        except OSError:
            self._drop_hub()

    def _drop_hub(self) -> None:
        if self._hub is None:
            return
        self._selector.unregister(self._hub)
        self._hub.close()
        self._hub = None
        self._to_hub.clear()
        # Half a command must never run into the next one.
        del self._to_exabgp[self._to_exabgp.rfind(b"\n") + 1 :]


def main() -> int:
    """Carry from ExaBGP's environment on."""
    path = os.environ.get(SOCKET_VARIABLE)
    if path is None:
        sys.stderr.write(f"this is started by ExaBGP; {SOCKET_VARIABLE} is not set\n")
        return 2
    Relay(path).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
