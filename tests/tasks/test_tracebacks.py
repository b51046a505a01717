from __future__ import annotations

from tasks.tracebacks import split_traceback

TRACEBACK = """Traceback (most recent call last):
  File "/srv/venv/lib/python3.11/site-packages/x/a.py", line 3, in run
    return call()
           ^^^^^^
  File "/srv/venv/lib/python3.11/site-packages/x/b.py", line 4, in call
    go()
  File "/srv/shop/jobs.py", line 9, in charge
    raise Declined("<b>no</b>")
shop.Declined: <b>no</b>
"""


def test_library_frames_are_one_section() -> None:
    kinds = [(s.kind, s.frames) for s in split_traceback(TRACEBACK)]
    assert kinds == [("text", 0), ("library", 2), ("own", 0), ("text", 0)]


def test_no_line_is_lost() -> None:
    text = "\n".join(section.text for section in split_traceback(TRACEBACK))
    assert text == TRACEBACK.rstrip("\n")


def test_the_innermost_frame_is_never_folded() -> None:
    only_library = "\n".join(TRACEBACK.splitlines()[:6])
    assert [s.kind for s in split_traceback(only_library)] == ["text", "library", "own"]


def test_text_that_is_no_traceback_is_kept() -> None:
    assert [s.text for s in split_traceback("worker died\nsignal 9")] == [
        "worker died\nsignal 9"
    ]


def test_nothing_has_no_sections() -> None:
    assert split_traceback("") == []
