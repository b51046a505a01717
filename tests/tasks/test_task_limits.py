from __future__ import annotations

import re

import pytest

from tasks.errors import ConfigurationError
from tasks.registry import registry
from tasks.sizes import parse_size, show_size
from tasks.task_limits import checked_breaker, checked_memory, checked_output
from tests import hogs, sample


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (5, 5),
        ("0", 0),
        ("64K", 65_536),
        ("512m", 512 * 1024**2),
        ("2GB", 2 * 1024**3),
    ],
)
def test_a_size_is_bytes_or_text_with_a_unit(text: int | str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "M", "-1", "1.5G", "5 MB", "5T", "٣M"])
def test_what_names_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        parse_size(text)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (65_536, "64 KB"),
        (1_600_000, "1.5 MB"),
        (3 * 1024**3, "3 GB"),
    ],
)
def test_a_size_is_shown_in_its_largest_unit(size: int, text: str) -> None:
    assert show_size(size) == text


def test_a_task_keeps_its_limits() -> None:
    assert registry.get("tests.sample.add").memory is None
    assert hogs.hold.task.memory == 200 * 1024**2
    assert hogs.talk.task.output == 16 * 1024**2


def test_a_limit_that_is_no_size_names_the_task() -> None:
    with pytest.raises(ConfigurationError) as caught:
        checked_memory("resize", sample.add, "much")
    expected = "Task resize: memory must be bytes, or text such as 512M."
    assert str(caught.value) == expected


def test_a_coroutine_can_have_no_limit_of_memory() -> None:
    with pytest.raises(ConfigurationError, match="Make it a plain function"):
        checked_memory("resize", sample.add_async, "512M")


def test_a_limit_of_output_that_is_no_size_is_refused() -> None:
    assert checked_output("resize", "1G") == 1024**3
    with pytest.raises(ConfigurationError) as caught:
        checked_output("resize", "6 barrels")
    expected = "Task resize: output must be bytes, or text such as 512M."
    assert str(caught.value) == expected


@pytest.mark.parametrize("failures", [0, -1, True, "20", 2.5])
def test_a_breaker_is_a_number_of_failures(failures: int) -> None:
    words = re.escape(f"breaker is {failures!r}, and not a number of failures in a row")
    with pytest.raises(ConfigurationError, match=words):
        checked_breaker("mail", failures)


def test_a_task_has_no_breaker_unless_it_says_so() -> None:
    assert (sample.add.task.breaker, sample.lean.task.breaker) == (None, 5)
