"""What the server fetches for users: nothing of our own network, nothing without a bound."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpcore
import pytest
from httpcore import AnyIOBackend

from onevoice.engines.public_addresses import is_public, never
from onevoice.server.net import (
    AddressRefused,
    AddressUnreachable,
    AddressUseless,
    ContentTooLarge,
    Fetched,
    check_url,
    fetch,
    fetching,
    make_client,
)

Answer = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]
PUBLIC = "93.184.216.34"


@pytest.mark.parametrize(
    "address",
    [PUBLIC, "8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "2002:808:808::1", "::ffff:8.8.8.8"],
)
def test_public_addresses(address: str) -> None:
    assert is_public(ip_address(address))


INSIDE = [
    "0.0.0.0",  # noqa: S104 (an address to refuse, nothing binds to it)
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.1.2",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.1.1.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "100::1",
    "2001:0:808:808::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:a9fe:a9fe::1",
    "3fff::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("address", INSIDE)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["169.254.169.254", "fd00:ec2::254", "::ffff:169.254.169.254"])
def test_a_listed_host_may_not_be_metadata(address: str) -> None:
    assert never(ip_address(address)) and not never(ip_address("10.0.0.1"))
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(AddressRefused):
        check_url(f"http://{host}/", allow_hosts=(address,))


@pytest.mark.parametrize(
    "address",
    [
        "file:///etc/passwd",
        "ftp://example.com/a",
        "gopher://example.com/",
        "//example.com/a",
        "example.com/a",
        "http://",
        "http:///a",
        "https://user:password@example.com/",
        "https://user@example.com/",
        "http://example.com:0/",
        "http://example.com:22/",
        "http://example.com:6379/",
        "http://example.com:99999/",
        "http://[::1%25eth0]/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://example.com.0x7f/",
        "http://0x08080808/",
        "http://a\x00b/",
        "http://a b/",
        "http://[/",
        "http://\u2460\u2461\u2466.0.0.1/",
        *(f"http://{f'[{one}]' if ':' in one else one}/" for one in INSIDE),
    ],
)
def test_refused_before_anybody_is_asked(
    address: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def look_up(*_: Any, **__: Any) -> Any:
        raise AssertionError("a name was looked up")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with pytest.raises(AddressRefused):
        check_url(address)

    async def go() -> None:
        async with make_client() as client:
            with pytest.raises(AddressRefused):
                await fetch(client, address, tmp_path / "f", max_bytes=10, max_seconds=5)

    asyncio.run(go())


@pytest.mark.parametrize(
    "address",
    ["https://example.com/a.mp4?b=c", "http://example.com:8080/", "https://b\u00fccher.example/"],
)
def test_good_addresses(address: str) -> None:
    assert check_url(address).host


@pytest.mark.parametrize(
    "found",
    [
        ["127.0.0.1"],
        [PUBLIC, "10.0.0.1"],
        ["::ffff:10.0.0.1"],
        ["fe80::1%2"],
        ["169.254.169.254"],
    ],
)
def test_names_that_lead_inside(
    found: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    names(monkeypatch, {"cdn.example": [found]})
    connected = connections(monkeypatch)
    with pytest.raises(AddressRefused, match="private network") as caught:
        asyncio.run(get("http://cdn.example/a", tmp_path))
    assert connected == []
    assert found[0] not in caught.value.message, "it tells nothing of the network"


def test_a_name_is_looked_up_once_and_the_checked_address_connected_to(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """DNS rebinding: the second answer would lead inside, and is never asked for."""
    asked = names(monkeypatch, {"rebind.example": [[PUBLIC], ["127.0.0.1"]]})
    connected = connections(monkeypatch)
    with pytest.raises(AddressUnreachable):
        asyncio.run(get("http://rebind.example/a", tmp_path))
    assert connected == [PUBLIC] and asked == ["rebind.example"]


def test_the_next_address_is_tried(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    names(monkeypatch, {"two.example": [["2606:4700::1111", PUBLIC]]})
    connected = connections(monkeypatch)
    with pytest.raises(AddressUnreachable):
        asyncio.run(get("http://two.example/a", tmp_path))
    assert connected == [PUBLIC, "2606:4700::1111"]


def test_a_name_that_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    names(monkeypatch, {})
    with pytest.raises(AddressUnreachable, match="leads nowhere"):
        asyncio.run(get("http://nowhere.example/a", tmp_path))


def test_a_file_is_fetched_through_redirects(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    data = b"x" * 3_000_000

    async def answer(head: bytes, writer: asyncio.StreamWriter) -> None:
        if head.startswith(b"GET /end?q=1"):
            writer.write(ok(data, b"Content-Type: Video/MP4; a=b\r\n"))
        else:
            writer.write(b"HTTP/1.1 302 Found\r\nSet-Cookie: a=b\r\nLocation: /end?q=1#x\r\n\r\n")

    async def go() -> tuple[Fetched, list[bytes]]:
        async with server(answer) as (port, heads):
            url = f"http://127.0.0.1:{port}/"
            return await get(url, tmp_path, allow=["127.0.0.1"], most=len(data)), heads

    found, heads = asyncio.run(go())
    assert (found.size, found.media_type) == (len(data), "video/mp4")
    assert (tmp_path / "f").read_bytes() == data
    assert len(heads) == 2 and b"cookie" not in heads[1].lower()
    assert b"accept-encoding: identity" in heads[0].lower()


@pytest.mark.parametrize(
    ("location", "error"),
    [
        (b"http://localhost:{port}/", AddressRefused),
        (b"http://169.254.169.254/latest/meta-data", AddressRefused),
        (b"http://[::ffff:7f00:1]/", AddressRefused),
        (b"//0x7f000001/", AddressRefused),
        (b"file:///etc/passwd", AddressRefused),
        (b"http://me:secret@127.0.0.1:{port}/", AddressRefused),
        (b"/again", AddressUseless),
    ],
)
def test_each_hop_is_checked(location: bytes, error: type[Exception], tmp_path: Path) -> None:
    async def go() -> int:
        async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
            to = location.replace(b"{port}", str(port).encode())
            writer.write(
                b"HTTP/1.1 301 Moved\r\nContent-Length: 0\r\nLocation: " + to + b"\r\n\r\n"
            )

        async with server(answer) as (port, heads):
            with pytest.raises(error):
                await get(f"http://127.0.0.1:{port}/", tmp_path, allow=[f"127.0.0.1:{port}"])
            return len(heads)

    assert asyncio.run(go()) == (6 if error is AddressUseless else 1)


@pytest.mark.parametrize(
    ("head", "error", "says"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", ContentTooLarge, "longer"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 2_000_000, ContentTooLarge, "longer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nabc", AddressUnreachable, "reached"),
        (b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", AddressUseless, "404"),
        (b"HTTP/1.1 204 No\r\n\r\n", AddressUseless, "204"),
        (b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", AddressUnreachable, "503"),
        (b"SSH-2.0-OpenSSH_9.9\r\n\r\n", AddressUnreachable, "reached"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 300_000 + b"\r\n\r\n", AddressUnreachable, "reached"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(bytes(100_000)),
            AddressUseless,
            "compressed",
        ),
    ],
)
def test_answers_that_are_no_use(
    head: bytes, error: type[Exception], says: str, tmp_path: Path
) -> None:
    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(head)

    async def go() -> None:
        async with server(answer) as (port, _):
            await get(f"http://127.0.0.1:{port}/", tmp_path, allow=["127.0.0.1"])

    with pytest.raises(error, match=says):
        asyncio.run(go())


def test_a_dripping_answer_ends(tmp_path: Path) -> None:
    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        for _n in range(100):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.1)

    async def go() -> None:
        async with server(answer) as (port, _):
            await get(f"http://127.0.0.1:{port}/", tmp_path, allow=["127.0.0.1"], seconds=0.5)

    with pytest.raises(AddressUnreachable, match=r"within 0\.5 s"):
        asyncio.run(go())


def test_an_answer_that_drips_keeps_no_worker_for_hours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each byte comes well within the time for reading, and all of them never would."""
    monkeypatch.setattr(fetching, "_SLOWEST_S", 0.5)

    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        for _n in range(100):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.1)

    async def go() -> None:
        async with server(answer) as (port, _):
            await get(f"http://127.0.0.1:{port}/", tmp_path, allow=["127.0.0.1"], seconds=60)

    with pytest.raises(AddressUseless, match=r"1024 KiB in 0\.5 s"):
        asyncio.run(go())


