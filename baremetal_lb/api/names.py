"""How entries of the ledger are named: by their address, so that the API server itself refuses a second entry of one address.

198.51.100.7    the address
2001:db8::7     2001-0db8-0000-0000-0000-0000-0000-0007, exploded, since a name may have no colon
"""

from ipaddress import IPv4Address

from baremetal_lb.model.net import IPAddress, parse_address


def entry_name(address: IPAddress) -> str:
    """Return the name of the entry of an address."""
    return str(address) if isinstance(address, IPv4Address) else address.exploded.replace(":", "-")


def address_of_name(name: str) -> IPAddress:
    """Return the address whose entry has this name.

    Raises:
        ValueError: not the name of an entry.
    """
    address = parse_address(name.replace("-", ":"))
    if entry_name(address) != name:
        raise ValueError(f"{name!r} is not how the entry of {address} is named")
    return address
