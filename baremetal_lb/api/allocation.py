"""IPAllocation: one object of the ledger, which says who has an IP.

The name of an entry *is* its address, so that the API server refuses a second entry for one IP: IPv4 as is, IPv6 with all its digits
and ``-`` for ``:`` (an object's name has no colons, and one address must have one name).

    203.0.113.7              <->  203.0.113.7
    2001:db8::1              <->  2001-0db8-0000-0000-0000-0000-0000-0001

``from_manifest(to_manifest(entry, identity)) == entry``: nothing is lost on the way. Ports are written ``TCP/80``. There is no status.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError

from baremetal_lb.api.base import NAME_MAX, ApiModel, Name, NamespaceName, Text, Timestamp, with_rules
from baremetal_lb.api.names import entry_name
from baremetal_lb.model.ids import Identity, ObjectKey
from baremetal_lb.model.net import parse_address
from baremetal_lb.model.rfc3339 import format_exact, parse_time
from baremetal_lb.model.views import EntryService, HeldFor, LedgerEntry, Port

KIND = "IPAllocation"
VERSION = "v1beta1"
SERVICES_MAX = 256
"""Services that may share one IP."""
PORTS_MAX = 1024
"""Ports of one Service that an entry lists."""


class MalformedEntry(ValueError):
    """An IPAllocation that cannot be read; the text says which field and why."""


PortText = Annotated[str, Field(max_length=16, pattern=r"^[A-Z]{1,8}/[0-9]{1,5}$")]


class AllocationService(ApiModel):
    """A Service that uses the address."""

    namespace: NamespaceName = Field(description="Namespace of the Service.")
    name: Name = Field(description="Name of the Service.")
    uid: str = Field(max_length=64, description="UID of the Service: a Service made anew under the same name is another one.")
    ports: list[PortText] | None = Field(
        None, max_length=PORTS_MAX, description="Ports of the Service as PROTOCOL/NUMBER, for instance TCP/80."
    )

    @classmethod
    def of(cls, service: EntryService) -> Self:
        """Return the model of a value."""
        key = service.key
        return cls(namespace=key.namespace, name=key.name, uid=service.uid, ports=[str(port) for port in service.ports] or None)

    def value(self) -> EntryService:
        """Return the value."""
        return EntryService(ObjectKey(self.namespace, self.name), self.uid, tuple(_port(text) for text in self.ports or ()))


class AllocationHeldFor(ApiModel):
    """For whom an address without users is held."""

    namespace: NamespaceName = Field(description="Namespace of the Service that may have it back.")
    name: Name = Field(description="Name of the Service that may have it back.")
    until: Timestamp = Field(description="When it becomes free.")


class IPAllocationSpec(ApiModel):
    """Who has the address."""

    model_config = with_rules(
        ("isIP(self.address)", "address must be an IP address"),
        ("self.address == oldSelf.address", "address is immutable: an allocation is made and deleted, never moved"),
    )

    address: str = Field(max_length=45, description="The IP address. Immutable; the object's name is derived from it.")
    owner: Name = Field(description="Id of the install that made the entry. Others never touch it.")
    pool: str = Field(
        "", max_length=NAME_MAX, description="Pool that the address came from; empty for an adopted address outside every pool."
    )
    services: list[AllocationService] | None = Field(
        None,
        max_length=SERVICES_MAX,
        description="Services that use the address; more than one where they share it. Empty for a held address.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    sharing_key: Text = Field("", description="Sharing key that all of them gave; empty: not shared.")
    backend_key: str = Field(
        "", max_length=16384, description="What the backends of all of them must equal while they share; empty: anything."
    )
    announcer: Name | None = Field(
        None, description="Node that should announce the address on the link (preferred; another takes over when it cannot)."
    )
    since: Timestamp | None = Field(None, description="When the address was allocated.")
    held_for: AllocationHeldFor | None = Field(None, description="Set while the address has no user but is kept for one.")


class IPAllocation(ApiModel):
    """An IP address that somebody has. Written by the controller only."""

    model_config = with_rules(
        (
            (
                "!isIP(self.spec.address) || (ip(self.spec.address).family() == 4 ? self.metadata.name == self.spec.address : "
                "self.metadata.name.size() == 39 && isIP(self.metadata.name.replace('-', ':')) && "
                "ip(self.metadata.name.replace('-', ':')) == ip(self.spec.address))"
            ),
            "the name must be the address: IPv4 as is, IPv6 with all its digits and - for :",
        ),
    )

    spec: IPAllocationSpec = Field(description="Who has the address.")


def to_manifest(entry: LedgerEntry, identity: Identity) -> dict[str, Any]:
    """Return the object to write; with uid and resourceVersion where the entry has them (they are then preconditions)."""
    spec = IPAllocationSpec(
        address=str(entry.address),
        owner=entry.owner,
        pool=entry.pool,
        services=[AllocationService.of(service) for service in entry.services] or None,
        sharing_key=entry.sharing_key,
        backend_key=entry.backend_key,
        announcer=entry.announcer,
        since=format_exact(entry.since_utc) if entry.since_utc else None,
        held_for=_held_model(entry.held_for) if entry.held_for else None,
    )
    metadata = {"name": entry_name(entry.address), "uid": entry.uid, "resourceVersion": entry.resource_version}
    return {
        "apiVersion": f"{identity.own_group}/{VERSION}",
        "kind": KIND,
        "metadata": {key: value for key, value in metadata.items() if value},
        "spec": {key: value for key, value in spec.model_dump(by_alias=True, exclude_none=True).items() if value != "" or key == "owner"},
    }


def from_manifest(manifest: Mapping[str, Any]) -> LedgerEntry:
    """Return the entry that an object says.

    Raises:
        MalformedEntry: a field is missing or of a wrong type, the address is none, or the name is not that of the address.
    """
    metadata = manifest.get("metadata")
    if not isinstance(metadata, Mapping):
        raise MalformedEntry("metadata: missing")
    try:
        spec = IPAllocationSpec.read(manifest.get("spec"))
        address = parse_address(spec.address)
        entry = LedgerEntry(
            address=address,
            owner=spec.owner,
            pool=spec.pool,
            services=tuple(service.value() for service in spec.services or ()),
            sharing_key=spec.sharing_key,
            backend_key=spec.backend_key,
            announcer=spec.announcer,
            since_utc=parse_time(spec.since) if spec.since else 0,
            held_for=_held_value(spec.held_for) if spec.held_for else None,
            uid=_text(metadata.get("uid")),
            resource_version=_text(metadata.get("resourceVersion")),
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise MalformedEntry(f"spec.{'.'.join(str(part) for part in first['loc'])}: {first['msg']}") from None
    except ValueError as error:
        raise MalformedEntry(f"spec: {error}") from None
    if metadata.get("name") != entry_name(address):
        raise MalformedEntry(f"metadata.name: is not {entry_name(address)}, the name of the entry of {address}")
    return entry


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _port(text: str) -> Port:
    protocol, _, number = text.partition("/")
    return Port(protocol, int(number))


def _held_model(held: HeldFor) -> AllocationHeldFor:
    return AllocationHeldFor(namespace=held.key.namespace, name=held.key.name, until=format_exact(held.until_utc))


def _held_value(held: AllocationHeldFor) -> HeldFor:
    return HeldFor(ObjectKey(held.namespace, held.name), parse_time(held.until))
