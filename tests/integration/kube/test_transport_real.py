"""The transport against the real API server: credentials, errors as values, versions, RBAC, and the audit log of the fixture."""

import json

import pytest

from baremetal_lb.kube.errors import ApiError
from baremetal_lb.kube.resources import SERVICES
from baremetal_lb.kube.transport import Transport

pytestmark = pytest.mark.kube


async def test_a_kubeconfig_is_all_that_is_needed(kube_server, kube_namespace):
    async with Transport(kube_server.kubeconfig("admin")) as transport:
        version = await transport.check_version()
        assert (version.major, version.minor) == (1, 37)
        listed = json.loads(await transport.request("GET", SERVICES.path(kube_namespace)))
        assert listed["items"] == []
        assert transport.requests == {("GET", "200"): 2}


async def test_refusals_carry_status_reason_and_message(kube_server, kube_namespace):
    async with Transport(kube_server.kubeconfig("nobody")) as transport:
        with pytest.raises(ApiError) as caught:
            await transport.request("GET", SERVICES.path(kube_namespace))
    assert (caught.value.status, caught.value.reason) == (403, "Forbidden")
    assert 'User "nobody" cannot list resource "services"' in caught.value.message


async def test_a_missing_object_and_an_existing_one_are_told_apart(kube_server, kube_namespace):
    path = SERVICES.path(kube_namespace)
    manifest = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"ports": [{"port": 80}]}}
    async with Transport(kube_server.kubeconfig("admin")) as transport:
        with pytest.raises(ApiError) as missing:
            await transport.request("GET", f"{path}/a")
        created = json.loads(await transport.request("POST", path, body=manifest))
        with pytest.raises(ApiError) as twice:
            await transport.request("POST", path, body=manifest)
        created["metadata"]["resourceVersion"] = "1"
        with pytest.raises(ApiError) as stale:
            await transport.request("PUT", f"{path}/a", body=created)
    assert missing.value.is_not_found
    assert (twice.value.already_exists, twice.value.is_conflict) == (True, False)
    assert (stale.value.already_exists, stale.value.is_conflict) == (False, True)


async def test_a_wrong_token_is_refused(kube_server):
    kubeconfig = kube_server.work / "wrong.kubeconfig"
    text = kube_server.kubeconfig("nobody").read_text().replace(kube_server.token("nobody"), "wrong")
    kubeconfig.write_text(text)
    async with Transport(kubeconfig) as transport:
        with pytest.raises(ApiError) as caught:
            await transport.request("GET", "/api/v1/nodes")
    assert caught.value.status == 401


async def test_granted_rights_and_the_audit_log_are_by_user(kube_server, kube_namespace):
    kube_server.grant("person", [{"apiGroups": [""], "resources": ["services"], "verbs": ["list", "create"]}])
    mark = kube_server.audit_mark()
    path = SERVICES.path(kube_namespace)
    async with Transport(kube_server.kubeconfig("person")) as transport:
        await transport.request("GET", path)
        await transport.request("POST", path, body={"metadata": {"name": "b"}, "spec": {"ports": [{"port": 80}]}})
    seen = [(e.verb, e.resource, e.namespace, e.name, e.code) for e in kube_server.audit(user="person", since=mark)]
    assert seen == [("list", "services", kube_namespace, "", 200), ("create", "services", kube_namespace, "b", 201)]
    assert kube_server.writes(user="person", since=mark) == {("create", "services"): 1}
    assert kube_server.writes(user="nobody", since=mark) == {}
