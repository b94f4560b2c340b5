"""Text of strangers as a terminal may show it: what would steer the terminal, or be seen by nobody, is written out. Pure.

Names, annotations and messages of API objects are written by whoever may create a Service. On a terminal an escape sequence among them
clears the screen or renames its window, a bidirectional control shows one IP as another, and a line break makes a line that we never said.

Written out are Unicode's control (Cc), format (Cf: bidirectional controls, zero-width characters), surrogate (Cs), private-use (Co) and
unassigned (Cn) characters and its line and paragraph separators (Zl, Zp), and the few letters, marks and signs that show nothing.
All other letters of all scripts stay, and so do spaces.
"""

import re
import unicodedata

_WRITTEN_OUT = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_BLANK = re.compile(
    "["
    "\u115f\u1160\u3164\uffa0"  # fillers in place of a letter of Hangul: letters (Lo), and blank
    "\u2800"  # Braille's cell without dots: a sign (So), and blank
    "\u034f"  # combining grapheme joiner: only tells how texts are sorted
    "\u17b4\u17b5"  # Khmer's inherent vowels, which nobody writes
    "\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef"  # variation selectors: they ask for another form of what is before them
    "]"
)
"""What has a category of letters, marks or signs, and is seen by nobody: two names that differ in it only look the same. Unicode calls it
Default_Ignorable_Code_Point, but for Braille's; the format characters among those go by their category."""
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def visible(text: str) -> str:
    r"""Return the text as one line that shows all that is in it: an escape character as ``\x1b``, a line break as ``\n``."""
    return text if text.isprintable() and _BLANK.search(text) is None else "".join(map(_shown, text))


def visible_lines(text: str) -> str:
    r"""Return the text with all of it shown, and its line breaks (``\n``) as they are: for text whose lines are our own."""
    return "\n".join(map(visible, text.split("\n")))


def is_shown_as_it_is(character: str) -> bool:
    """Tell whether a character is a letter, mark, number, sign or space, and not one to write out."""
    return unicodedata.category(character) not in _WRITTEN_OUT and _BLANK.match(character) is None


def _shown(character: str) -> str:
    if is_shown_as_it_is(character):
        return character
    number = ord(character)
    long = f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
    return _SHORT.get(character, long)
