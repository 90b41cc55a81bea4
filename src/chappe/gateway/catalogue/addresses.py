"""Addresses that no inference server has: link-local ones, where clouds answer with credentials.

Whoever may describe an endpoint must not have the gateway read them. Only what is written is looked
at: a name that leads there by the network's own directory is for the network to keep apart.
"""

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

_NETWORKS = tuple(
    ip_network(text)
    for text in (
        "169.254.0.0/16",  # link-local; metadata of most clouds
        "fe80::/10",  # link-local
        "fd00:ec2::254/128",  # metadata of Amazon
        "100.100.100.200/32",  # metadata of Alibaba
        "192.0.0.192/32",  # metadata of Oracle
        "168.63.129.16/32",  # host of Azure
    )
)
_NAMES = frozenset(
    (
        "metadata",
        "metadata.goog",
        "metadata.google.internal",
        "metadata.tencentyun.com",
        "instance-data",
        "instance-data.ec2.internal",
    )
)
_NAT64 = ip_network("64:ff9b::/96")


def link_local(url: str) -> bool:
    """Does an address lead to its own link or to a cloud's metadata, as it is written."""
    host = (urlsplit(url).hostname or "").rstrip(".").lower()
    if host in _NAMES:
        return True
    address = _literal(host)
    return address is not None and any(address in network for network in _NETWORKS)


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    """The address that a host is written as, in whatever form a system reads; None for a name."""
    try:
        address = ip_address(host)
    except ValueError:
        try:
            # Whole numbers, octal, hexadecimal, fewer than four parts: 0xa9fea9fe, 169.254.43518.
            return IPv4Address(socket.inet_aton(host))
        except (OSError, UnicodeEncodeError):
            return None
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
        return IPv6Address(int(address))  # without its zone
    return address
