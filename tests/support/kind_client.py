"""Runs inside a client's container, by `python3 -c`: asks at a steady pace until its input ends, then prints each answer.

    python3 -c SOURCE URL PER_SECOND

Each request is a TCP connection of its own. Standard library only.
"""

import json
import socket
import sys
import threading
import time
from urllib.parse import urlsplit

PATIENCE_S = 3.0


def ask(url: str) -> dict[str, object]:
    """Fetch the page of a backend; ``error`` where there was none."""
    parts = urlsplit(url)
    begun = time.monotonic()
    try:
        with socket.create_connection((parts.hostname, parts.port or 80), PATIENCE_S) as connection:
            connection.sendall(f"GET / HTTP/1.1\r\nHost: {parts.hostname}\r\nConnection: close\r\n\r\n".encode())
            received = b""
            while part := connection.recv(65536):
                received += part
        page = json.loads(received.partition(b"\r\n\r\n")[2])
    except (OSError, ValueError) as error:
        page = {"error": f"{type(error).__name__}: {error}"}
    return {"at": begun, "took": time.monotonic() - begun, **page}


def main(url: str, per_second: float) -> None:
    """Ask until the input ends."""
    ended = threading.Event()

    def wait_for_the_end() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    answers: list[dict[str, object]] = []
    threads = []
    due = time.monotonic()
    while not ended.is_set():
        threads.append(threading.Thread(target=lambda: answers.append(ask(url))))
        threads[-1].start()
        due += 1 / per_second
        ended.wait(max(0.0, due - time.monotonic()))
    for thread in threads:
        thread.join(2 * PATIENCE_S)
    print(json.dumps(answers))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
