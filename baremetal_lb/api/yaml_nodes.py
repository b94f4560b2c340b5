"""YAML as Kubernetes reads it, with the line of every field.

Differences from what PyYAML does by default, each because kubectl's reader does otherwise:
* timestamps stay texts, and ``64512:30`` is a text (PyYAML: a number of base 60);
* a key given twice is a fault, not the last one's luck;
* documents are split at lines of ``---`` before they are parsed, so that a broken one hides no other.

Values are built from the node tree, within bounds: aliases that grow a small file to a huge one, or contain themselves, are a fault.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from baremetal_lb.api.fields import Part, field_path

REPEATED_MAX = 100_000
"""Nodes of one document that aliases repeat."""
DEPTH_MAX = 100
_BREAK = re.compile(r"^---(?=[ \t]|$)", re.MULTILINE)
_NEXT_TEXT = re.compile(r"\}\s*\{")
"""What is nowhere in one JSON text, but for its strings."""
_VISIBLE = re.compile(r"\S")
_JSON = json.JSONDecoder()


try:
    from yaml import CSafeLoader as _Safe  # libyaml: ten times as fast
except ImportError:
    from yaml import SafeLoader as _Safe  # type: ignore[assignment]  # the same interface in Python


class _Loader(_Safe):
    """SafeLoader that resolves plain scalars as Kubernetes does; its own tables, since PyYAML's are shared."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE|yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF)$", "yYnNtTfFoO"),
    ("int", r"^(?:[-+]?0b[0-1_]+|[-+]?0o?[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+)$", "-+0123456789"),
    (
        "float",
        r"^(?:[-+]?(?:[0-9][0-9_]*)?\.?[0-9_]+(?:[eE][-+]?[0-9]+)?|[-+]?[0-9][0-9_]*\.|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$",
        "-+0123456789.",
    ),
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("merge", r"^(?:<<)$", "<"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))


@dataclass(frozen=True, slots=True)
class Flaw:
    """A fault of the text itself: ``field`` is "" where it has no place in the object."""

    line: int
    field: str
    message: str
    is_duplicate_key: bool = False


@dataclass(slots=True)
class Document:
    """One document: its value (None where it cannot be read), the line that it starts at, and where its fields stand."""

    line: int
    value: Any = None
    node: yaml.Node | None = None
    flaws: list[Flaw] = field(default_factory=list)
    json_text: str | None = None
    """Text of a JSON document until somebody asks for a line: most never are, and these are the large ones."""

    def line_of(self, parts: tuple[Part, ...]) -> int:
        """Return the line of a field, or of the nearest field around it that is there."""
        if self.json_text is not None:
            self.node, _ = _compose(self.json_text, self.line)
            self.json_text = None
        node, line = self.node, self.line
        for part in parts:
            found = _child(node, part)
            if found is None:
                break
            node, line = found
        return line


def parse_documents(text: str) -> Iterator[Document]:
    """Yield the documents of a text that have something in them, broken ones with their flaws."""
    starts = [0, *(match.end() for match in _BREAK.finditer(text))]
    ends = [*(match.start() for match in _BREAK.finditer(text)), len(text)]
    for start, end in zip(starts, ends, strict=True):
        before = text.count("\n", 0, start)
        for piece in _json_pieces(text[start:end]):
            document = _parse(piece, before)
            before += piece.count("\n")
            if document is not None:
                yield document


def _json_pieces(text: str) -> Iterator[str]:
    """Yield the JSON texts that stand one after the other, as jq prints them and kubectl reads them; any other text as it is."""
    position = 0
    if _NEXT_TEXT.search(text) is not None:
        while (start := _VISIBLE.search(text, position)) is not None and start.group() == "{":
            try:
                _, end = _JSON.raw_decode(text, start.start())
            except (ValueError, RecursionError):
                break
            yield text[position:end]
            position = end
    yield text[position:]


def _parse(text: str, before: int) -> Document | None:
    """Parse one document that stands after so many lines; None where there is nothing."""
    body = text.lstrip()
    line = before + text[: len(text) - len(body)].count("\n") + 1
    if body[:1] in ("{", "["):
        document = _parse_json(body, line)
        if document is not None:
            return document
    node, flaw = _compose(text, before + 1)
    if flaw is not None:
        return Document(line, flaws=[flaw])
    if node is None:
        return None
    document = Document(node.start_mark.line + 1, node=node)
    try:
        document.value = _Builder(document.flaws).build(node, ())
    except _TooMuch as error:
        document.flaws.append(Flaw(document.line, "", str(error)))
    return document


