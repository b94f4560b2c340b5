"""Texts that are copied into something else: a configuration of another program, a command, a socket option, the name of a file.

Each kind of them has a closed alphabet, which stands here once: the schema of the CRDs has it as a pattern, ``compile`` refuses what is
outside with a reason, and whoever writes the text down looks once more. What is not in an alphabet needs no quoting, so nothing quotes.
"""

import re
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Alphabet:
    """Which texts a kind has."""

    expression: str
    """In the syntax that RE2, Python and the API server share; without anchors, for the whole text."""
    longest: int
    """Characters, all of ASCII: octets too."""
    sentence: str
    """What people read who wrote another one."""
    _compiled: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_compiled", re.compile(self.expression, re.ASCII))

    def admits(self, text: str) -> bool:
        """Tell whether the text is one of them; the empty one never is."""
        return 0 < len(text) <= self.longest and self._compiled.fullmatch(text) is not None

    @property
    def pattern(self) -> str:
        """The pattern for a schema."""
        return f"^{self.expression}$"

    @property
    def optional_pattern(self) -> str:
        """The pattern for a schema where the empty text means that there is none."""
        return f"^({self.expression})?$"


INTERFACE_NAME = Alphabet(
    "[A-Za-z0-9_][A-Za-z0-9_.:@-]{0,14}",
    15,
    "A network interface is called by 1 to 15 letters, digits, and _ . : @ -, of which the first is a letter, a digit or _.",
)
"""A link, or a VRF device. The kernel itself refuses white space, '/', '.', '..' and more than 15 octets (dev_valid_name), and takes much
that no node was seen to have."""
PASSWORD = Alphabet("[ -~]{1,80}", 80, "A password has 1 to 80 printable characters of ASCII.")
"""Of TCP MD5: what routers let people type, and as long as the kernel takes (TCP_MD5SIG_MAXKEYLEN)."""
OBJECT_NAME = Alphabet(
    r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*",
    253,
    "Lower-case letters, digits, - and . are allowed.",
)
"""RFC 1123 subdomain."""
