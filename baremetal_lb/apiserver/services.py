"""What the API server does to a Service: defaults, cluster IPs, families, what a change of type clears, validation.

Follows pkg/apis/core/v1/defaults.go and pkg/registry/core/service of Kubernetes, as far as a LoadBalancer Service touches it:

    families     a headless Service without selector has both; else Single unless asked; the cluster's first family unless asked
    cluster IPs  one per family from the service CIDRs; given back with the family, or with the type ExternalName
    type         LoadBalancer has externalTrafficPolicy and may have loadBalancerClass, which never changes; away from it all
                 that goes, and the ingress with it

Not implemented: node ports and health check node ports (nothing in a lab listens there).
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

from baremetal_lb.apiserver.errors import Cause, Refusal
from baremetal_lb.apiserver.resources import Object
from baremetal_lb.model.net import Family

TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_LOWEST = 10
"""Cluster IPs below are left alone: 10.96.0.1 is the API server's in every cluster."""


@dataclass(frozen=True, slots=True)
class ServiceNetworks:
    """The service CIDRs, primary family first."""

    networks: tuple[IPv4Network | IPv6Network, ...] = (ip_network("10.96.0.0/16"), ip_network("fd00:10:96::/112"))

    def families(self) -> list[str]:
        """Return the families, primary first."""
        return [(Family.IPV4 if network.version == 4 else Family.IPV6).value for network in self.networks]

    def of(self, family: str) -> IPv4Network | IPv6Network:
        """Return the network of a family."""
        return self.networks[self.families().index(family)]

    def free(self, family: str, used: Collection[str]) -> str:
        """Return a free cluster IP: the first one past as many as are in use, going round.

        Raises:
            Refusal: 500 when there is none, as the real server answers.
        """
        network = self.of(family)
        size = network.num_addresses - _LOWEST - 1
        for step in range(len(used), len(used) + size):
            if (ip := str(network[_LOWEST + step % size])) not in used:
                return ip
        raise Refusal(500, "InternalError", f"Internal error occurred: failed to allocate a serviceIP: {network} is full")


def prepare_service(new: Object, old: Object | None, networks: ServiceNetworks, used: Collection[str]) -> Object:
    """Return a Service with everything filled in or cleared as the real server does."""
    before = (old or {}).get("spec", {})
    spec = {name: value for name, value in (new.get("spec") or {}).items() if value is not None}
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    spec["ports"] = [
        {"protocol": "TCP", **port, "targetPort": port.get("targetPort") or port.get("port")} for port in spec.get("ports") or ()
    ]
    if not spec["ports"]:
        del spec["ports"]
    if spec["type"] == "ExternalName":
        for name in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy", *_LOAD_BALANCER_ONLY):
            spec.pop(name, None)
        return _released(new, old, spec)
    spec.setdefault("internalTrafficPolicy", "Cluster")
    if before.get("type", "ExternalName") != "ExternalName":
        _keep_cluster_ips(spec, before)
    _settle_families(spec, networks)
    _settle_cluster_ips(spec, networks, used)
    _settle_load_balancer(spec, before)
    return _released(new, old, spec)


def _released(new: Object, old: Object | None, spec: dict[str, Any]) -> Object:
    """Clear the ingress of a Service that is no LoadBalancer any more."""
    if spec["type"] != "LoadBalancer" and old is not None and old["spec"]["type"] == "LoadBalancer":
        new = {**new, "status": {**(new.get("status") or {}), "loadBalancer": {}}}
    return {**new, "spec": spec}


_LOAD_BALANCER_ONLY = ("externalTrafficPolicy", "allocateLoadBalancerNodePorts", "loadBalancerClass", "healthCheckNodePort")


def _settle_load_balancer(spec: dict[str, Any], before: dict[str, Any]) -> None:
    if spec["type"] == "LoadBalancer":
        spec.setdefault("externalTrafficPolicy", "Cluster")
        spec.setdefault("allocateLoadBalancerNodePorts", True)
    elif before.get("type") == "LoadBalancer":
        for name in _LOAD_BALANCER_ONLY:
            if spec.get(name) == before.get(name) and not (name == "externalTrafficPolicy" and spec["type"] == "NodePort"):
                spec.pop(name, None)


