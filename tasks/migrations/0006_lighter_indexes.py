from __future__ import annotations

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

#: Tables and the length of their keys.
KEYS = {"tasks_job": 255, "tasks_attempt": 64}


def order_keys_by_bytes(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    """Let PostgreSQL find prefixes of an id by the key's own index, as SQLite does.

    Every change of a row writes an entry into each of its indexes; ids are random, so the
    second one for LIKE cost as much as the key itself.
    """
    if editor.connection.vendor != "postgresql":
        return
    for table, length in KEYS.items():
        editor.execute(
            f'ALTER TABLE {table} ALTER COLUMN id TYPE varchar({length}) COLLATE "C"'
        )
        for name in _like_indexes(editor, table):
            editor.execute(f"DROP INDEX {editor.quote_name(name)}")


def _like_indexes(editor: BaseDatabaseSchemaEditor, table: str) -> list[str]:
    with editor.connection.cursor() as cursor:
        found = editor.connection.introspection.get_constraints(cursor, table)
    return [
        name
        for name, facts in found.items()
        if facts["columns"] == ["id"] and name.endswith("_like")
    ]


class Migration(migrations.Migration):

    dependencies = [("tasks", "0005_epoch")]

    operations = [
        migrations.RunPython(order_keys_by_bytes, migrations.RunPython.noop),
        migrations.RemoveIndex(model_name="job", name="job_ended"),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                condition=models.Q(("ended_at__isnull", False)),
                fields=["state", "-ended_at"],
                name="job_ended",
            ),
        ),
    ]
