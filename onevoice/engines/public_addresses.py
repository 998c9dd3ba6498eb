"""Which IP addresses belong to the public Internet, however they are written.

For whatever follows addresses that somebody else chose: an address inside the own network, or that
of a cloud's instance metadata, must not be reached through us.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

Address = IPv4Address | IPv6Address

_GLOBAL_UNICAST = ip_network("2000::/3")
_NAT64 = ip_network("64:ff9b::/96")
_NOT_PUBLIC = tuple(
    ip_network(each)
    for each in (
        "192.88.99.0/24",  # relays of 6to4, given up by RFC 7526
        "2001::/32",  # Teredo carries an IPv4 address of anybody's choice
        "3fff::/20",  # documentation, RFC 9637
    )
)
_METADATA = frozenset(
    ip_address(each)
    for each in (
        "168.63.129.16",  # Azure's, although it looks public
        "100.100.100.200",
        "192.0.0.192",
        "fd00:ec2::254",
        "fd20:ce::254",
    )
)
"""Where clouds answer their machines with credentials, beside the link-local addresses."""


def is_public(address: Address) -> bool:
    """Whether it is a unicast address of the public Internet (and no cloud's metadata)."""
    address = carried(address)
    if never(address) or any(address in network for network in _NOT_PUBLIC):
        return False
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
        return False
    return address.is_global and not address.is_reserved


def never(address: Address) -> bool:
    """Whether nobody has a reason to reach it: metadata, link-local, multicast, none at all."""
    address = carried(address)
    return (
        address in _METADATA
        or address.is_link_local
        or address.is_multicast
        or address.is_unspecified
    )


def carried(address: Address) -> Address:
    """The IPv4 address that an IPv6 one leads to: mapped, 6to4 or NAT64; else the same."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address
