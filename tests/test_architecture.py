"""What keeps the parts apart, checked on the source itself."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from tasks.conf import PROJECT_ROOT

#: No file is longer, in lines; those below are, and the list only shrinks.
CEILING = 300
LONG_FILES = {
    "static/taskyard.css",
    "tests/dashboard/pages/test_jobs.py",
    "tests/tasks/builtin/test_web.py",
}

#: Packages that speak to Redis; only the broker may import them.
REDIS_PACKAGES = {"rq", "redis", "django_rq", "rq_scheduler"}

#: Where keys may be written down: one module, and the Lua scripts.
KEYS_MODULE = PROJECT_ROOT / "tasks" / "broker" / "keys.py"

SCRIPTS = sorted((PROJECT_ROOT / "tasks" / "broker" / "scripts").glob("*.lua"))
TEMPLATES = sorted((PROJECT_ROOT / "templates").rglob("*.html"))


def python_files(*folders: str) -> list[Path]:
    return sorted(
        path
        for folder in folders
        for path in (PROJECT_ROOT / folder).rglob("*.py")
        if "migrations" not in path.parts
    )


def name_of(path: Path) -> str:
    return path.relative_to(PROJECT_ROOT).as_posix()


def imported(path: Path) -> Iterator[str]:
    """Yield the dotted names that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)} has a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def importers(folders: tuple[str, ...], *packages: str) -> set[str]:
    """Return the files of `folders` that import one of the packages."""
    return {
        name_of(path)
        for path in python_files(*folders)
        for name in imported(path)
        if any(
            name == package or name.startswith(f"{package}.") for package in packages
        )
    }


# Imports run one way: dashboard → tasks → tasks.broker → rq, redis.


def test_tasks_never_imports_the_dashboard() -> None:
    assert importers(("tasks",), "dashboard") == set()


def test_only_the_broker_imports_redis_and_rq() -> None:
    found = importers(("tasks", "dashboard"), *REDIS_PACKAGES)
    assert {name for name in found if not name.startswith("tasks/broker/")} == set()


def test_the_broker_imports_nothing_of_what_stands_on_it() -> None:
    allowed = {"broker", "conf", "errors", "process", "states", "stored_words", "text"}
    found = {
        f"{name_of(path)}: {name}"
        for path in python_files("tasks/broker")
        for name in imported(path)
        if name.startswith("tasks.") and name.split(".")[1] not in allowed
    }
    assert found == set()


def test_the_models_import_neither_the_broker_nor_what_uses_them() -> None:
    found = {
        f"{name_of(path)}: {name}"
        for path in python_files("tasks/models")
        for name in imported(path)
        if name.startswith("tasks.") and name.split(".")[1] not in ("models", "states")
    }
    assert found == set()


def test_the_worker_needs_no_ledger() -> None:
    """A worker host holds no database: nothing that it loads may need one."""
    assert importers(("tasks/worker",), "tasks.models", "tasks.ledger") == set()


def test_no_code_imports_the_tests() -> None:
    assert importers(("tasks", "dashboard", "benchmarks"), "tests") == set()


def test_no_view_queries_by_state() -> None:
    """Questions about jobs are querysets and reports of the domain."""
    found = {
        name_of(path)
        for path in python_files("dashboard")
        if re.search(r"\.filter\([^)]*\b(state|status)\b", path.read_text())
    }
    assert found == set()


# Keys and scripts.


