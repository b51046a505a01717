from __future__ import annotations

import io

import pytest

from tasks.supervisor.console import LINE_LIMIT, Console, LineReader


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_line_begins_with_its_speaker_in_a_column() -> None:
    screen = io.StringIO()
    console = Console(screen)
    console.line("web", "hello")
    console.line("worker-1", "hello")
    assert screen.getvalue() == "web       | hello\nworker-1  | hello\n"


def test_names_have_colours_of_their_own_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    screen = Terminal()
    console = Console(screen)
    for name in ("web", "worker-1", "web"):
        console.line(name, "x")
    first, second, third = screen.getvalue().splitlines()
    assert first == third == "\x1b[36mweb       |\x1b[0m x"
    assert second == "\x1b[33mworker-1  |\x1b[0m x"


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    screen = Terminal()
    Console(screen).line("web", "x")
    assert screen.getvalue() == "web       | x\n"


def test_a_closed_terminal_does_not_end_the_supervisor() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    Console(Gone()).line("web", "nobody reads this")


def read(*chunks: bytes) -> list[str]:
    lines: list[str] = []
    reader = LineReader(lines.append)
    for chunk in chunks:
        reader.data_received(chunk)
    reader.connection_lost(None)
    return lines


def test_lines_are_whole_however_they_arrive() -> None:
    assert read(b"on", b"e\ntw", b"o\r\n", b"three") == ["one", "two", "three"]


def test_bytes_that_are_no_text_are_replaced() -> None:
    assert read(b"\xff\n") == ["\ufffd"]


def test_a_line_without_end_is_broken() -> None:
    assert [len(line) for line in read(b"x" * (LINE_LIMIT + 1), b"y\n")] == [
        LINE_LIMIT + 1,
        1,
    ]
