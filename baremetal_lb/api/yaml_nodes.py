"""YAML as Kubernetes reads it, with the line of every field.

Differences from what PyYAML does by default, each because kubectl's reader does otherwise:
* timestamps stay texts, and ``64512:30`` is a text (PyYAML: a number of base 60);
* a key given twice is a fault, not the last one's luck;
* documents are split at lines of ``---`` before they are parsed, so that a broken one hides no other.

Values are built from the node tree, within bounds: aliases that grow a small file to a huge one, or contain themselves, are a fault, and
so are tags, keys and numbers that no JSON has. The work is linear in the text: each document is read from its own first line on, each
mapping is indexed once when somebody asks for lines in it.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from baremetal_lb.api.fields import Part, field_path
from baremetal_lb.api.nesting import nests_deeper
from baremetal_lb.api.reasons import ConfigurationReason as Why

REPEATED_MAX = 100_000
"""Nodes of one document that aliases repeat."""
DEPTH_MAX = 100
"""Nesting of one document; Kubernetes' deepest objects have a third of it."""
INTEGER_MIN, INTEGER_MAX = -(2**63), 2**64 - 1
"""What Kubernetes' JSON reads as integers."""
_DIGITS_MAX = 80
"""Digits of an integer that are looked at: 64 bit, in base 2, with room for zeros in front."""
_BREAK = re.compile(r"^---(?=[ \t]|$)", re.MULTILINE)
_NEXT_TEXT = re.compile(r"\}\s*\{")
"""What is nowhere in one JSON text, but for its strings."""
_VISIBLE = re.compile(r"\S")
_JSON = json.JSONDecoder(parse_int=str)  # only where a text ends is asked
_SURROGATE = re.compile(r"[\ud800-\udfff]")
"""In a text: an octet that is not UTF-8, see ``texts``. In a value: half of a character."""
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
_TAG = "tag:yaml.org,2002:"
_INTEGER = re.compile(r"^(?:[-+]?0b[0-1_]+|[-+]?0o?[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+)$")
_FLOAT = re.compile(
    r"^(?:[-+]?(?:[0-9][0-9_]*)?\.?[0-9_]+(?:[eE][-+]?[0-9]+)?|[-+]?[0-9][0-9_]*\.|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
)
_TRUE, _FALSE = frozenset({"true", "yes", "on"}), frozenset({"false", "no", "off"})
_TEXT_TAGS = frozenset({f"{_TAG}str", f"{_TAG}timestamp", f"{_TAG}merge", "!"})


try:
    from yaml import CSafeLoader as _Safe  # libyaml: ten times as fast
except ImportError:
    from yaml import SafeLoader as _Safe  # type: ignore[assignment]  # the same interface in Python


class _Loader(_Safe):
    """SafeLoader that resolves plain scalars as Kubernetes does; its own tables, since PyYAML's are shared."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE|yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF)$", "yYnNtTfFoO"),
    ("int", _INTEGER.pattern, "-+0123456789"),
    ("float", _FLOAT.pattern, "-+0123456789."),
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("merge", r"^(?:<<)$", "<"),
):
    _Loader.add_implicit_resolver(f"{_TAG}{_tag}", re.compile(_pattern), list(_first))


@dataclass(frozen=True, slots=True)
class Flaw:
    """A fault of the text itself: ``field`` is "" where it has no place in the object."""

    line: int
    field: str
    message: str
    """What the reason's sentence does not say."""
    reason: Why = Why.SyntaxError


