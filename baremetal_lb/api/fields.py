"""Field paths: how a place in an object is written for people, and read back.

("spec", "addresses", 2)                    <->  spec.addresses[2]
("metadata", "labels", "app.example/x")     <->  metadata.labels["app.example/x"]
"""

import json
import re
from collections.abc import Iterable

Part = str | int
_PLAIN = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]*", re.ASCII)
_TOKEN = re.compile(r'\.?([A-Za-z_$][A-Za-z0-9_$-]*)|\[(\d{1,9})\]|\[("(?:[^"\\]|\\.)*")\]', re.ASCII)


def field_path(parts: Iterable[Part]) -> str:
    """Write a path."""
    text = ""
    for part in parts:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN.fullmatch(part):
            text += f".{part}" if text else part
        else:
            text += f"[{json.dumps(part, ensure_ascii=False)}]"
    return text


def field_parts(path: str) -> tuple[Part, ...]:
    """Read a path; what cannot be read ends it."""
    parts: list[Part] = []
    position = 0
    while position < len(path) and (match := _TOKEN.match(path, position)):
        name, index, quoted = match.groups()
        parts.append(name if name is not None else int(index) if index is not None else json.loads(quoted))
        position = match.end()
    return tuple(parts)
