from __future__ import annotations

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

OPERATE = "Can operate jobs, queues and workers"


def rename(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    """Rename what is there already: Django itself only adds what is missing."""
    permissions = apps.get_model("auth", "Permission").objects.using(
        editor.connection.alias
    )
    permissions.filter(
        content_type__app_label="tasks", codename="operate_job"
    ).update(name=OPERATE)


class Migration(migrations.Migration):

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
        ('tasks', '0006_lighter_indexes'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='job',
            options={'ordering': ['-created_at', '-id'], 'permissions': [('submit_job', 'Can submit jobs'), ('operate_job', OPERATE)], 'verbose_name': 'job', 'verbose_name_plural': 'jobs'},
        ),
        migrations.RunPython(rename, migrations.RunPython.noop),
    ]
