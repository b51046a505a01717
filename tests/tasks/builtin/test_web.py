from __future__ import annotations

import asyncio
import gzip
import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tasks.builtin.web import check_url
from tasks.errors import TaskFailed
from tasks.outbound import address, http
from tests.tasks.builtin.conftest import Configure

PUBLIC = "93.184.216.34"


class Site(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen: list[tuple[str, str | None]] = []

    def do_GET(self) -> None:
        self.seen.append((self.path, self.headers["Authorization"]))
        page = self.path.partition("?")[0].strip("/").split("/")
        getattr(self, f"show_{page[0]}")(*page[1:])

    do_HEAD = do_GET

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def show_hello(self) -> None:
        self.answer(200, b"hello world", Content_Type="text/plain")

    def show_latin(self) -> None:
        self.answer(200, "Grüße".encode("latin-1"), Content_Type="a/b; charset=latin-1")

    def show_broken(self) -> None:
        self.answer(503)

    def show_gzip(self) -> None:
        self.answer(200, gzip.compress(b"hello"), Content_Encoding="gzip")

    def show_hops(self, left: str) -> None:
        here = f"/hops/{int(left) - 1}" if int(left) > 1 else "/hello?token=geheim"
        self.answer(302, Location=here)

    def show_to(self, port: str) -> None:
        self.answer(302, Location=f"http://localhost:{port}/hello")

    def show_endless(self) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            while True:
                self.wfile.write(b"x" * 65_536)
        except OSError:
            self.close_connection = True

    def show_silence(self) -> None:
        self.rfile.read(1)  # ends when the client goes away

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *args: Any) -> None:
        """Say nothing of clients that go away."""


@pytest.fixture
def site() -> Iterator[str]:
    Site.seen.clear()
    with Server(("127.0.0.1", 0), Site) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def private(configure: Configure) -> None:
    configure(TASKYARD_PRIVATE_URLS="1")


def check(url: str, **options: Any) -> dict[str, Any]:
    return asyncio.run(check_url(url, **options))


def resolve_to(monkeypatch: pytest.MonkeyPatch, *answers: str) -> None:
    """Have the resolver answer these, one a call."""
    left = list(answers)

    async def getaddrinfo(
        loop: object, host: str, port: int, **kwargs: Any
    ) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (left.pop(0), port))]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)


@pytest.mark.usefixtures("private")
def test_it_reports_status_timing_and_text(site: str) -> None:
    result = check(f"{site}/hello", expect_text="world")
    assert (result["status"], result["answer"]) == (200, "200 OK")
    assert result["text_found"] is True
    assert result["body_bytes"] == 11
    assert result["address"] == "127.0.0.1"
    assert 0 < sum(result["timing"].values()) <= result["total_ms"]
    json.dumps(result)


@pytest.mark.usefixtures("private")
def test_missing_text_fails(site: str) -> None:
    with pytest.raises(
        TaskFailed, match=r"answered 200 OK, without “moon” in its text"
    ):
        check(f"{site}/hello", expect_text="moon")


@pytest.mark.usefixtures("private")
def test_text_is_read_in_the_charset_of_the_page(site: str) -> None:
    assert check(f"{site}/latin", expect_text="Grüße")["text_found"]


@pytest.mark.usefixtures("private")
def test_another_status_fails_unless_expected(site: str) -> None:
    with pytest.raises(TaskFailed, match="503 Service Unavailable; 200 was expected"):
        check(f"{site}/broken")
    assert check(f"{site}/broken", expect_status=503)["status"] == 503
    assert check(f"{site}/hops/1", expect_status=302)["redirects"] == []


@pytest.mark.usefixtures("private")
def test_head_is_supported(site: str) -> None:
    assert check(f"{site}/hello", method="HEAD")["body_bytes"] == 0


@pytest.mark.usefixtures("private")
def test_three_redirects_are_followed_and_no_fourth(site: str) -> None:
    assert len(check(f"{site}/hops/3")["redirects"]) == 3
    with pytest.raises(TaskFailed, match="redirects for the fourth time"):
        check(f"{site}/hops/4")


@pytest.mark.usefixtures("private")
def test_an_endless_body_is_cut(site: str) -> None:
    result = check(f"{site}/endless")
    assert result["body_cut"]
    assert result["body_bytes"] == http.BODY_LIMIT


@pytest.mark.usefixtures("private")
def test_a_silent_server_ends_in_a_timeout(site: str) -> None:
    with pytest.raises(TaskFailed, match=r"did not answer within 0.3 s"):
        check(f"{site}/silence", timeout_seconds=0.3)


@pytest.mark.usefixtures("private")
def test_a_compressed_body_is_not_searched(site: str) -> None:
    with pytest.raises(TaskFailed, match="compressed body"):
        check(f"{site}/gzip", expect_text="hello")


