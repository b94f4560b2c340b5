"""YAML as Kubernetes reads it, with the line of every field.

Differences from what PyYAML does by default, each because kubectl's reader does otherwise:
* plain scalars mean what :mod:`baremetal_lb.api.yaml_scalars` says: timestamps are texts, and so is ``64512:30``;
* a key given twice is a fault, not the last one's luck;
* documents are split at lines of ``---`` before they are parsed, so that a broken one hides no other.

Values are built from the node tree, within bounds: aliases that grow a small file to a huge one, or contain themselves, are a fault, and
so are tags, keys and numbers that no JSON has. The work is linear in the text: each document is read from its own first line on, each
mapping is indexed once when somebody asks for lines in it, a scalar that aliases repeat is looked at once, and of the faults of a document
as many are told as somebody reads, each at a place that is no longer than such places are.
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
from baremetal_lb.api.yaml_scalars import FALSE, FLOAT, INTEGER, RESOLVERS, TAG, TRUE

REPEATED_MAX = 100_000
"""Nodes of one document that aliases repeat."""
DEPTH_MAX = 100
"""Nesting of one document; Kubernetes' deepest objects have a third of it."""
FLAWS_MAX = 100
"""Faults of one document that are told one by one."""
PART_MAX = 320
"""Characters of a key, or a tag, in what is said of it; the longest key that Kubernetes takes, a label's, has 317."""
DIRECTIVES_MAX, DIRECTIVE_MAX = 10, 200
"""%TAG lines of one document, and characters of one: libyaml compares each with all others, and writes it out in each tag."""
INTEGER_MIN, INTEGER_MAX = -(2**63), 2**64 - 1
"""What Kubernetes' JSON reads as integers."""
_DIGITS_MAX = 80
"""Digits of an integer that are looked at: 64 bit, in base 2, with room for zeros in front."""
_BREAK = re.compile(r"^---(?=[ \t]|$)", re.MULTILINE)
_NEXT_TEXT = re.compile(r"\}\s*\{")
"""What is nowhere in one JSON text, but for its strings."""
_DIRECTIVE = re.compile(r"(?:\A|[\n\r\x85\u2028\u2029])(%TAG[^\n\r\x85\u2028\u2029]*)")
_VISIBLE = re.compile(r"\S")
_JSON = json.JSONDecoder(parse_int=str)  # only where a text ends is asked
_SURROGATE = re.compile(r"[\ud800-\udfff]")
"""In a text: an octet that is not UTF-8, see ``texts``. In a value: half of a character."""
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
_TEXT_TAGS = frozenset({f"{TAG}str", f"{TAG}timestamp", f"{TAG}merge", "!"})


try:
    from yaml import CSafeLoader as _Safe  # libyaml: ten times as fast
except ImportError:
    from yaml import SafeLoader as _Safe  # type: ignore[assignment]  # the same interface in Python


class _Loader(_Safe):
    """SafeLoader that resolves plain scalars as Kubernetes does; its own tables, since PyYAML's are shared."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in RESOLVERS:
    _Loader.add_implicit_resolver(_tag, _pattern, list(_first))


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
    untold: int = 0
    """Flaws beyond ``FLAWS_MAX``."""
    json_text: str | None = None
    """Text of a JSON document until somebody asks for a line: most never are, and these are the large ones."""
    indexes: dict[int, dict[str, tuple[yaml.Node, int]]] = field(default_factory=dict)
    """Children of the mappings in which somebody asked for lines, by the node's id."""

    def add_flaw(self, path: tuple[Part, ...], reason: Why, message: str = "", node: yaml.Node | None = None) -> None:
        """Add a flaw at a place, whose line is that of the node, if there is one."""
        if len(self.flaws) >= FLAWS_MAX:
            self.untold += 1
            return
        line = self.line_of(path) if node is None else self.before + int(node.start_mark.line) + 1
        self.flaws.append(Flaw(line, field_path(part if isinstance(part, int) else _short(part) for part in path), message, reason))

    def count_untold(self) -> None:
        """Say how many flaws there are beyond those that are told."""
        if self.untold:
            self.flaws.append(Flaw(self.line, "", f"There are {self.untold} more.", Why.MoreFaults))

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
                if isinstance(key, yaml.ScalarNode) and key.tag != f"{TAG}merge":
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
    document.count_untold()
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
        document.count_untold()
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
                document.add_flaw((*path, key), Why.DuplicateKey, _twice(key))
        else:
            document.add_flaw(path, value.reason)
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
    document.add_flaw(path, Why.BrokenCharacter)
    return _SURROGATE.sub("\ufffd", text)