@dataclass(slots=True)
class Document:
    """One document: its value (None where it cannot be read), the line that it starts at, and where its fields stand."""

    line: int
    value: Any = None
    node: yaml.Node | None = None
    before: int = 0
    """Lines in front of the text that the node was made of."""
    flaws: list[Flaw] = field(default_factory=list)
    json_text: str | None = None
    """Text of a JSON document until somebody asks for a line: most never are, and these are the large ones."""
    indexes: dict[int, dict[str, tuple[yaml.Node, int]]] = field(default_factory=dict)
    """Children of the mappings in which somebody asked for lines, by the node's id."""

    def line_of(self, parts: tuple[Part, ...]) -> int:
        """Return the line of a field, or of the nearest field around it that is there."""
        if self.json_text is not None:
            self.before = self.line - 1
            self.node, _ = _compose(self.json_text, self.before)
            self.json_text = None
        node, line = self.node, self.line
        for part in parts:
            found = self._child(node, part)
            if found is None:
                break
            node, line = found
        return line

    def _child(self, node: yaml.Node | None, part: Part) -> tuple[yaml.Node, int] | None:
        """Return the node of a part of a node and the line of its key or item."""
        if isinstance(part, int):
            if isinstance(node, yaml.SequenceNode) and part < len(node.value):
                return node.value[part], self.before + node.value[part].start_mark.line + 1
            return None
        if not isinstance(node, yaml.MappingNode):
            return None
        index = self.indexes.get(id(node))
        if index is None:
            index = self.indexes[id(node)] = {}
            for key, child in node.value:
                if isinstance(key, yaml.ScalarNode) and key.tag != f"{_TAG}merge":
                    index.setdefault(key.value, (child, self.before + key.start_mark.line + 1))
        return index.get(part)


def parse_documents(text: str) -> Iterator[Document]:
    """Yield the documents of a text that have something in them, broken ones with their flaws."""
    start, before = 0, 0
    for match in (*_BREAK.finditer(text), None):
        for piece in _json_pieces(text[start : match.start() if match else len(text)]):
            document = _parse(piece, before)
            before += piece.count("\n")
            if document is not None:
                yield document
        start = match.end() if match else start


def read_document(text: str) -> tuple[Any, Flaw | None]:
    """Return the value of a text that is to have one document, and the first flaw of the text; None is the value of an empty one."""
    value = None
    for number, document in enumerate(parse_documents(text)):
        if document.flaws:
            return None, document.flaws[0]
        if number:
            return None, Flaw(document.line, "", "There is more than one document.")
        value = document.value
    return value, None


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
    line = before + text.count("\n", 0, len(text) - len(body)) + 1
    if (broken := _SURROGATE.search(text)) is not None:
        return Document(line, flaws=[Flaw(before + text.count("\n", 0, broken.start()) + 1, "", "", Why.InvalidEncoding)])
    if body[:1] in ("{", "["):
        document = _parse_json(body, line)
        if document is not None:
            return document
    node, flaw = _compose(text, before)
    if flaw is not None:
        return Document(line, flaws=[flaw])
    if node is None:
        return None
    document = Document(before + node.start_mark.line + 1, node=node, before=before)
    try:
        document.value = _Builder(document).build(node, ())
    except _TooMuch as error:
        document.flaws.append(Flaw(document.line, "", str(error), error.reason))
    return document


class _Odd:
    """What JSON's grammar admits and no API server does, until its place is known; ``value`` is what stands for it."""

    def __init__(self, reason: Why, value: Any = None, repeated: tuple[str, ...] = ()) -> None:
        self.reason, self.value, self.repeated = reason, value, repeated


def _parse_json(text: str, line: int) -> Document | None:
    """Parse a text as JSON; None where it is none."""
    odd: list[_Odd] = []

    def noted(found: _Odd) -> _Odd:
        odd.append(found)
        return found

    def known(number: float | None) -> Any:
        return noted(_Odd(Why.ImpossibleNumber)) if number is None else number

    def unique(pairs: list[tuple[str, Any]]) -> Any:
        value = dict(pairs)
        if len(value) == len(pairs):
            return value
        counts = Counter(key for key, _ in pairs)
        return noted(_Odd(Why.DuplicateKey, value, tuple(sorted(key for key, count in counts.items() if count > 1))))

    try:
        value = json.loads(
            text,
            object_pairs_hook=unique,
            parse_int=lambda digits: known(_bounded(digits, int)),
            parse_float=lambda digits: known(_float(digits)),
            parse_constant=lambda _: known(None),
        )
    except (ValueError, RecursionError):
        return None
    # YAML takes no tabs between tokens; JSON strings have none.
    document = Document(line, json_text=text.replace("\t", " "))
    if nests_deeper(value.value if isinstance(value, _Odd) else value, DEPTH_MAX, through=_plain):
        document.flaws.append(_too_deep(line))
    elif odd or _SURROGATE_ESCAPE.search(text) is not None:
        document.value = _without_odd(value, (), document)
    else:
        document.value = value
    return document


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, _Odd) else value


