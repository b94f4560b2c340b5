"""The process that keeps each node's nftables programme up to date (``--api embedded``; with ``--api kube`` the real kube-proxy does).

    API server --watch--> Services, EndpointSlices --render (service_rules)--> text per node --nft, if it differs--> node

One process serves all nodes, as it can enter each one's namespace. A change is applied within a few hundredths of a second. While the
API server is away, the last programmes stay in the kernel, and they stay when this process dies::

    python -m baremetal_lb.lab.service_proxy KUBECONFIG LAB NODE_COUNT
"""

import asyncio
import sys
from contextlib import suppress
from typing import Annotated, Literal, TypeVar

import msgspec
import structlog

from baremetal_lb.kube.records import DecodeError
from baremetal_lb.kube.reflector import Reflector
from baremetal_lb.kube.resources import ENDPOINT_SLICES, SERVICES
from baremetal_lb.kube.transport import Transport
from baremetal_lb.lab.layout import Layout
from baremetal_lb.lab.netns import entering
from baremetal_lb.lab.service_rules import Endpoint, EndpointSlice, ServedPort, ServedService, render
from baremetal_lb.model.ids import ObjectKey, ObjectRef
from baremetal_lb.model.net import IPAddress, parse_address

log = structlog.get_logger(__name__)
R = TypeVar("R")
SETTLE_S = 0.01
"""Changes that come together are applied together."""
RETRY_S = 1.0
_SERVICE_LABEL = "kubernetes.io/service-name"


class _Record(msgspec.Struct, rename="camel"):
    pass


class _Metadata(_Record):
    name: str
    namespace: str = ""
    labels: dict[str, str] | None = None


class _Port(_Record):
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] | None = None
    name: str | None = None
    # What stands in a rule is one of these words, a number, or an address: a rule that nft refuses would keep all others from being made.
    protocol: Literal["TCP", "UDP", "SCTP"] | None = None

    @property
    def served(self) -> ServedPort | None:
        """The port, None for "all ports" of a slice."""
        return None if self.port is None else ServedPort(self.name or "", self.protocol or "TCP", self.port)


class _ServiceSpec(_Record):
    type: str = "ClusterIP"
    ports: list[_Port] | None = None
    external_traffic_policy: str | None = None


class _Ingress(_Record):
    ip: str | None = None
    ip_mode: str | None = None


class _LoadBalancer(_Record):
    ingress: list[_Ingress] | None = None


class _ServiceStatus(_Record):
    load_balancer: _LoadBalancer | None = None


class _Service(_Record):
    metadata: _Metadata
    spec: _ServiceSpec
    status: _ServiceStatus | None = None


class _Conditions(_Record):
    ready: bool | None = None
    serving: bool | None = None


class _Endpoint(_Record):
    addresses: list[str]
    conditions: _Conditions | None = None
    node_name: str | None = None


class _Slice(_Record):
    metadata: _Metadata
    address_type: str = "IPv4"
    endpoints: list[_Endpoint] | None = None
    ports: list[_Port] | None = None


def decode_service(data: bytes) -> ServedService:
    """Read a Service; one that is served nowhere has no IPs.

    Raises:
        DecodeError: it is no Service.
    """
    record = _decode("Service", data, _Service)
    ingress = (record.status and record.status.load_balancer and record.status.load_balancer.ingress) or []
    # ipMode Proxy: the IP is another machine's to forward (KEP-1860).
    texts = [entry.ip for entry in ingress if entry.ip and entry.ip_mode != "Proxy"] if record.spec.type == "LoadBalancer" else []
    return ServedService(
        key=ObjectKey(record.metadata.namespace, record.metadata.name),
        ips=_addresses(texts),
        ports=_ports(record.spec.ports),
        is_local=record.spec.external_traffic_policy == "Local",
    )


def decode_slice(data: bytes) -> EndpointSlice:
    """Read an EndpointSlice.

    Raises:
        DecodeError: it is none.
    """
    record = _decode("EndpointSlice", data, _Slice)
    ports = _ports(record.ports)
    endpoints = []
    for endpoint in record.endpoints or ():
        conditions = endpoint.conditions or _Conditions()
        is_ready = conditions.ready is not False
        endpoints += [
            Endpoint(address, endpoint.node_name or "", ports, is_ready, is_ready or conditions.serving is True)
            for address in _addresses(endpoint.addresses[:1])
        ]
    service = (record.metadata.labels or {}).get(_SERVICE_LABEL, "")
    return EndpointSlice(ObjectKey(record.metadata.namespace, service), tuple(endpoints))


def _decode(kind: str, data: bytes, record: type[R]) -> R:
    try:
        return msgspec.json.decode(data, type=record)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DecodeError(ObjectRef(kind, ObjectKey("", "")), "", str(error)) from None


def _addresses(texts: list[str]) -> tuple[IPAddress, ...]:
    found = []
    for text in texts:
        with suppress(ValueError):
            found.append(parse_address(text))
    return tuple(found)


def _ports(records: list[_Port] | None) -> tuple[ServedPort, ...]:
    return tuple(served for record in records or () if (served := record.served) is not None)


class ServiceProxy:
    """What was applied to each node, and what is to be."""

    def __init__(self, transport: Transport, layout: Layout) -> None:
        self._layout = layout
        self._dirty = asyncio.Event()
        self._applied: dict[str, str] = {}
        self._services = Reflector(transport, SERVICES.path(), decode_service, self._on_change)
        self._slices = Reflector(transport, ENDPOINT_SLICES.path(), decode_slice, self._on_change)

    async def run(self) -> None:
        """Keep all nodes up to date for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._services.run())
            group.create_task(self._slices.run())
            await self._services.has_synced.wait()
            await self._slices.has_synced.wait()
            self._dirty.set()
            while True:
                await self._dirty.wait()
                await asyncio.sleep(SETTLE_S)
                self._dirty.clear()
                if not await self._apply_all():
                    self._dirty.set()
                    await asyncio.sleep(RETRY_S)

    def _on_change(self, key: ObjectKey, old: object, new: object) -> None:
        del key, old, new
        self._dirty.set()

    async def _apply_all(self) -> bool:
        texts = {node.name: render(node.name, self._services.store.values(), self._slices.store.values()) for node in self._layout.nodes}
        changed = [name for name, text in texts.items() if self._applied.get(name) != text]
        done = await asyncio.gather(*(self._apply(name, texts[name]) for name in changed))
        return all(done)

    async def _apply(self, node: str, text: str) -> bool:
        command = entering(self._layout.namespace(node), ["nft", "-f", "-"])
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.STDOUT)
        said, _ = await process.communicate(text.encode())
        if process.returncode:
            log.error("rules_refused", node=node, said=said.decode(errors="replace").strip())
            return False
        self._applied[node] = text
        log.info("rules_applied", node=node, rules=text.count(" dport "))
        return True


async def serve(kubeconfig: str, layout: Layout) -> None:
    """Run the proxy of all nodes of a lab."""
    async with Transport(kubeconfig, user_agent="bmlb-lab-service-proxy") as transport:
        await ServiceProxy(transport, layout).run()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], Layout(sys.argv[2], int(sys.argv[3]))))
