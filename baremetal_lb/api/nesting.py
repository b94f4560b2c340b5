"""How deep data nest, told without recursion."""

from collections.abc import Callable, Mapping
from typing import Any


def nests_deeper(data: object, depth: int, *, through: Callable[[Any], Any] = lambda value: value) -> bool:
    """Tell whether the data nest deeper than so many levels, without looking deeper than that; ``through`` unwraps each value."""
    level: list[Any] = [data]
    for _ in range(depth):
        level = [
            child
            for item in level
            for each in (item.values() if isinstance(item, Mapping) else item if isinstance(item, list) else ())
            if isinstance(child := through(each), Mapping | list)
        ]
        if not level:
            return False
    return True
