"""Which lost requests a move explains: those that were under way at it, and no other."""

import pytest

from tests.support.kind_outside import Answers
from tests.support.kind_traffic import Stream

RESET, TIMED_OUT, REFUSED = "ConnectionResetError: reset", "TimeoutError: timed out", "ConnectionRefusedError: refused"
ANSWERED = {"at": 1.0, "took": 0.5, "pod": "a"}


@pytest.mark.parametrize(
    ("error", "at", "took", "is_explained"),
    [
        (RESET, 9.9, 0.2, True),
        pytest.param(RESET, 9.5, 0.2, True, id="we heard of the move after the client"),
        (RESET, 10.1, 0.2, False),
        (RESET, 8.0, 0.2, False),
        (TIMED_OUT, 9.9, 3.0, True),
        pytest.param(TIMED_OUT, 8.0, 3.0, False, id="a connection would have been answered long before"),
        (REFUSED, 9.9, 0.2, False),
    ],
)
def test_a_move_explains_what_was_under_way(error: str, at: float, took: float, *, is_explained: bool):
    lost = {"at": at, "took": took, "error": error}
    assert Stream(Answers((ANSWERED, lost)), (10.0,)).unexplained() == ([] if is_explained else [lost])
