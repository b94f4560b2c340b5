"""ExaBGP's syntax as values: the only place that writes a brace, a semicolon, a quotation mark, a bracket or a line break.

    Phrase         words with single spaces between them; a command is one
    Statement      phrase;
    Section        phrase { statements and sections }

A configuration can name a program to run, so a text that ended its statement would be a way into the engine's container. Therefore
nothing is quoted or escaped here: a word has a closed alphabet, in which no character means anything to ExaBGP's tokeniser
(``configuration/core/format.py`` of 5.0.15: white space , [ ] ; { } # ' " and backslash), and no other text can be put into a tree.

Rules of this file: strings go in by ``Phrase`` and its siblings only; what cannot be written raises, and the message never has the value.
"""

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Self

from baremetal_lb.model.bgp import Community, LargeCommunity
from baremetal_lb.model.net import IPAddress
from baremetal_lb.model.reasons import InvariantViolation
from baremetal_lb.model.text import Alphabet

_WORD = re.compile(r"[A-Za-z0-9_.:@/+=-]{1,4096}", re.ASCII)
Value = str | int | IPAddress | IPv4Network | IPv6Network | Community | LargeCommunity
"""What can be a word: a number, an address, a prefix, a community; or a text of ours, or one that was looked at by ``name``."""


class Unwritable(InvariantViolation):
    """A value is outside the alphabet of words; earlier gates should have refused it. Costs the one session or route that has it."""


class Phrase(str):
    """Words of ExaBGP. Cannot have a line break, nor anything that ends a statement."""

    __slots__ = ()

    def __new__(cls, *values: "Value | Phrase") -> Self:
        """Put words and phrases in a row.

        Raises:
            Unwritable: one of them is no word.
        """
        return super().__new__(cls, " ".join(value if isinstance(value, Phrase) else _word(value) for value in values))


def listed(values: Iterable[Value]) -> Phrase:
    """Return ``[ a b ]``."""
    return _verbatim(f"[ {Phrase(*values)} ]")


def alternatives(phrases: Iterable[Phrase]) -> Phrase:
    """Return ``a , b``."""
    return _verbatim(" , ".join(map(Phrase, phrases)))


def name(value: str, alphabet: Alphabet, what: str) -> Phrase:
    """Return a text that strangers chose, as one word; ``what`` it is, for the message.

    Raises:
        Unwritable: it is outside its alphabet.
    """
    if not isinstance(value, str) or not alphabet.admits(value):
        raise Unwritable(what)
    return Phrase(value)


def in_base64(value: str, alphabet: Alphabet, what: str) -> Phrase:
    """Return a text that strangers chose in base64 and quotation marks, so that no character of it stands in the file.

    Raises:
        Unwritable: it is outside its alphabet.
    """
    if not isinstance(value, str) or not alphabet.admits(value):
        raise Unwritable(what)
    return _verbatim(f'"{_word(base64.b64encode(value.encode()).decode())}"')


@dataclass(frozen=True, slots=True)
class Statement:
    """``phrase;``"""  # noqa: D400, D415  # it ends as a statement does

    phrase: Phrase

    def __post_init__(self) -> None:
        _require(self.phrase)


@dataclass(frozen=True, slots=True)
class Section:
    """``phrase { body }``."""

    phrase: Phrase
    body: tuple["Statement | Section", ...]

    def __post_init__(self) -> None:
        _require(self.phrase)


Node = Statement | Section


def text_of(sections: Iterable[Section]) -> str:
    """Return the file."""
    return "\n".join("".join(f"{line}\n" for line in _lines(section, "")) for section in sections)


def _lines(node: Node, indent: str) -> Iterable[str]:
    match node:
        case Statement(phrase):
            yield f"{indent}{phrase};"
        case Section(phrase, body):
            yield f"{indent}{phrase} {{"
            for child in body:
                yield from _lines(child, indent + "    ")
            yield f"{indent}}}"


def _word(value: object) -> str:
    text = str(value)
    if _WORD.fullmatch(text) is None:
        raise Unwritable(type(value).__name__)
    return text


def _verbatim(text: str) -> Phrase:
    """Return a phrase of checked words with this file's own marks in it."""
    return str.__new__(Phrase, text)


def _require(phrase: object) -> None:
    if not isinstance(phrase, Phrase):
        raise Unwritable(type(phrase).__name__)
