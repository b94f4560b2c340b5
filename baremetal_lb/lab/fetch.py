"""Fetches pages, from wherever it is run, and tells what came back: one JSON line for each URL.

A program of its own on the standard library alone, as the client of the lab has nothing else: ``python -I -S fetch.py URL...``. ``error``
instead of ``answer`` says what went wrong.
"""

import http.client
import json
import sys
from urllib.parse import urlsplit

TIMEOUT_S = 2.0


def fetch(url: str) -> dict[str, object]:
    """Return the JSON answer to a GET, or the error."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=TIMEOUT_S)
    try:
        connection.request("GET", parts.path or "/")
        return {"url": url, "answer": json.loads(connection.getresponse().read())}
    except (OSError, http.client.HTTPException, ValueError) as error:
        return {"url": url, "error": f"{type(error).__name__}: {error}"}
    finally:
        connection.close()


if __name__ == "__main__":
    for wanted in sys.argv[1:]:
        sys.stdout.write(json.dumps(fetch(wanted)) + "\n")
