"""BGP communities as people write them (RFC 1997 ``A:B``, RFC 8092 ``large:A:B:C``), and the Community kind that names them.

Not implemented: extended communities, well-known names.
"""

from dataclasses import dataclass

from baremetal_lb.api.bgp import CommunitySpec
from baremetal_lb.api.faults import Fault
from baremetal_lb.api.frame import Item
from baremetal_lb.api.reasons import ConfigurationReason as Why

BGPCommunity = tuple[int, ...]
"""Two numbers of 16 bit, or three of 32 bit (large)."""


class InvalidForm(ValueError):
    """The text has not the form of a community; it may be an alias."""


def parse_community(text: str) -> BGPCommunity:
    """Parse a community.

    Raises:
        InvalidForm: it is neither ``A:B`` nor ``large:A:B:C``.
        ValueError: a number is none or does not fit.
    """
    parts = text.split(":")
    if len(parts) == 2:
        numbers, bits = parts, 16
    elif len(parts) == 4 and parts[0] == "large":
        numbers, bits = parts[1:], 32
    elif len(parts) == 4:
        raise ValueError(f"{text!r} has four parts, so the first one must be large")
    else:
        raise InvalidForm(f"{text!r} is neither A:B nor large:A:B:C")
    for number in numbers:
        if not (number.isascii() and number.isdigit() and len(number) <= 10 and int(number) < 1 << bits):
            raise ValueError(f"{number!r} in {text!r} is no number of {bits} bit")
    return tuple(int(number) for number in numbers)


@dataclass(frozen=True, slots=True)
class Aliases:
    """What one Community object defines, in its order."""

    entries: tuple[tuple[str, BGPCommunity], ...]


def compile_community(item: Item, spec: CommunitySpec) -> tuple[Aliases, list[Fault]]:  # noqa: ARG001  # one signature for all kinds
    """Compile one Community object by itself."""
    faults: list[Fault] = []
    entries: dict[str, BGPCommunity] = {}
    for index, alias in enumerate(spec.communities or ()):
        field = f"spec.communities[{index}]"
        if alias.name in entries:
            faults.append(Fault(f"{field}.name", Why.DuplicateCommunity, f"duplicate definition of community {alias.name!r}."))
            continue
        try:
            entries[alias.name] = parse_community(alias.value)
        except ValueError as error:
            faults.append(Fault(f"{field}.value", Why.InvalidCommunity, f"{error}."))
    return Aliases(tuple(entries.items())), faults


class AliasClaims:
    """Names of communities that are taken; a name has one meaning in the whole install."""

    def __init__(self) -> None:
        self.values: dict[str, BGPCommunity] = {}
        self._owners: dict[str, str] = {}

    def faults(self, item: Item, value: Aliases, *, is_incumbent: bool) -> list[Fault]:  # noqa: ARG002  # see precedence.Claims
        """Return the names that another object has defined."""
        return [
            Fault(
                f"spec.communities[{index}].name",
                Why.DuplicateCommunity,
                f"duplicate definition of community {name!r}, which {self._owners[name]} defines.",
            )
            for index, (name, _) in enumerate(value.entries)
            if name in self._owners
        ]

    def add(self, item: Item, value: Aliases) -> None:
        """Take the names."""
        self.values.update(value.entries)
        self._owners.update(dict.fromkeys((name for name, _ in value.entries), item.name))

    def remove(self, item: Item, value: Aliases) -> None:  # noqa: ARG002  # see precedence.Claims
        """Give them up."""
        for name, _ in value.entries:
            del self.values[name], self._owners[name]