def _without_odd(value: Any, path: tuple[Part, ...], document: Document) -> Any:
    """Return the value with plain values in the place of odd ones, which become flaws. It is no deeper than DEPTH_MAX."""
    if isinstance(value, _Odd):
        if value.reason is Why.DuplicateKey:
            for key in value.repeated:
                document.flaws.append(_repeated(key, path, document.line_of((*path, key))))
        else:
            document.flaws.append(Flaw(document.line_of(path), field_path(path), "", value.reason))
        value = value.value
    if isinstance(value, dict):
        return {_whole(key, path, document): _without_odd(item, (*path, key), document) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_odd(item, (*path, index), document) for index, item in enumerate(value)]
    return _whole(value, path, document) if isinstance(value, str) else value


def _whole(text: str, path: tuple[Part, ...], document: Document) -> str:
    """Return a text without halves of characters, which are a flaw."""
    if _SURROGATE.search(text) is None:
        return text
    document.flaws.append(Flaw(document.line_of(path), _SURROGATE.sub("\ufffd", field_path(path)), "", Why.BrokenCharacter))
    return _SURROGATE.sub("\ufffd", text)


def _repeated(key: str, path: tuple[Part, ...], line: int) -> Flaw:
    key = _SURROGATE.sub("\ufffd", key)
    return Flaw(line, field_path((*path, key)), f"{key} is given twice.", Why.DuplicateKey)


def _too_deep(line: int) -> Flaw:
    return Flaw(line, "", f"At most {DEPTH_MAX} levels are read.", Why.TooDeep)


def _compose(text: str, before: int) -> tuple[yaml.Node | None, Flaw | None]:
    """Return the node tree of a text that stands after so many lines."""
    try:
        return yaml.compose(text, Loader=_Loader), None
    except yaml.YAMLError as error:
        return None, _syntax_flaw(error, text, before)
    except RecursionError:
        return None, _too_deep(before + 1)
    except ValueError as error:
        return None, Flaw(before + 1, "", f"{type(error).__name__} while reading.")


def _syntax_flaw(error: yaml.YAMLError, text: str, before: int) -> Flaw:
    mark, position = getattr(error, "problem_mark", None), getattr(error, "position", None)
    line = mark.line if mark is not None else text.count("\n", 0, position) if isinstance(position, int) else 0
    words = [str(part) for part in (getattr(error, "context", None), getattr(error, "problem", None)) if part]
    message = ", ".join(words) or next(iter(str(error).splitlines()), "")
    if "maximum nesting depth" in message:
        return _too_deep(before + line + 1)
    return Flaw(before + line + 1, "", message)


