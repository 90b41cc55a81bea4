"""Which addresses a source may be read from.

Whoever adds a source chooses an address that the server then connects to: it must not reach what
only the server reaches. Public addresses are open; others are when the operator names them
(setting `source_networks`); links of the machine and metadata of clouds never are. Names are
resolved first, and the connection goes to the address that was checked.
"""

import asyncio
import socket
import ssl
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

import httpcore

from chappe.core.errors import ChappeError
from chappe.core.invalid import wrong
from chappe.gateway.catalogue.addresses import link_local

_Address = IPv4Address | IPv6Address
_NAT64 = IPv6Network("64:ff9b::/96")
# IPv6 forms that lead back to a network of this machine's, though no table calls them private:
# IPv4 inside IPv6 (RFC 4291, 2.5.5.1), a network's own NAT64 (RFC 8215), its old site (RFC 3879).
_INWARD = tuple(map(IPv6Network, ("::/96", "64:ff9b:1::/48", "fec0::/10")))
_RESOLVE_SECONDS = 10.0


class Reach:
    """What may be connected to.

    Args:
        allowed: networks (`10.1.0.0/16`) and host names that are open beside public addresses.
    """

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        self._networks = []
        self._names = set()
        for text in allowed:
            try:
                self._networks.append(ip_network(text, strict=False))
            except ValueError:
                self._names.add(text.lower().rstrip("."))

    def open(self, host: str, address: str) -> bool:
        """May this address, to which a name leads, be connected to."""
        ip = _plain(ip_address(address.partition("%")[0]))
        if link_local(f"http://[{ip}]/" if ip.version == 6 else f"http://{ip}/"):
            return False
        inward = any(ip in network for network in _INWARD)
        if ip.is_global and not ip.is_multicast and not inward:
            return True
        named = host.lower().rstrip(".") in self._names
        return named or any(ip in network for network in self._networks)

    async def resolve(self, host: str, port: int) -> list[str]:
        """The addresses of a host that may be connected to, at least one.

        Raises:
            ChappeError: `source_unreachable`, the name leads nowhere; `source_address`, it leads
                only to addresses that aren't open.
        """
        try:
            async with asyncio.timeout(_RESOLVE_SECONDS):
                found = await asyncio.get_running_loop().getaddrinfo(
                    host, port, type=socket.SOCK_STREAM
                )
        except (OSError, UnicodeError, TimeoutError):
            raise ChappeError(
                "source_unreachable", 502, place=host, reason=wrong("unknown_host")
            ) from None
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        usable = [address for address in addresses if self.open(host, address)]
        if not usable or link_local(f"http://{host}/"):
            raise ChappeError("source_address", 422, host=host)
        return usable


def _plain(ip: _Address) -> _Address:
    """An IPv4 address that is written as an IPv6 one, as itself."""
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped is not None:
            return ip.ipv4_mapped
        if ip.sixtofour is not None:
            return ip.sixtofour
        if ip in _NAT64:
            return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip


class CheckedBackend(httpcore.AsyncNetworkBackend):
    """Opens connections to checked addresses only; names aren't resolved a second time."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 (httpcore's own signature)
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address of a host that answers."""
        addresses: Sequence[str] = await self._reach.resolve(host, port)
        failure: Exception | None = None
        for address in addresses[:4]:
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        assert failure is not None
        raise failure

    async def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        """Never: a source is somewhere else."""
        raise httpcore.ConnectError("no socket of this machine")

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await self._inner.sleep(seconds)


def tls() -> ssl.SSLContext:
    """TLS with the authorities that this machine trusts, an administration's own among them."""
    return ssl.create_default_context()
