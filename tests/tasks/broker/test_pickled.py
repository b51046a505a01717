from __future__ import annotations

import base64
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
from rq.serializers import PickleSerializer

from tasks.broker import wire
from tasks.broker.pickled import load_call, pack_value, peek_path
from tasks.broker.wire import PayloadUnreadable, ResultUnusable


class Trap:
    """Makes a folder when anyone unpickles it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def pickled(*call: Any, protocol: int = pickle.HIGHEST_PROTOCOL) -> bytes:
    return pickle.dumps(call, protocol)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_the_path_is_read_without_loading(tmp_path: Path, protocol: int) -> None:
    trap = Trap(tmp_path / "sprung")
    call = pickled("m.f", None, (trap,), {}, protocol=protocol)
    assert peek_path(call) == "m.f"
    assert not trap.path.exists()
    load_call(call)
    assert trap.path.exists()


@pytest.mark.parametrize("data", [b"", b"\x80", b"\x80\x05garbage", b"\x80\x05N."])
def test_what_has_no_path(data: bytes) -> None:
    assert peek_path(data) == ""


def test_a_call_is_loaded() -> None:
    call = load_call(pickled("m.f", None, (1, {2}), {"a": b"3"}))
    assert (call.path, call.instance) == ("m.f", None)
    assert (call.args, call.kwargs) == ((1, {2}), {"a": b"3"})


@pytest.mark.parametrize(
    "data", [b"\x80\x05garbage", pickle.dumps(1), pickle.dumps(())]
)
def test_what_is_no_call_is_refused(data: bytes) -> None:
    with pytest.raises(PayloadUnreadable, match="cannot be unpickled"):
        load_call(data)


def test_a_value_is_packed_as_rq_does() -> None:
    assert PickleSerializer.loads(base64.b64decode(pack_value({1, 2}))) == {1, 2}


def test_a_value_that_cannot_be_pickled_is_refused() -> None:
    with pytest.raises(ResultUnusable, match="cannot be pickled"):
        pack_value(lambda: None)


def test_a_value_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "RESULT_LIMIT", 100)
    with pytest.raises(ResultUnusable, match="at most 0 MB"):
        pack_value(b"x" * 101)
