"""The transport against small servers that misbehave; no cluster is needed."""

import asyncio
import socket

import pytest
from aiohttp import web

from baremetal_lb.kube.errors import LONGEST_RETRY_AFTER_S, ApiError, KubeconfigError, Unreachable, UnsupportedServer
from baremetal_lb.kube.transport import Transport
from tests.support.web import serving


async def fails(handler, **options):
    async with serving(handler) as url, Transport(url=url) as transport:
        with pytest.raises((ApiError, Unreachable)) as caught:
            await transport.request("GET", "/x", **options)
        return caught.value, transport


@pytest.mark.parametrize(
    ("header", "wait_s"), [("3", 3.0), ("0", 0.0), ("-1", 0.0), ("soon", None), ("1e9", LONGEST_RETRY_AFTER_S), (None, None)]
)
async def test_retry_after_is_read_and_bounded(header, wait_s):
    async def answer(_request):
        return web.Response(status=429, text="busy", headers={} if header is None else {"Retry-After": header})

    error, transport = await fails(answer)
    assert (error.status, error.reason, error.message, error.retry_after_s) == (429, "Too Many Requests", "busy", wait_s)
    assert transport.requests == {("GET", "429"): 1}


async def test_retry_after_seconds_of_a_status_count_too():
    async def answer(_request):
        return web.json_response(
            {"kind": "Status", "reason": "TooManyRequests", "message": "m", "details": {"retryAfterSeconds": 2}}, status=429
        )

    error, _ = await fails(answer)
    assert (error.reason, error.message, error.retry_after_s) == ("TooManyRequests", "m", 2.0)


async def test_an_html_page_of_a_proxy_is_an_error_with_its_first_words():
    async def answer(_request):
        return web.Response(status=502, text="<html>\n" + "bad gateway " * 1000, content_type="text/html")

    error, _ = await fails(answer)
    assert error.status == 502
    assert error.message.startswith("<html> bad gateway")
    assert len(error.message) <= 300


async def test_a_server_that_never_answers_costs_the_total_timeout():
    async def answer(request):
        await request.content.read()
        await asyncio.Event().wait()

    error, _ = await fails(answer, total_s=0.2)
    assert isinstance(error, Unreachable)
    assert error.was_sent


async def test_a_connection_that_breaks_off_is_unreachable():
    async def answer(request):
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"half")
        request.transport.abort()
        return response

    error, _ = await fails(answer)
    assert isinstance(error, Unreachable)
    assert error.was_sent


async def test_nobody_listening_means_surely_not_sent():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        async with Transport(url=f"http://127.0.0.1:{taken.getsockname()[1]}") as transport:
            with pytest.raises(Unreachable) as caught:
                await transport.request("POST", "/x", body={})
    assert not caught.value.was_sent


@pytest.mark.parametrize(
    ("version", "sentence"),
    [
        ({"major": "1", "minor": "30", "gitVersion": "v1.30.4"}, "Kubernetes v1.30.4; baremetal-lb needs 1.31 or newer"),
        ({"major": "1", "minor": "9+"}, "Kubernetes 1.9; baremetal-lb needs 1.31 or newer"),
        ({"major": "one", "minor": "31"}, "does not tell its version"),
        ({"hello": "world"}, "does not tell its version"),
    ],
    ids=["old", "old-with-plus", "not-a-number", "no-api-server"],
)
async def test_a_server_that_is_too_old_is_refused_with_a_sentence(version, sentence):
    async def answer(_request):
        return web.json_response(version)

    async with serving(answer) as url, Transport(url=url) as transport:
        with pytest.raises(UnsupportedServer, match=sentence):
            await transport.check_version()


@pytest.mark.parametrize("minor", ["31", "31+", "37"])
async def test_a_new_enough_server_is_accepted(minor):
    async def answer(_request):
        return web.json_response({"major": "1", "minor": minor})

    async with serving(answer) as url, Transport(url=url) as transport:
        assert (await transport.check_version()).minor == int(minor.rstrip("+"))


@pytest.mark.parametrize(
    "text", [None, "", "[]", "a: [", "clusters: 3", "current-context: x\ncontexts: []", "apiVersion: v1\nkind: Config\n"], ids=repr
)
async def test_a_kubeconfig_that_cannot_be_used_says_so(tmp_path, text):
    path = tmp_path / "config"
    if text is not None:
        path.write_text(text)
    with pytest.raises(KubeconfigError, match=str(path)):
        async with Transport(path):
            pass


async def test_outside_a_cluster_there_are_no_in_cluster_credentials(monkeypatch):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(KubeconfigError, match="in-cluster"):
        async with Transport():
            pass


async def test_a_proxy_of_the_environment_is_not_asked_for_loopback(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)

    async def answer(_request):
        return web.Response(text="here")

    async with serving(answer) as url, Transport(url=url) as transport:
        assert await transport.request("GET", "/x") == b"here"


async def test_the_token_and_the_query_arrive():
    async def answer(request):
        return web.json_response([request.headers["Authorization"], dict(request.query)])

    async with serving(answer) as url, Transport(url=url, token="secret") as transport:
        said = await transport.request("GET", "/x", [("labelSelector", "a/b in (c,d),e!=f+g"), ("continue", "x=&y")])
    assert said == b'["Bearer secret", {"labelSelector": "a/b in (c,d),e!=f+g", "continue": "x=&y"}]'
