from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import yaml

from tasks.errors import InvalidOption
from tasks.schedules.document_fields import FIELDS
from tasks.schedules.documents import InvalidDocument, dump, load

NINE = datetime(2026, 1, 31, 9, tzinfo=timezone(timedelta(hours=8)))

NIGHTLY: dict[str, Any] = {
    "name": "nightly",
    "task": "run_command",
    "args": [["a", 1, 2.5, None, True]],
    "kwargs": {"folder": "/srv", "day": "2026-01-31", "answer": "no", "size": "1e5"},
    "enabled": True,
    "kind": "cron",
    "expression": "* * * * *",
    "every": None,
    "at": None,
    "zone": "Asia/Shanghai",
    "starts_at": NINE,
    "ends_at": None,
    "most_fires": None,
    "jitter": 60.0,
    "calendar": "节假日",
    "on_day_off": "next",
    "misfire": "once",
    "misfire_most": 100,
    "misfire_age": timedelta(hours=1),
    "grace": 0.5,
    "overlap": "queue_one",
    "queue": "",
    "at_front": False,
    "retries": None,
    "timeout": 600,
    "tags": ["a", "b"],
}


def document(body: str) -> str:
    return f"- name: a\n  task: t\n{body}"


def problems(text: str) -> list[str]:
    with pytest.raises(InvalidDocument) as caught:
        load(text)
    return str(caught.value.problem).splitlines()


def test_a_document_reads_back_as_it_was() -> None:
    (found,) = load(dump([NIGHTLY]))
    without = {key: NIGHTLY[key] for key in NIGHTLY if key not in ("every", "at")}
    assert found == without | {"misfire_age": 3600}
    assert list(found) == list(without), "in the order of the fields"


def test_every_field_is_in_the_sample() -> None:
    assert NIGHTLY.keys() == FIELDS.keys()


def test_what_is_written_is_read_by_others_as_well() -> None:
    (found,) = yaml.safe_load(dump([NIGHTLY]))
    assert found["kwargs"] == NIGHTLY["kwargs"]
    assert found["starts_at"] == "2026-01-31T09:00:00+08:00"
    assert (found["jitter"], found["misfire_age"], found["grace"]) == (60, 3600, 0.5)


def test_a_document_is_the_same_whatever_the_order() -> None:
    weekly = {**NIGHTLY, "name": "weekly"}
    text = dump([weekly, NIGHTLY])
    assert text == dump([dict(reversed(NIGHTLY.items())), weekly])
    assert text.startswith("# Taskyard schedules, version 1.\n# Times are ISO 8601")
    assert text.index("nightly") < text.index("weekly")


def test_fields_of_other_kinds_are_not_written() -> None:
    once = {"name": "a", "kind": "once", "at": NINE, "expression": "", "every": None}
    assert load(dump([once])) == [{"name": "a", "kind": "once", "at": NINE}]
    after = {"name": "a", "kind": "after", "at": None, "expression": "", "every": 5}
    assert load(dump([after])) == [{"name": "a", "kind": "after", "every": 5}]


def test_lists_that_are_shared_are_written_out() -> None:
    tags = ["a"]
    text = dump([{"name": "a", "args": tags, "tags": tags}])
    assert "&" not in text


def test_no_line_is_folded() -> None:
    long = "word " * 100
    assert f"a: {long}".strip() in dump([{"name": "x", "kwargs": {"a": long.strip()}}])


def test_no_schedules_are_a_document_too() -> None:
    assert load(dump([])) == []
    assert load("[]") == []


def test_a_field_that_is_left_out_is_not_returned() -> None:
    assert load("- name: a\n  enabled: false") == [{"name": "a", "enabled": False}]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("args: [no, 2026-01-31, 12:30, 010, 0x1F, =, <<]", None),
        ("args: ['no', '2026-01-31', '12:30', '010', '0x1F', '=', '<<']", None),
    ],
)
def test_plain_words_are_text(written: str, value: None) -> None:
    (found,) = load(document(f"  {written}"))
    expected = ["no", "2026-01-31", "12:30", "010", "0x1F", "=", "<<"]
    assert found["args"] == expected