def _parse_json(text: str, line: int) -> Document | None:
    repeated: list[str] = []

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) < len(pairs):
            keys = [key for key, _ in pairs]
            repeated.extend(sorted({key for key in keys if keys.count(key) > 1}))
        return value

    try:
        value = json.loads(text, object_pairs_hook=unique)
    except (ValueError, RecursionError):
        return None
    flaws = [Flaw(line, "", f"{key} is given twice.", is_duplicate_key=True) for key in repeated]
    return Document(line, value, flaws=flaws, json_text=text.replace("\t", " "))  # YAML takes no tabs there; JSON strings have none


def _compose(text: str, line: int) -> tuple[yaml.Node | None, Flaw | None]:
    """Return the node tree of a text that starts at a line."""
    try:
        return yaml.compose("\n" * (line - 1) + text, Loader=_Loader), None
    except yaml.YAMLError as error:
        return None, _syntax_flaw(error, line)
    except (ValueError, RecursionError) as error:
        return None, Flaw(line, "", f"{type(error).__name__} while reading.")


def _syntax_flaw(error: yaml.YAMLError, line: int) -> Flaw:
    mark = getattr(error, "problem_mark", None)
    words = [str(part) for part in (getattr(error, "context", None), getattr(error, "problem", None)) if part]
    return Flaw(mark.line + 1 if mark is not None else line, "", ", ".join(words) or str(error).splitlines()[0])


class _TooMuch(ValueError):
    """The document is larger or deeper than any of ours can be."""


class _Builder:
    """Builds the value of a document from its nodes."""

    def __init__(self, flaws: list[Flaw]) -> None:
        self._flaws = flaws
        self._loader = _Loader("")
        self._seen: set[int] = set()
        self._repeated = 0

    def build(self, node: yaml.Node, path: tuple[Part, ...]) -> Any:
        """Return the JSON value of a node.

        Raises:
            _TooMuch: too many repeated nodes, or too deep.
        """
        self._repeated += id(node) in self._seen
        self._seen.add(id(node))
        if self._repeated > REPEATED_MAX:
            raise _TooMuch(f"Aliases repeat more than {REPEATED_MAX} nodes.")
        if len(path) > DEPTH_MAX:
            raise _TooMuch(f"The document is nested deeper than {DEPTH_MAX}.")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(child, (*path, index)) for index, child in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: tuple[Part, ...]) -> dict[str, Any]:
        value: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, child in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                for source in child.value if isinstance(child, yaml.SequenceNode) else [child]:
                    found = self.build(source, path)
                    merged = {**(found if isinstance(found, dict) else {}), **merged}
                continue
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else "?"
            if key in value:
                place = field_path((*path, key))
                self._flaws.append(Flaw(key_node.start_mark.line + 1, place, f"{key} is given twice.", is_duplicate_key=True))
            value[key] = self.build(child, (*path, key))
        return {**merged, **value}

    def _scalar(self, node: yaml.Node, path: tuple[Part, ...]) -> Any:
        if node.tag == "tag:yaml.org,2002:int":
            return self._integer(node.value)
        if node.tag == "tag:yaml.org,2002:timestamp":
            return node.value
        try:
            return self._loader.construct_object(node)
        except (yaml.YAMLError, ValueError) as error:
            self._flaws.append(Flaw(node.start_mark.line + 1, field_path(path), getattr(error, "problem", None) or str(error)))
            return None

    @staticmethod
    def _integer(text: str) -> int | str:
        digits = text.replace("_", "")
        if re.fullmatch(r"[-+]?0[0-7]+", digits):
            return int(digits, 8)
        try:
            return int(digits, 0)
        except ValueError:
            return text


def _child(node: yaml.Node | None, part: Part) -> tuple[yaml.Node, int] | None:
    """Return the node of a part of a node and the line of its key or item."""
    if isinstance(part, int):
        if isinstance(node, yaml.SequenceNode) and part < len(node.value):
            return node.value[part], node.value[part].start_mark.line + 1
        return None
    if not isinstance(node, yaml.MappingNode):
        return None
    for key, child in node.value:
        if isinstance(key, yaml.ScalarNode) and key.value == part and key.tag != "tag:yaml.org,2002:merge":
            return child, key.start_mark.line + 1
    return None