def _keep_cluster_ips(spec: dict[str, Any], before: dict[str, Any]) -> None:
    """An update that names no cluster IP means the ones that are there."""
    if not spec.get("clusterIP") and not spec.get("clusterIPs"):
        spec["clusterIP"], spec["clusterIPs"] = before.get("clusterIP", ""), list(before.get("clusterIPs") or ())
    for name in ("ipFamilies", "ipFamilyPolicy"):
        if not spec.get(name):
            spec[name] = before.get(name)
    if spec["ipFamilyPolicy"] == "SingleStack" != before.get("ipFamilyPolicy") and spec.get("clusterIPs") == before.get("clusterIPs"):
        spec["clusterIPs"], spec["ipFamilies"] = spec["clusterIPs"][:1], spec["ipFamilies"][:1]


def _settle_families(spec: dict[str, Any], networks: ServiceNetworks) -> None:
    both, asked = networks.families(), list(spec.get("ipFamilies") or ())
    ips = [ip for ip in spec.get("clusterIPs") or [spec.get("clusterIP")] if ip and ip != "None"]
    if not asked and (first := next(iter(ips), None)) and (family := _family(first)):
        asked = [family]
    is_loose = (spec.get("clusterIP") or "") == "None" and not spec.get("selector")
    policy = spec.get("ipFamilyPolicy") or ("RequireDualStack" if is_loose else "SingleStack")
    if policy != "SingleStack":
        asked += [family for family in both if family not in asked]
    spec["ipFamilies"], spec["ipFamilyPolicy"] = asked or both[:1], policy


def _family(text: str) -> str | None:
    try:
        return "IPv4" if ip_address(text).version == 4 else "IPv6"
    except ValueError:
        return None


def _settle_cluster_ips(spec: dict[str, Any], networks: ServiceNetworks, used: Collection[str]) -> None:
    ips = list(spec.get("clusterIPs") or ())
    if spec.get("clusterIP") and not ips:
        ips = [spec["clusterIP"]]
    if ips[:1] != ["None"]:
        taken = set(used)
        for family in spec["ipFamilies"][len(ips) :] if spec["ipFamilyPolicy"] != "SingleStack" else spec["ipFamilies"][len(ips) : 1]:
            if family in networks.families():
                ips.append(networks.free(family, taken))
    spec["clusterIP"], spec["clusterIPs"] = ips[0] if ips else "", ips


def service_problems(new: Object, old: Object | None, networks: ServiceNetworks, used: Collection[str]) -> Iterator[Cause]:
    """Yield what is wrong with a prepared Service."""
    spec, before = new["spec"], (old or {}).get("spec", {})
    if spec["type"] not in TYPES:
        listed = ", ".join(f'"{name}"' for name in TYPES)
        yield Cause("spec.type", f'Unsupported value: "{spec["type"]}": supported values: {listed}', "FieldValueNotSupported")
    if spec["type"] == "ExternalName":
        if not spec.get("externalName"):
            yield Cause("spec.externalName", "Required value", "FieldValueRequired")
        return
    if not spec.get("ports") and spec["clusterIP"] != "None":
        yield Cause("spec.ports", "Required value", "FieldValueRequired")
    yield from _port_problems(spec.get("ports") or [])
    if spec["ipFamilyPolicy"] == "SingleStack" and len(spec["ipFamilies"]) > 1:
        why = "must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified"
        yield Cause("spec.ipFamilyPolicy", f'Invalid value: "SingleStack": {why}')
    yield from _cluster_ip_problems(spec, before, networks, used)
    if spec["type"] != "LoadBalancer" and spec.get("loadBalancerClass"):
        yield Cause("spec.loadBalancerClass", "Forbidden: may only be used when `type` is 'LoadBalancer'", "FieldValueForbidden")
    if before.get("type") == spec["type"] == "LoadBalancer" and before.get("loadBalancerClass") != spec.get("loadBalancerClass"):
        yield Cause("spec.loadBalancerClass", f'Invalid value: "{spec.get("loadBalancerClass") or ""}": may not change once set')
    if spec.get("externalTrafficPolicy", "Cluster") not in ("Cluster", "Local"):
        yield Cause(
            "spec.externalTrafficPolicy",
            f'Unsupported value: "{spec["externalTrafficPolicy"]}": supported values: "Cluster", "Local"',
            "FieldValueNotSupported",
        )


