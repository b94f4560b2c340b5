"""Tables: rows of texts in kubectl's look, whole where they fit, folded where not, and never taken for markup."""

import pytest
from rich.console import Console

from baremetal_lb.cli.output import make_table


def printed(width):
    table = make_table("NAME", "IP", "WHY NOT")
    table.add_row("web", "198.51.100.1", "")
    table.add_row("größe-東京", "none", "[red]no pool")
    console = Console(width=width, highlight=False)
    with console.capture() as captured:
        console.print(table, markup=False)
    return captured.get().splitlines()


def test_a_table_is_as_wide_as_it_needs_and_has_no_blanks_at_the_end():
    assert printed(80) == [
        "NAME        IP            WHY NOT",
        "web         198.51.100.1",
        "größe-東京  none          [red]no pool",
    ]


@pytest.mark.parametrize("width", [20, 30])
def test_where_a_table_does_not_fit_nothing_of_it_is_lost(width):
    lines = printed(width)
    assert all(len(line) <= width for line in lines)
    assert sorted("".join("".join(lines).split())) == sorted("".join("".join(printed(80)).split()))
