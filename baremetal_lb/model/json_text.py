"""JSON that somebody else wrote: read, or refused with one exception, whatever it is.

msgspec refuses what the standard library lets through (NaN, numbers beyond a float, halves of characters), and each of the two has its
own way to fail for nesting without end.
"""

from typing import Any

import msgspec

UNDECODABLE = (msgspec.DecodeError, UnicodeError, RecursionError)
"""What msgspec raises for bytes and values that somebody else made; the last one for nesting without end."""
LONGEST_OBJECT = 8 << 20
"""Octets of one object of the API server: several times what it stores."""


class NotJSON(ValueError):
    """A text that is no JSON, is too long, or is not of the wanted form; the message says which."""


def decode_json(text: str | bytes, *, longest: int, type: Any = Any) -> Any:  # noqa: A002 - msgspec's word
    """Return the value of a text of at most ``longest`` characters (or octets), converted to a type.

    Raises:
        NotJSON: it has none.
    """
    if len(text) > longest:
        raise NotJSON(f"longer than {longest}")
    try:
        return msgspec.json.decode(text, type=type)
    except UNDECODABLE as error:
        raise NotJSON(str(error)) from None
