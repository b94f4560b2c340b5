"""Text of strangers as a terminal may show it: what would steer the terminal, or be seen by nobody, is written out. Pure.

Names, annotations and messages of API objects are written by whoever may create a Service. On a terminal an escape sequence among them
clears the screen or renames its window, a bidirectional control shows one IP as another, and a line break makes a line that we never said.

Written out are Unicode's control (Cc), format (Cf: bidirectional controls, zero-width characters), surrogate (Cs), private-use (Co) and
unassigned (Cn) characters and its line and paragraph separators (Zl, Zp). Letters of all scripts and spaces stay.
"""

import unicodedata

_WRITTEN_OUT = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def visible(text: str) -> str:
    r"""Return the text as one line that shows all that is in it: an escape character as ``\x1b``, a line break as ``\n``."""
    return text if text.isprintable() else "".join(map(_shown, text))


def visible_lines(text: str) -> str:
    r"""Return the text with all of it shown, and its line breaks (``\n``) as they are: for text whose lines are our own."""
    return "\n".join(map(visible, text.split("\n")))


def is_shown_as_it_is(character: str) -> bool:
    """Tell whether a character is a letter, mark, number, sign or space, and not one to write out."""
    return unicodedata.category(character) not in _WRITTEN_OUT


def _shown(character: str) -> str:
    if is_shown_as_it_is(character):
        return character
    number = ord(character)
    long = f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
    return _SHORT.get(character, long)