def test_json_has_its_usual_values() -> None:
    written = "args: [1, -2, 0.5, 1e3, .5, 1., true, False, null, ~, '', \"a\"]"
    (found,) = load(document(f"  {written}"))
    expected = [1, -2, 0.5, 1000.0, 0.5, 1.0, True, False, None, None, "", "a"]
    assert found["args"] == expected
    assert list(map(type, found["args"])) == list(map(type, expected))


def test_times_may_have_any_offset() -> None:
    (found,) = load(document("  at: 2026-01-31T01:00:00Z"))
    assert found["at"] == datetime(2026, 1, 31, 1, tzinfo=UTC)


# What is wrong, and where.


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("  kind: 5", "line 3: kind: must be one of cron, every, after, once"),
        ("  kind: [cron]", "line 3: kind: must be one of cron, every, after, once"),
        (
            "  overlap: skipp",
            "line 3: overlap: must be one of allow, skip, queue_one, queue_all, cancel,"
            " stop",
        ),
        ("  zone: 5", "line 3: zone: must be text: put it in quotes"),
        ("  enabled: yes", "line 3: enabled: must be true or false"),
        ("  timeout: 1.5", "line 3: timeout: must be a whole number"),
        ("  timeout: true", "line 3: timeout: must be a whole number"),
        ("  misfire_most: null", "line 3: misfire_most: must be a whole number"),
        ("  every: 1:30", "line 3: every: must be a number of seconds"),
        ("  every: true", "line 3: every: must be a number of seconds"),
        ("  jitter: -1", "line 3: jitter: must be a number of seconds"),
        ("  every: 1e999", "line 3: every: must be a number of seconds"),
        (
            "  at: 2026-01-31",
            "line 3: at: must name its time zone, such as +01:00 or Z",
        ),
        (
            "  at: tomorrow",
            "line 3: at: must be a time such as 2026-01-31T09:00:00+01:00",
        ),
        ("  at: 5", "line 3: at: must be a time such as 2026-01-31T09:00:00+01:00"),
        (
            "  at: !!timestamp 2026-01-31",
            "line 3: at: must be a time such as 2026-01-31T09:00:00+01:00",
        ),
        ("  args: {}", "line 3: args: must be a list"),
        ("  kwargs: []", "line 3: kwargs: must be a mapping"),
        ("  kwargs: {1: a}", "line 3: kwargs: must be a mapping"),
        (
            "  args: [!!timestamp 2026-01-31]",
            "line 3: args: has a value that JSON does not have",
        ),
        ("  args: [1e999]", "line 3: args: Infinity is not a number in JSON"),
        ('  task: "a\\0b"', "line 3: task: has a NUL character"),
        ("  tags: [1]", "line 3: tags: must be text: put it in quotes"),
        (
            "  overlaps: skip",
            "line 3: “overlaps” is no field of a schedule. Did you mean overlap?",
        ),
        ("  xyz: 1", "line 3: “xyz” is no field of a schedule."),
        ("  <<: {kind: cron}", "line 3: “<<” is no field of a schedule."),
        ("  enabled: true\n  enabled: false", "line 4: “enabled” is there twice"),
        ("  kwargs: {a: 1, a: 2}", "line 3: “a” is there twice"),
        ("  args: !!python/name:os.system", "line 3:  cannot be read"),
        ("  args: [{[1]: 2}]", "line 3: "),
        (f"  timeout: {'9' * 5000}", "line 3: 999"),
        ("  timeout: !!int ''", "line 3:  cannot be read"),
        ("  jitter: !!float ''", "line 3:  cannot be read"),
        ("  enabled: !!bool maybe", "line 3: maybe cannot be read"),
        ("  at: !!timestamp soon", "line 3: soon cannot be read"),
        ("  timeout: !!int [1]", "line 3: !!int cannot be read"),
        ("  ? {a: b}\n  : c", "line 3: “!!map” is no field of a schedule."),
    ],
)
def test_a_wrong_value_is_told_with_its_line(body: str, problem: str) -> None:
    text = document(body).replace("  task: t\n  task", "  enabled: true\n  task")
    (found,) = problems(text)
    assert found.startswith(problem)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            f"# Taskyard schedules, version {'9' * 5000}.\n[]",
            "line 1: it was written by a newer Taskyard (version 999999999)",
        ),
        (
            "",
            "line 1: a document is a list of schedules, each of which begins with"
            " “- name:”",
        ),
        (
            "\nname: a",
            "line 2: a document is a list of schedules, each of which begins with"
            " “- name:”",
        ),
        ("- 5", "line 1: a schedule is a mapping that begins with “name:”"),
        ("- task: t", "line 1: it has no “name”"),
        ("- name: ''", "line 1: name: must have 1 to 200 characters"),
        (f"- name: {'x' * 201}", "line 1: name: must have 1 to 200 characters"),
        (
            "- name: a\n\n- name: b\n- name: a",
            "line 4: “a” is the name of the schedule at line 1 already",
        ),
        (
            "# Taskyard schedules, version 2.\n[]",
            "line 1: it was written by a newer Taskyard (version 2)",
        ),
        ("\n" + "[" * 500_000, "line 2: it is nested too deeply"),
        ("- " * 101, "line 1: it is nested too deeply"),
        ("- [" + "x," * 400_000, "line 1: it has more than 200,000 values"),
        ("- name: \ud800", "line 1: it is not valid UTF-8 text"),
        (" " * (16 << 20) + "[]", "line 1: the document is larger than 16 MB"),
    ],
)
def test_what_is_no_document_is_told_with_its_line(text: str, problem: str) -> None:
    (found,) = problems(text)
    assert found.startswith(problem)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("- name: a\n   task: b", 2),
        ("- &a {name: b, *c }", 1),
        ("- name: a\n--- []", 2),
        ("- name: \x07", 1),
        ("- {", 1),
    ],
)
def test_what_is_no_yaml_is_told_with_its_line(text: str, line: int) -> None:
    (found,) = problems(text)
    assert found.startswith(f"line {line}: it is no YAML (")
    assert found.endswith(").")


