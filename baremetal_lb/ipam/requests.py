"""What a Service asks for: is it ours, which families, which IPs, which pool."""

from dataclasses import dataclass, replace

from baremetal_lb.ipam.decision import Refusal
from baremetal_lb.ipam.ledger import address_order
from baremetal_lb.ipam.reasons import AllocationReason
from baremetal_lb.model.net import Family, IPAddress, family_of, parse_address
from baremetal_lb.model.views import ServiceView

LOAD_BALANCER = "LoadBalancer"
HEADLESS = "None"


@dataclass(frozen=True, slots=True)
class Request:
    """IPs and pool that a Service asks for by name; IPv4 before IPv6."""

    addresses: tuple[IPAddress, ...] = ()
    pool: str | None = None


def handles_service(service: ServiceView, lb_class: str = "") -> bool:
    """Tell whether the Service is for this install: of type LoadBalancer, and of exactly our loadBalancerClass ("" means none)."""
    return handles(service.type, service.load_balancer_class, lb_class)


def handles(service_type: str | None, its_class: str | None, lb_class: str = "") -> bool:
    """Tell the same of a Service's type and loadBalancerClass."""
    return service_type == LOAD_BALANCER and (its_class or "") == lb_class


def announced_part(service: ServiceView, lb_class: str = "") -> ServiceView | None:
    """Return what of a Service may be announced; None: nothing. All of ours; of others the addresses that are not a load balancer's."""
    if handles_service(service, lb_class):
        return service
    return replace(service, ingress=()) if service.external_ips or service.cluster_ips else None


def needed_families(service: ServiceView) -> tuple[Family, ...] | Refusal:
    """Return the families that the Service serves, IPv4 first. Its clusterIPs decide, not what it prefers: without one, no traffic."""
    texts = [text for text in service.cluster_ips if text]
    if not texts:
        return Refusal(AllocationReason.ClusterIPMissing)
    if HEADLESS in texts:
        return Refusal(AllocationReason.Headless)
    try:
        families = {family_of(parse_address(text)) for text in texts}
    except ValueError:
        return Refusal(AllocationReason.ClusterIPsMalformed, f"They are {', '.join(texts)}.")
    if len(families) != len(texts):
        return Refusal(AllocationReason.ClusterIPsMalformed, f"They are {', '.join(texts)}.")
    return tuple(family for family in Family if family in families)


def parse_request(service: ServiceView) -> Request | Refusal:
    """Parse the annotations loadBalancerIPs and address-pool and spec.loadBalancerIP. An empty text asks for nothing."""
    annotation, field = (service.requested_ips or "").strip(), (service.spec_load_balancer_ip or "").strip()
    if annotation and field:
        return Refusal(AllocationReason.RequestedTwice, f"They say {annotation} and {field}.")
    text = annotation or field
    addresses: list[IPAddress] = []
    for part in annotation.split(",") if annotation else [field] if field else ():
        try:
            addresses.append(parse_address(part.strip()))
        except ValueError:
            return Refusal(AllocationReason.RequestMalformed, f"{part.strip()!r} is no IP address.")
    if len({family_of(address) for address in addresses}) != len(addresses):
        return Refusal(AllocationReason.RequestMalformed, f"{text!r} has more than one IP of a family.")
    return Request(tuple(sorted(addresses, key=address_order)), (service.requested_pool or "").strip() or None)
