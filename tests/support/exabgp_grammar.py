"""ExaBGP's configuration read back, by the rules of its own tokeniser (``configuration/core/format.py`` of 5.0.15), as a tree."""

from collections.abc import Iterator
from dataclasses import dataclass

ENDS, MARKS, SPACES, QUOTES = ";{}", ",[]", " \t\r\n", "\"'"


@dataclass(frozen=True)
class Node:
    """A statement (``body`` is None) or a section."""

    words: tuple[str, ...]
    body: tuple["Node", ...] | None = None


def tokens(text: str) -> list[str]:
    """Split a text as ExaBGP does: quotation marks join words and vanish, a backslash makes a plain character, # ends a line."""
    found: list[str] = []
    for line in text.split("\n"):
        word, quoted, characters = "", "", iter(line)
        for character in characters:
            if character == "\\":
                word += next(characters, "")
            elif quoted and character != quoted:
                word += character
            elif character in QUOTES:
                if quoted:
                    found.append("=" + word)
                    word = ""
                quoted = "" if quoted else character
            elif character == "#":
                break
            elif character in ENDS + MARKS + SPACES:
                found += ["=" + word] if word else []
                found += [character] if character not in SPACES else []
                word = ""
            else:
                word += character
        assert not word, f"a line ends within a word: {line!r}"
    return found


def parse(text: str) -> tuple[Node, ...]:
    """Return the sections of a file."""
    rest = iter(tokens(text))
    nodes, is_closed = _body(rest)
    assert not is_closed, "a brace closes nothing"
    return nodes


def _body(rest: Iterator[str]) -> tuple[tuple[Node, ...], bool]:
    nodes: list[Node] = []
    words: list[str] = []
    for token in rest:
        if token == ";":
            nodes.append(Node(tuple(words)))
            words = []
        elif token == "{":
            body, is_closed = _body(rest)
            assert is_closed, "a section without an end"
            nodes.append(Node(tuple(words), body))
            words = []
        elif token == "}":
            assert not words, f"words without an end: {words}"
            return tuple(nodes), True
        else:
            words.append(token.removeprefix("="))
    assert not words, f"words without an end: {words}"
    return tuple(nodes), False
