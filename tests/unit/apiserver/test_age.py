"""Ages in tables."""

import pytest

from baremetal_lb.apiserver.age import format_age
from baremetal_lb.model.time import HOUR, MINUTE, SECOND

DAY = 24 * HOUR


@pytest.mark.parametrize(
    ("age", "text"),
    [
        (-SECOND, "0s"),
        (119 * SECOND, "119s"),
        (2 * MINUTE, "2m"),
        (3 * MINUTE + 5 * SECOND, "3m5s"),
        (45 * MINUTE, "45m"),
        (3 * HOUR + 20 * MINUTE, "3h20m"),
        (30 * HOUR, "30h"),
        (3 * DAY + 4 * HOUR, "3d4h"),
        (40 * DAY, "40d"),
        (800 * DAY, "2y70d"),
    ],
)
def test_ages_are_written_as_kubectl_does(age: int, text: str) -> None:
    assert format_age(age) == text
