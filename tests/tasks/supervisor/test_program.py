from __future__ import annotations

import pytest

from tasks.supervisor.program import Program, describe_ending


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "ended with exit code 0"),
        (3, "ended with exit code 3"),
        (-9, "was ended by SIGKILL"),
        (-40, "was ended by 40"),
    ],
)
def test_an_ending_is_said_in_words(code: int, words: str) -> None:
    assert describe_ending(code) == words


def test_its_repr_shows_no_secret() -> None:
    program = Program("x", ("x",), {"SECRET_KEY": "s3cr3t"}, stdin=b"s3cr3t")
    assert "s3cr3t" not in repr(program)
