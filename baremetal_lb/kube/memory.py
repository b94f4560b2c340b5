"""Memory of a process that holds thousands of small objects for weeks.

Measured with 10 000 Services and 10 000 EndpointSlices: the cyclic collector took most of the time of decoding (views have no
cycles, yet each of its full passes walks all of them), and freed arenas stayed with the process until malloc_trim gave them back.
"""

import ctypes
import gc
from functools import cache

_YOUNG, _MIDDLE, _OLD = 50_000, 20, 100


def tune_collector() -> None:
    """Exempt what was imported from collection and collect rarely. Call it once, when everything is imported."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)


@cache
def _malloc_trim() -> "ctypes._FuncPointer | None":
    try:
        return ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return None  # not glibc


def trim() -> None:
    """Give free heap back to the system, where the C library can; takes a millisecond or so."""
    if (malloc_trim := _malloc_trim()) is not None:
        malloc_trim(0)