class _TooMuch(ValueError):
    """The document is larger or deeper than any of ours can be."""

    def __init__(self, reason: Why, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class _Builder:
    """Builds the value of a document from its nodes."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._seen: set[int] = set()
        self._repeated = 0
        self._depth = 0

    def build(self, node: yaml.Node, path: tuple[Part, ...]) -> Any:
        """Return the JSON value of a node.

        Raises:
            _TooMuch: too many repeated nodes, or too deep.
        """
        self._repeated += id(node) in self._seen
        self._seen.add(id(node))
        if self._repeated > REPEATED_MAX:
            raise _TooMuch(Why.TooManyAliases, f"At most {REPEATED_MAX} nodes may be repeated.")
        if self._depth > DEPTH_MAX:  # not the path's length: a merge goes deeper at the same place
            raise _TooMuch(Why.TooDeep, f"At most {DEPTH_MAX} levels are read.")
        self._depth += 1
        try:
            return self._built(node, path)
        finally:
            self._depth -= 1

    def _built(self, node: yaml.Node, path: tuple[Part, ...]) -> Any:
        if isinstance(node, yaml.MappingNode):
            self._mind_tag(node, "map", path)
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            self._mind_tag(node, "seq", path)
            return [self.build(child, (*path, index)) for index, child in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: tuple[Part, ...]) -> dict[str, Any]:
        value: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, child in node.value:
            if key_node.tag == f"{_TAG}merge":
                self._merge(child, path, merged)
                continue
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else "?"
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag == f"{_TAG}null":
                self._flaw(key_node, path, "", Why.InvalidKey)
                continue
            key = _whole(key, path, self._document)
            if key in value:
                self._document.flaws.append(_repeated(key, path, self._line(key_node)))
            value[key] = self.build(child, (*path, key))
        for key, item in merged.items():
            value.setdefault(key, item)
        return value

    def _merge(self, node: yaml.Node, path: tuple[Part, ...], merged: dict[str, Any]) -> None:
        """Take in what ``<<`` names: the first one that has a key gives it."""
        for source in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            if isinstance(source, yaml.MappingNode):
                for key, item in self.build(source, path).items():
                    merged.setdefault(key, item)
            else:
                self._flaw(source, path, "<< takes an object, or a list of objects.", Why.SyntaxError)

    def _scalar(self, node: yaml.Node, path: tuple[Part, ...]) -> Any:
        text, tag = node.value, node.tag
        if tag in _TEXT_TAGS:
            return _whole(text, path, self._document)
        if tag == f"{_TAG}null":
            return None
        if tag == f"{_TAG}bool" and text.lower() in _TRUE | _FALSE:
            return text.lower() in _TRUE
        if tag == f"{_TAG}int" and _INTEGER.match(text):
            return self._number(node, path, _integer)
        if tag == f"{_TAG}float" and _FLOAT.match(text):
            return self._number(node, path, _float)
        self._flaw(node, path, _of_tag(tag), Why.WrongTag)
        return None

    def _number(self, node: yaml.Node, path: tuple[Part, ...], read: Callable[[str], float | None]) -> float | str | None:
        try:
            number = read(node.value.replace("_", ""))
        except ValueError:  # 0x_ looks like a number and is none
            return str(node.value)
        if number is None:
            self._flaw(node, path, "", Why.ImpossibleNumber)
        return number

    def _mind_tag(self, node: yaml.Node, usual: str, path: tuple[Part, ...]) -> None:
        if node.tag not in (_TAG + usual, "!"):
            self._flaw(node, path, _of_tag(node.tag), Why.WrongTag)

    def _flaw(self, node: yaml.Node, path: tuple[Part, ...], message: str, reason: Why) -> None:
        self._document.flaws.append(Flaw(self._line(node), field_path(path), message, reason))

    def _line(self, node: yaml.Node) -> int:
        return self._document.before + int(node.start_mark.line) + 1


def _of_tag(tag: str) -> str:
    return f"The tag is {tag.replace(_TAG, '!!')}."


def _bounded(digits: str, read: Callable[[str], int]) -> int | None:
    """Return the integer; None where it has more than 64 bit."""
    number = read(digits) if len(digits) <= _DIGITS_MAX else None
    return number if number is not None and INTEGER_MIN <= number <= INTEGER_MAX else None


def _integer(digits: str) -> int | None:
    is_octal = re.fullmatch(r"[-+]?0[0-7]+", digits) is not None
    return _bounded(digits, lambda text: int(text, 8 if is_octal else 0))


def _float(digits: str) -> float | None:
    number = float(digits.replace(".", "", 1) if digits.lstrip("+-")[1:].isalpha() else digits)
    return number if math.isfinite(number) else None
