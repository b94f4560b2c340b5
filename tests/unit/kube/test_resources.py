"""Paths of the API."""

import pytest

from baremetal_lb.kube.errors import NoObjectName
from baremetal_lb.kube.resources import NODES, SERVICES


@pytest.mark.parametrize("name", ["../../pods", "a/b", "a?watch=1", "a#b", "a b", "a\n", "ä"])
def test_a_name_that_is_none_leads_to_no_other_path(name: str):
    path = SERVICES.path("shop", name)
    assert path.startswith("/api/v1/namespaces/shop/services/")
    assert path.count("/") == SERVICES.path("shop", "web").count("/")
    assert path.isascii()
    assert not set("?# \n") & set(path)


@pytest.mark.parametrize("step", [".", ".."])
def test_a_step_to_another_path_is_no_name_and_no_namespace(step: str):
    for resource, namespace, name in ((SERVICES, "shop", step), (SERVICES, step, "web"), (SERVICES, step, ""), (NODES, "", step)):
        with pytest.raises(NoObjectName, match="no object is called"):
            resource.path(namespace, name)
    assert SERVICES.path("a.b", "...") == "/api/v1/namespaces/a.b/services/..."