def test_tls_asks_for_the_name_although_the_address_is_connected_to(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    names(monkeypatch, {"files.test": [["127.0.0.1"]], "other.test": [["127.0.0.1"]]})
    ours, theirs = certificate("files.test", tmp_path)

    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(ok(b"hello"))

    async def go() -> None:
        async with server(answer, tls=ours) as (port, heads):
            allow = ["files.test", "other.test"]
            await get(f"https://files.test:{port}/", tmp_path, allow=allow, verify=theirs)
            assert f"host: files.test:{port}".encode() in heads[0].lower()
            for host in ("other.test", "files.test"):  # the wrong name; an unknown authority
                verify = theirs if host == "other.test" else None
                with pytest.raises(AddressUnreachable, match="certificate"):
                    await get(f"https://{host}:{port}/", tmp_path, allow=allow, verify=verify)
            assert len(heads) == 1

    asyncio.run(go())
    assert (tmp_path / "f").read_bytes() == b"hello"


def test_an_answer_nobody_reads_may_be_packed() -> None:
    packed = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b"thanks")

    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(packed)

    async def go() -> int:
        async with server(answer) as (port, _), make_client(allow_hosts=["127.0.0.1"]) as client:
            url = f"http://127.0.0.1:{port}/hook"
            with pytest.raises(AddressUseless):
                await client.post(url, content=b"{}")
            async with client.stream("POST", url, content=b"{}") as response:
                return response.status_code

    assert asyncio.run(go()) == 200


