"""What YAML's plain scalars mean to Kubernetes: one set of rules for those who read and those who write. Pure.

As kubectl reads them (sigs.k8s.io/yaml): underscores in numbers are nothing, integers have Go's prefixes (``0x``, ``0b``, ``0o``, ``0``),
``y`` and ``off`` are booleans, ``64512:30`` and timestamps are texts. What has a number's form is one whatever its size.

No pattern can take a part of a text in two ways, so that each takes time as the text is long.
"""

import re

TAG = "tag:yaml.org,2002:"
INTEGER = re.compile(r"(?:[-+]_*)?(?:0_*[bB][01_]+|0_*[oO][0-7_]+|0_*[xX][0-9a-fA-F_]+|0[0-7_]*|[1-9][0-9_]*)\Z")
_EXPONENT = r"(?:[eE]_*(?:[-+]_*)?[0-9][0-9_]*)?"
FLOAT = re.compile(
    rf"(?:(?:[-+]_*)?[0-9][0-9_]*(?:\.[0-9_]*)?{_EXPONENT}"
    rf"|[-+]_*\._*[0-9][0-9_]*{_EXPONENT}"
    r"|\.[0-9]+(?:_[0-9]+)*(?:[eE][-+]?[0-9]+(?:_[0-9]+)*)?"  # without a sign in front, Go reads it by other rules
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
)
TRUE, FALSE = frozenset({"true", "yes", "on", "y"}), frozenset({"false", "no", "off", "n"})
_BOOLEAN = re.compile(r"(?:true|True|TRUE|false|False|FALSE|yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF|[yYnN])\Z")
RESOLVERS = (
    (f"{TAG}bool", _BOOLEAN, "yYnNtTfFoO"),
    (f"{TAG}int", INTEGER, "-+0123456789"),
    (f"{TAG}float", FLOAT, "-+0123456789."),
    (f"{TAG}null", re.compile(r"(?:~|null|Null|NULL|)\Z"), ("~", "n", "N", "")),
    (f"{TAG}merge", re.compile(r"<<\Z"), "<"),
)
"""Tag, pattern and first characters of the plain scalars that are no texts, as PyYAML's loaders take them."""


def is_text(scalar: str) -> bool:
    """Tell whether a plain scalar is a text."""
    return not any(pattern.match(scalar) for _, pattern, _ in RESOLVERS)