@pytest.mark.usefixtures("private")
def test_nobody_listening_is_said_plainly() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(TaskFailed, match=r"cannot be reached: .*refused"):
            check(f"http://127.0.0.1:{port}/")


@pytest.mark.usefixtures("private")
def test_what_is_no_tls_is_said_plainly(site: str) -> None:
    with pytest.raises(TaskFailed, match="does not speak TLS on this port"):
        check(site.replace("http:", "https:"))


@pytest.fixture
def secure_site(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Serve the site by TLS, with a certificate for localhost that ends in ten days."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "10",
    ]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with Server(("127.0.0.1", 0), Site) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"https://localhost:{server.server_port}", certificate
        server.shutdown()
        thread.join()


@pytest.mark.usefixtures("private")
def test_a_certificate_that_nobody_vouches_for_fails(
    secure_site: tuple[str, Path],
) -> None:
    with pytest.raises(
        TaskFailed, match=r"certificate of localhost.* is not valid: self"
    ):
        check(f"{secure_site[0]}/hello")


@pytest.mark.usefixtures("private")
def test_a_certificate_is_checked_against_the_name_and_its_end_told(
    secure_site: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, certificate = secure_site
    trusting = ssl.create_default_context(cafile=certificate)
    monkeypatch.setattr(http, "_tls", lambda: trusting)
    assert check(f"{url}/hello")["certificate_days_left"] in (9, 10)
    with pytest.raises(TaskFailed, match="is not valid: IP address mismatch"):
        check(url.replace("localhost", "127.0.0.1"))


def test_an_unknown_host_is_said_plainly() -> None:
    with pytest.raises(TaskFailed, match=r"host no\.such\.invalid cannot be resolved"):
        check("http://no.such.invalid/")


@pytest.mark.usefixtures("private")
def test_credentials_are_sent_and_never_shown(site: str) -> None:
    url = site.replace("//", "//root:geheim@")
    result = check(f"{url}/hops/1")
    assert "geheim" not in json.dumps(result)
    assert [sent for _path, sent in Site.seen] == ["Basic cm9vdDpnZWhlaW0="] * 2
    with pytest.raises(TaskFailed) as failed:
        check(f"{url}/broken?token=geheim")
    assert "geheim" not in str(failed.value)


@pytest.mark.usefixtures("private")
def test_credentials_stay_with_their_server(site: str) -> None:
    url = site.replace("//", "//root:geheim@")
    check(f"{url}/to/{site.rpartition(':')[2]}")
    assert [sent is None for _path, sent in Site.seen] == [False, True]


@pytest.mark.parametrize(
    "url", ["ftp://host/", "file:///etc/passwd", "http://", "http://a b/", "host", ""]
)
def test_only_http_addresses_are_taken(url: str) -> None:
    with pytest.raises(TaskFailed, match="no address that can be checked"):
        check(url)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "10.0.0.1", "169.254.169.254", "2130706433"],
)
def test_private_addresses_are_refused(host: str) -> None:
    with pytest.raises(TaskFailed, match="TASKYARD_PRIVATE_URLS=1"):
        check(f"http://{host}:9/")


@pytest.mark.parametrize(
    ("ip", "is_public"),
    [
        (PUBLIC, True),
        ("2606:4700::1111", True),
        ("0.0.0.0", False),  # noqa: S104 - nothing is bound
        ("100.64.0.1", False),
        ("168.63.129.16", False),
        ("192.168.1.1", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::ffff:10.0.0.1", False),
        ("::7f00:1", False),
        ("2002:7f00:1::", False),
        ("64:ff9b::a00:1", False),
        ("64:ff9b::5db8:d822", True),
        ("fd00:ec2::254", False),
        ("fe80::1", False),
        ("fec0::1", False),
        ("ff02::1", False),
    ],
)
def test_which_addresses_are_public(ip: str, is_public: bool) -> None:
    assert address.is_public(ip) is is_public


def test_a_redirect_to_a_private_address_is_refused(
    site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The first address counts as public here, the one of the redirect does not.
    monkeypatch.setattr(address, "is_public", lambda address: address == "127.0.0.1")
    resolve_to(monkeypatch, "127.0.0.1", "10.0.0.1")
    with pytest.raises(TaskFailed, match=r"leads to the private address 10\.0\.0\.1"):
        check(f"{site}/to/9")
    assert [path for path, _sent in Site.seen] == ["/to/9"]


def test_the_address_that_was_checked_is_dialled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A name that resolves to a private address the second time gains nothing by it."""
    dialled: list[str] = []

    async def open_connection(host: str, port: int, **kwargs: Any) -> None:
        dialled.append(host)
        raise ConnectionRefusedError(111, "refused")

    resolve_to(monkeypatch, PUBLIC, "127.0.0.1")
    monkeypatch.setattr(http.asyncio, "open_connection", open_connection)
    with pytest.raises(TaskFailed, match="cannot be reached"):
        check("http://rebinding.example/")
    assert dialled == [PUBLIC]