def _short(text: str) -> str:
    """Return what is said of a key or a tag."""
    return _SURROGATE.sub("\ufffd", text if len(text) <= PART_MAX else text[: PART_MAX - 1] + "\u2026")


def _twice(key: str) -> str:
    return f"{_short(key)} is given twice."


def _too_deep(line: int) -> Flaw:
    return Flaw(line, "", f"At most {DEPTH_MAX} levels are read.", Why.TooDeep)


def _compose(text: str, before: int) -> tuple[yaml.Node | None, Flaw | None]:
    """Return the node tree of a text that stands after so many lines."""
    for number, found in enumerate(_DIRECTIVE.finditer(text), start=1):
        if number > DIRECTIVES_MAX or len(found[1]) > DIRECTIVE_MAX:
            line = before + text.count("\n", 0, found.start(1)) + 1
            limits = f"At most {DIRECTIVES_MAX} %TAG lines of {DIRECTIVE_MAX} characters are read."
            return None, Flaw(line, "", limits, Why.TooManyDirectives)
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
        self._scalars: dict[int, Any] = {}
        self._keys: dict[int, str] = {}
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
        if id(node) not in self._scalars:
            self._scalars[id(node)] = self._scalar(node, path)
        return self._scalars[id(node)]

    def _mapping(self, node: yaml.MappingNode, path: tuple[Part, ...]) -> dict[str, Any]:
        value: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, child in node.value:
            if key_node.tag == f"{TAG}merge":
                self._merge(child, path, merged)
                continue
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else "?"
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag == f"{TAG}null":
                self._document.add_flaw(path, Why.InvalidKey, node=key_node)
                continue
            if id(key_node) not in self._keys:
                self._keys[id(key_node)] = _whole(key, path, self._document)
            key = self._keys[id(key_node)]
            if key in value:
                self._document.add_flaw((*path, key), Why.DuplicateKey, _twice(key), key_node)
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
                self._document.add_flaw(path, Why.SyntaxError, "<< takes an object, or a list of objects.", source)

    def _scalar(self, node: yaml.Node, path: tuple[Part, ...]) -> Any:
        text, tag = node.value, node.tag
        if tag in _TEXT_TAGS:
            return _whole(text, path, self._document)
        if tag == f"{TAG}null":
            return None
        if tag == f"{TAG}bool" and text.lower() in TRUE | FALSE:
            return text.lower() in TRUE
        if tag == f"{TAG}int" and INTEGER.match(text):
            return self._number(node, path, _integer)
        if tag == f"{TAG}float" and FLOAT.match(text):
            return self._number(node, path, _float)
        self._document.add_flaw(path, Why.WrongTag, _of_tag(tag), node)
        return None

    def _number(self, node: yaml.Node, path: tuple[Part, ...], read: Callable[[str], float | None]) -> float | str | None:
        try:
            number = read(node.value.replace("_", ""))
        except ValueError:  # 0x_ looks like a number and is none
            return str(node.value)
        if number is None:
            self._document.add_flaw(path, Why.ImpossibleNumber, node=node)
        return number

    def _mind_tag(self, node: yaml.Node, usual: str, path: tuple[Part, ...]) -> None:
        if node.tag not in (TAG + usual, "!"):
            self._document.add_flaw(path, Why.WrongTag, _of_tag(node.tag), node)


def _of_tag(tag: str) -> str:
    return f"The tag is {_short(tag.replace(TAG, '!!'))}."


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
