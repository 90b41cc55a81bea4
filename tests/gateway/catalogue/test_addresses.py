"""No endpoint is at a link-local address or a cloud's metadata, however it is written."""

from collections.abc import AsyncIterator
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.core.connections import Connections
from chappe.core.errors import ChappeError
from chappe.gateway.catalogue import administration as admin
from chappe.gateway.catalogue import apply as declarative
from chappe.gateway.catalogue.addresses import link_local
from chappe.gateway.catalogue.schemas import EndpointSpec
from chappe.gateway.catalogue.secrets import Cipher
from chappe.identity import SYSTEM

LOCAL = [
    "169.254.169.254", "169.254.0.1", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376",
    "169.254.43518", "169.16689662", "[fe80::1]", "[fe80::1%25eth0]", "[febf::1]",
    "[::ffff:169.254.169.254]", "[64:ff9b::a9fe:a9fe]", "[fd00:ec2::254]", "100.100.100.200",
    "192.0.0.192", "168.63.129.16", "metadata.google.internal", "METADATA.google.internal.",
    "metadata", "instance-data.ec2.internal",
]  # fmt: skip
USUAL = [
    "127.0.0.1", "localhost", "[::1]", "10.0.0.5", "172.16.3.4", "192.168.1.20", "100.64.0.1",
    "[fd12:3456::1]", "gpu1", "gpu1.example.fr", "169.253.1.1", "169.255.0.1", "[fec0::1]",
    "metadata.example.fr", "my-metadata", "169.254.example.fr", "8.8.8.8",
]  # fmt: skip


@pytest.mark.parametrize("host", LOCAL)
def test_what_is_refused(host: str) -> None:
    for url in (f"http://{host}/v1", f"https://{host}:8000/latest/meta-data"):
        assert link_local(url), url


@pytest.mark.parametrize("host", USUAL)
def test_what_is_usual_is_allowed(host: str) -> None:
    for url in (f"http://{host}/v1", f"https://{host}:8000/v1"):
        assert not link_local(url), url


@given(st.integers(0, 0xFFFF), st.sampled_from(("{}", "0x{:x}", "0{:o}")))
def test_the_whole_network_in_every_writing(last: int, form: str) -> None:
    number = 0xA9FE0000 + last
    assert link_local(f"http://{form.format(number)}/v1")
    assert link_local(f"http://{IPv4Address(number)}/v1")
    assert link_local(f"http://[::ffff:{IPv4Address(number)}]/v1")


@given(st.integers(0, 2**118 - 1))
def test_the_whole_link_of_ipv6(rest: int) -> None:
    assert link_local(f"http://[{IPv6Address(0xFE80 << 112 | rest)}]:8000/v1")


@given(st.ip_addresses(v=4, network="10.0.0.0/8") | st.ip_addresses(v=4, network="127.0.0.0/8"))
def test_private_addresses_are_the_usual_case(address: IPv4Address) -> None:
    assert not link_local(f"http://{address}/v1")


@pytest.fixture
async def connections(database_url: str) -> AsyncIterator[Connections]:
    opened = Connections(database_url, 2)
    await opened.open()
    yield opened
    await opened.close()


async def test_neither_a_change_nor_a_file_makes_one(connections: Connections) -> None:
    cipher = Cipher(bytes(32))
    spec = EndpointSpec(name="e", url="http://169.254.169.254/v1", secret="s")
    file = declarative.read_file(
        '[[endpoints]]\nname = "e"\nurl = "http://metadata.google.internal/v1"'
    )
    for dry_run in (True, False):
        with pytest.raises(ChappeError) as caught:
            async with connections.transaction() as connection:
                await declarative.make_so(connection, SYSTEM, cipher, file, dry_run=dry_run)
        assert caught.value.code == "address_refused"
    with pytest.raises(ChappeError) as caught:
        async with connections.transaction() as connection:
            await admin.put_endpoint(connection, SYSTEM, cipher, spec)
    assert caught.value.code == "address_refused"
    for language, told in (("fr", "réseau"), ("en", "network")):
        assert "169.254.169.254" in caught.value.detail(language)
        assert told in caught.value.detail(language)
    async with connections.transaction() as connection:
        assert await admin.endpoints(connection) == []
        usual = spec.model_copy(update={"url": "http://127.0.0.1:9/v1"})
        await admin.put_endpoint(connection, SYSTEM, cipher, usual)
        with pytest.raises(ChappeError):
            await admin.put_endpoint(connection, SYSTEM, cipher, spec)


async def test_one_that_was_there_before_is_still_listed(connections: Connections) -> None:
    """It isn't taken away from anybody: it can be seen, and removed."""
    async with connections.transaction() as connection:
        await connection.execute(
            "insert into endpoint (name, url) values ('e', 'http://169.254.1.2/v1')"
        )
        ((found, _),) = await admin.endpoints(connection)
        assert found.url == "http://169.254.1.2/v1"
        await admin.remove_endpoint(connection, SYSTEM, "e")
