"""Paths of the API."""

import pytest

from baremetal_lb.kube.resources import SERVICES


@pytest.mark.parametrize("name", ["../../pods", "a/b", "a?watch=1", "a#b", "a b", "a\n", "ä"])
def test_a_name_that_is_none_leads_to_no_other_path(name: str):
    path = SERVICES.path("shop", name)
    assert path.startswith("/api/v1/namespaces/shop/services/")
    assert path.count("/") == SERVICES.path("shop", "web").count("/")
    assert path.isascii()
    assert not set("?# \n") & set(path)