def key_literals(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text())
    docstrings = {
        node.body[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and node.body
        if isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Constant) and node not in docstrings
        if is_text and re.match(r"(rq|taskyard):", str(node.value)):
            yield str(node.value)


def test_keys_are_written_down_in_one_module() -> None:
    found = {
        f"{name_of(path)}: {key}"
        for path in python_files("tasks", "dashboard")
        if path != KEYS_MODULE
        for key in key_literals(path)
    }
    assert found == set()


SCRIPTS_COMMON = (PROJECT_ROOT / "tasks/broker/scripts/common.lua").read_text()


def lua_keys(text: str) -> set[str]:
    """Return the literal beginnings of keys in a script's code."""
    code = re.sub(r"--.*", "", text)
    return set(re.findall(r"'((?:rq|taskyard):[a-z_:-]*)", code))


def documented(path: Path) -> str:
    """Return a script's first comment, with that of the shared part."""
    texts = [SCRIPTS_COMMON, path.read_text()]
    heads = [re.match(r"(--[^\n]*\n)+", text) for text in texts]
    claim = (PROJECT_ROOT / "tasks/broker/scripts/claim.lua").read_text()
    if "what claim.lua names" in texts[1]:
        heads.append(re.match(r"(--[^\n]*\n)+", claim))
    return "\n".join(head[0] for head in heads if head)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_says_on_top_what_it_does_and_takes(path: Path) -> None:
    head = re.match(r"(--[^\n]*\n)+", path.read_text())
    assert head is not None
    assert path.stem == "common" or re.search(r"ARGV|KEYS", head[0])


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_names_every_key_that_it_uses(path: Path) -> None:
    known = documented(path)
    assert {key for key in lua_keys(path.read_text()) if key not in known} == set()


#: Commands that a full Redis refuses, as redis-py names them.
TAKES_MEMORY = "set|setex|hset|hincrby|incr|sadd|zadd|lpush|rpush|xgroup_create"


def test_what_must_work_in_a_full_redis_is_written_by_scripts() -> None:
    """Plain writes are refused at maxmemory, and in a MULTI every command is; only the
    lines of logs may be lost (XADD)."""
    plain = rf"(client|pipeline)(\(\))?\.({TAKES_MEMORY})\("
    found = {
        name_of(path)
        for path in python_files("tasks/broker")
        if re.search(rf"{plain}|transaction=True|\.pipeline\(\)", path.read_text())
    }
    assert found == set()


# Templates: a strict content security policy, and nothing that is not escaped.


@pytest.mark.parametrize("path", TEMPLATES, ids=name_of)
def test_a_template_has_nothing_that_the_policy_forbids(path: Path) -> None:
    text = path.read_text()
    if path.name != "base.html":
        assert "<script" not in text
    assert not re.search(r"<script(?![^>]*\bsrc=)", text)
    assert not re.search(r"\sstyle\s*=|<style", text)
    assert not re.search(r"<[^>]*\son[a-z]+\s*=", text)
    assert not re.search(r"""(href|src|action)=["']\s*(javascript:|https?:|//)""", text)


@pytest.mark.parametrize("path", TEMPLATES, ids=name_of)
def test_a_template_escapes_everything(path: Path) -> None:
    assert not re.search(r"\|\s*safe|autoescape", path.read_text())


def test_no_code_marks_text_as_safe() -> None:
    """format_html escapes; mark_safe and SafeString(...) would not."""
    found = {
        name_of(path)
        for path in python_files("tasks", "dashboard")
        if re.search(r"\bmark_safe\b|\bSafeString\(|\bSafeText\(", path.read_text())
    }
    assert found == set()


# Files.


def own_files() -> Iterator[Path]:
    yield from python_files("tasks", "dashboard", "tests", "benchmarks")
    yield from SCRIPTS
    yield from TEMPLATES
    for pattern in ("*.css", "*.js"):
        yield from (PROJECT_ROOT / "static").glob(pattern)


def test_no_file_is_too_long() -> None:
    long = {
        name_of(path) for path in own_files() if path.read_text().count("\n") > CEILING
    }
    assert long - LONG_FILES == set(), "split them"
    assert LONG_FILES - long == set(), "take them off the list"


def test_third_party_files_carry_their_version() -> None:
    vendored = sorted((PROJECT_ROOT / "static/vendor").glob("*.[!m]*"))
    assert vendored
    assert [
        path.name for path in vendored if not re.search(r"\d+\.\d+", path.name)
    ] == []


@pytest.mark.django_db
def test_no_migration_is_missing() -> None:
    call_command("makemigrations", "--check", "--dry-run", stdout=StringIO())
