"""Chance for worlds: a few oddities at a time, each then often, so that most of a world works and what is odd meets what is usual.

Were every oddity drawn with a small chance everywhere, nearly each Service would have one that keeps it from having an IP at all.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

from hypothesis import strategies as st

T = TypeVar("T")
U = TypeVar("U")


class Chance:
    """What one world draws from. ``oddities`` are the names that ``odd`` is asked for."""

    def __init__(self, draw: st.DrawFn, oddities: Sequence[str]) -> None:
        self._draw = draw
        self.on = frozenset().union(*(draw(st.sets(st.sampled_from(oddities), max_size=8)) for _ in range(3)))
        """A dozen as a rule, and none in the simplest world: one set alone would be small as a rule."""

    def one(self, *values: Any) -> Any:
        """Return any of these; the first is the simplest."""
        return self._draw(st.sampled_from(values))

    def some(self, values: Sequence[T], *, least: int = 0, most: int) -> list[T]:
        """Return a few of these, none twice, in any order."""
        return self._draw(st.lists(st.sampled_from(values), min_size=min(least, len(values)), max_size=most, unique=True))

    def odd(self, name: str, usual: T, *values: U) -> T | U:
        """Return what is usual, and in worlds with this oddity also one of the values."""
        drawn: T | U = self.one(usual, *values) if name in self.on else usual
        return drawn
