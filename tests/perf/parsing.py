"""How long it takes to read manifests of 1, 2 and 4 times a size, and how that grows: 2.0 is linear.

.venv/bin/python tests/perf/parsing.py [DOCUMENTS]
"""

import sys
import time
from collections.abc import Callable

from baremetal_lb.api.yaml_nodes import parse_documents


def _documents(count: int) -> str:
    return "---\n".join(f"apiVersion: v1\nkind: Service\nmetadata: {{name: s{n}}}\nspec: {{ports: [{{port: 80}}]}}\n" for n in range(count))


def _keys(count: int) -> str:
    return "kind: A\nspec:\n" + "".join(f"  k{n}: {n}\n" for n in range(3 * count))


def _json(count: int) -> str:
    return "\n".join(f'{{"kind": "A", "metadata": {{"name": "a{n}"}}}}' for n in range(count))


def _line(count: int) -> str:
    return 'kind: A\nspec: "' + "x" * (100 * count) + '"\n'


def _nearly_a_number(count: int) -> str:
    return f"kind: A\nspec: {'1' * 100 * count}x\n"


def _faults(count: int) -> str:
    return '{"kind": "A", "' + "k" * 10 * count + '": [' + ",".join(["NaN"] * count) + "]}"


def _directives(count: int) -> str:
    return "".join(f"%TAG !a{n}! x\n" for n in range(count)) + "---\nkind: A\n"


def _aliases(count: int) -> str:
    return f"kind: A\ntext: &a {'x' * 10 * count}\nlist: [" + "*a, " * count + "]\n"


TEXTS: dict[str, Callable[[int], str]] = {
    "documents": _documents,
    "keys of one mapping": _keys,
    "JSON texts": _json,
    "one line": _line,
    "nearly a number": _nearly_a_number,
    "faults of a long key": _faults,
    "directives": _directives,
    "aliases of a text": _aliases,
}


def _seconds(text: str) -> float:
    begun = time.perf_counter()
    for document in parse_documents(text):
        spec = document.value.get("spec") if document.value else None
        for key in spec if isinstance(spec, dict) else ():
            document.line_of(("spec", key))
    return time.perf_counter() - begun


def main() -> None:
    """Print a row for each kind of text."""
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    for name, make in TEXTS.items():
        took = [_seconds(make(size * factor)) for factor in (1, 2, 4)]
        print(f"{name:20} {' '.join(f'{seconds:8.3f} s' for seconds in took)}   x{took[1] / took[0]:.2f} x{took[2] / took[1]:.2f}")


if __name__ == "__main__":
    main()