def _port_problems(ports: list[dict[str, Any]]) -> Iterator[Cause]:
    seen: set[tuple[Any, Any]] = set()
    for index, port in enumerate(ports):
        field = f"spec.ports[{index}]"
        if len(ports) > 1 and not port.get("name"):
            yield Cause(f"{field}.name", "Required value", "FieldValueRequired")
        for name in ("port", "targetPort"):
            if not isinstance(port.get(name), str) and not 1 <= (port.get(name) or 0) <= 65535:
                yield Cause(f"{field}.{name}", f"Invalid value: {port.get(name) or 0}: must be between 1 and 65535, inclusive")
        if port["protocol"] not in ("TCP", "UDP", "SCTP"):
            known = 'supported values: "SCTP", "TCP", "UDP"'
            yield Cause(f"{field}.protocol", f'Unsupported value: "{port["protocol"]}": {known}', "FieldValueNotSupported")
        if (name_of := (port["protocol"], port.get("port"))) in seen:
            yield Cause(field, f"Duplicate value: {name_of[0]}/{name_of[1]}", "FieldValueDuplicate")
        seen.add(name_of)


def _cluster_ip_problems(spec: dict[str, Any], before: dict[str, Any], networks: ServiceNetworks, used: Collection[str]) -> Iterator[Cause]:
    kept = before.get("clusterIPs") or []
    if kept and before.get("type") != "ExternalName" and spec["clusterIPs"][:1] != kept[:1]:
        yield Cause("spec.clusterIPs[0]", f"Invalid value: {spec['clusterIPs']}: may not change once set")
        return
    for ip in spec["clusterIPs"]:
        if ip == "None" or ip in kept:
            continue
        if (family := _family(ip)) is None:
            yield Cause("spec.clusterIPs[0]", f'Invalid value: "{ip}": must be a valid IP address')
        elif family not in networks.families() or ip_address(ip) not in networks.of(family):
            why = f"failed to allocate IP {ip}: the provided network does not match the current range"
            yield Cause("spec.clusterIPs", f'Invalid value: ["{ip}"]: {why}')
        elif ip in used:
            yield Cause("spec.clusterIPs", f'Invalid value: ["{ip}"]: failed to allocate IP {ip}: provided IP is already allocated')


def prepare_service_status(new: Object) -> Object:
    """Give ingress entries their default mode (KEP-1860)."""
    status = dict(new.get("status") or {})
    balancer = dict(status.get("loadBalancer") or {})
    if ingress := balancer.get("ingress"):
        balancer["ingress"] = [{**entry, "ipMode": entry.get("ipMode", "VIP")} if entry.get("ip") else entry for entry in ingress]
    else:
        balancer.pop("ingress", None)
    if not status.get("conditions"):
        status.pop("conditions", None)
    return {**new, "status": {**status, "loadBalancer": balancer}}


def service_status_problems(new: Object) -> Iterator[Cause]:
    """Yield what is wrong with the status of a Service."""
    ingress = new["status"]["loadBalancer"].get("ingress") or []
    if ingress and new["spec"].get("type") != "LoadBalancer":
        yield Cause("status.loadBalancer.ingress", 'Forbidden: may only be used when `spec.type` is "LoadBalancer"', "FieldValueForbidden")
    for index, entry in enumerate(ingress):
        field = f"status.loadBalancer.ingress[{index}]"
        if entry.get("ip") and _family(entry["ip"]) is None:
            yield Cause(f"{field}.ip", f'Invalid value: "{entry["ip"]}": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)')
        if entry.get("ipMode") not in (None, "VIP", "Proxy"):
            yield Cause(
                f"{field}.ipMode", f'Unsupported value: "{entry["ipMode"]}": supported values: "Proxy", "VIP"', "FieldValueNotSupported"
            )
