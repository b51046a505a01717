from __future__ import annotations

from argparse import ArgumentTypeError

import pytest

from tasks.supervisor.options import (
    Options,
    parse_address,
    parse_port,
    parse_seconds,
    parse_workers,
)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.7:6379", ("192.0.2.7", 6379)),
        ("[::1]:6379", ("::1", 6379)),
        ("host.example:1", ("host.example", 1)),
    ],
)
def test_an_address_is_a_host_and_a_port(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["", "host", ":6379", "host:", "host:0", "host:x"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError):
        parse_address(text)


@pytest.mark.parametrize("text", ["0", "65536", "-1", "http", "8000.5"])
def test_what_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="is not a port"):
        parse_port(text)


@pytest.mark.parametrize("text", ["-1", "many", "257"])
def test_what_is_no_number_of_workers_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="is not a number of workers"):
        parse_workers(text)


@pytest.mark.parametrize("text", ["-1", "soon", "nan", "inf"])
def test_what_is_no_number_of_seconds_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="is not a number of seconds"):
        parse_seconds(text)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),  # noqa: S104 - nothing is bound
        ("::", "http://[::1]:8000"),
    ],
)
def test_the_address_of_the_pages_is_one_a_browser_can_open(
    host: str, url: str
) -> None:
    assert Options(host=host).base_url == url