# -- help ----------------------------------------------------------------------------------------


async def get(
    address: str,
    folder: Path,
    *,
    allow: list[str] | None = None,
    verify: ssl.SSLContext | None = None,
    seconds: float = 10.0,
    most: int = 1_000_000,
) -> Fetched:
    async with make_client(allow_hosts=allow or (), verify=verify, timeout=3) as client:
        return await fetch(client, address, folder / "f", max_bytes=most, max_seconds=seconds)


def ok(data: bytes, headers: bytes = b"") -> bytes:
    return b"HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s" % (headers, len(data), data)


@asynccontextmanager
async def server(
    answer: Answer, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that answers one request a connection, and the heads it was sent."""
    heads: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            heads.append(head)
            await answer(head, writer)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client had enough
        finally:
            writer.close()

    listening = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    try:
        yield listening.sockets[0].getsockname()[1], heads
    finally:
        listening.close()


def names(monkeypatch: pytest.MonkeyPatch, table: dict[str, list[list[str]]]) -> list[str]:
    """A name server: each lookup of a name gets its next answer. Returns what was asked."""
    asked: list[str] = []

    def look_up(host: str | bytes, port: int, *_: Any, **__: Any) -> list[Any]:
        name = host.decode() if isinstance(host, bytes) else host
        asked.append(name)
        if name not in table:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        answers = table[name]
        found = answers[min(asked.count(name), len(answers)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in found]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked


def connections(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Where connections would go; none comes to be."""
    made: list[str] = []

    async def connect(_: Any, host: str, *__: Any, **___: Any) -> Any:
        made.append(host)
        raise httpcore.ConnectError("nobody there")

    monkeypatch.setattr(AnyIOBackend, "connect_tcp", connect)
    return made


def certificate(name: str, folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a certificate for ``name``, and a client's that trusts it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    pem = signed.public_bytes(serialization.Encoding.PEM)
    form = serialization.PrivateFormat.PKCS8
    file = folder / "certificate.pem"
    file.write_bytes(pem + key.private_bytes(serialization.Encoding.PEM, form, plain))
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain(file)
    return ours, ssl.create_default_context(cadata=pem.decode())