@pytest.mark.parametrize("value", ["*/5 * * * *", "@daily", "* * * * *"])
def test_a_cron_expression_without_quotes_is_told_the_way_out(value: str) -> None:
    (found,) = problems(f"- name: a\n  expression: {value}")
    assert found.startswith("line 2: it is no YAML (")
    assert found.endswith("). Put the value in quotes.")


def test_all_problems_are_told_together() -> None:
    text = "- name: a\n  kind: x\n- task: 5\n- name: c\n  enabld: true\n"
    assert [line.split(":")[0] for line in problems(text)] == [
        "line 2",
        "line 3",
        "line 3",
        "line 5",
    ]
    assert len(problems("- 5\n" * 1000)) == 50


def test_problems_are_an_invalid_option() -> None:
    with pytest.raises(InvalidOption) as caught:
        load("- 5")
    assert caught.value.option == "document"


BOMB = "- name: a\n  kwargs:\n    a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"    {new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize("text", [BOMB, "- &a [*a]", "- &a {name: *a}"])
def test_aliases_do_not_multiply(text: str) -> None:
    words = "line 1: it has more than 200,000 values, its aliases written out"
    assert problems(text) == [words]


def test_a_few_aliases_are_read() -> None:
    text = "- name: a\n  tags: &tags [x, y]\n- name: b\n  tags: *tags\n"
    assert [one["tags"] for one in load(text)] == [["x", "y"], ["x", "y"]]
