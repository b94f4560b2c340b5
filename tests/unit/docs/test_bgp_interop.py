"""The page on interoperability says what the tests do."""

from pathlib import Path

from tests.support.interop import table

PAGE = Path(__file__).parents[3] / "docs/reference/bgp-interop.md"


def test_the_matrix_of_the_page_is_that_of_the_tests():
    assert table() in PAGE.read_text()
