"""The HTTP server in each Pod: answers every GET with who it is and whom it sees, as one JSON object.

Run as a program of its own, on the standard library's smallest parts, since a lab has six of them and more::

    python -I -S backend.py NODE POD PORT

It serves IPv4 and IPv6 with one socket. Each answer closes its connection, so that each request is balanced anew.
"""

import json
import selectors
import signal
import socket
import sys

REQUEST_LIMIT = 64 << 10
IDLE_LIMIT = 1024
"""Connections at one time; one more is refused by closing it."""


def answer(node: str, pod: str, client: str, request: bytes) -> bytes:
    """Return the whole HTTP answer to one request's head."""
    method = request.split(b" ", 1)[0]
    status = "200 OK" if method in (b"GET", b"HEAD") else "405 Method Not Allowed"
    body = json.dumps({"node": node, "pod": pod, "client": client}).encode() + b"\n"
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
    return head + (b"" if method == b"HEAD" else body)


def client_of(address: str) -> str:
    """Return an address as its family writes it: an IPv4 client of an IPv6 socket is an IPv4 client."""
    return address.removeprefix("::ffff:")


def serve(node: str, pod: str, port: int) -> None:
    """Serve until told to stop: the first process of a container has to say that it ends at SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=1024)
    listener.setblocking(False)
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    waiting: dict[socket.socket, tuple[str, bytes]] = {}
    while True:
        for key, _ in selector.select():
            connection = key.fileobj
            assert isinstance(connection, socket.socket)
            if connection is listener:
                _accept(listener, selector, waiting)
                continue
            client, request = waiting[connection]
            try:
                received = connection.recv(REQUEST_LIMIT)
                request += received
                if b"\r\n\r\n" in request:
                    connection.sendall(answer(node, pod, client, request))
                elif received and len(request) < REQUEST_LIMIT:
                    waiting[connection] = (client, request)
                    continue
            except OSError:
                pass
            selector.unregister(connection)
            del waiting[connection]
            connection.close()


def _accept(listener: socket.socket, selector: selectors.BaseSelector, waiting: "dict[socket.socket, tuple[str, bytes]]") -> None:
    try:
        connection, (address, *_) = listener.accept()
    except OSError:
        return
    if len(waiting) >= IDLE_LIMIT:
        connection.close()
        return
    connection.setblocking(False)
    selector.register(connection, selectors.EVENT_READ)
    waiting[connection] = (client_of(address), b"")


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2], int(sys.argv[3]))
