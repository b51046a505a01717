from __future__ import annotations

import django.db.models.deletion
import django.utils.timezone
import uuid
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('tasks', '0007_operator_label'),
    ]

    operations = [
        migrations.CreateModel(
            name='Backfill',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('first_at', models.DateTimeField(verbose_name='from')),
                ('last_at', models.DateTimeField(verbose_name='until')),
                ('reprocess', models.CharField(choices=[('none', 'those that never ran'), ('failed', 'those that never ran or failed'), ('all', 'all of them')], default='none', max_length=8, verbose_name='which moments')),
                ('newest_first', models.BooleanField(default=False, verbose_name='newest first')),
                ('at_once', models.PositiveIntegerField(default=1, verbose_name='at once, at most')),
                ('state', models.CharField(choices=[('running', 'running'), ('paused', 'paused'), ('aborted', 'aborted'), ('done', 'done')], default='running', max_length=8, verbose_name='state')),
                ('total', models.PositiveIntegerField(default=0, verbose_name='moments')),
                ('cursor', models.DateTimeField(null=True, verbose_name='submitted up to')),
                ('unended', models.JSONField(default=list, verbose_name='jobs that go on')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='created at')),
                ('created_by', models.CharField(blank=True, max_length=200, verbose_name='created by')),
                ('ended_at', models.DateTimeField(null=True, verbose_name='ended at')),
            ],
            options={
                'verbose_name': 'backfill',
                'verbose_name_plural': 'backfills',
                'ordering': ['-created_at', '-id'],
            },
        ),
        migrations.CreateModel(
            name='Calendar',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=200, unique=True, verbose_name='name')),
                ('days', models.JSONField(default=dict, verbose_name='days')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='created at')),
                ('changed_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='changed at')),
                ('changed_by', models.CharField(blank=True, max_length=200, verbose_name='changed by')),
            ],
            options={
                'verbose_name': 'calendar',
                'verbose_name_plural': 'calendars',
                'ordering': ['name'],
            },
        ),
        migrations.CreateModel(
            name='Pace',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('free_at', models.DateTimeField(verbose_name='free at')),
            ],
            options={
                'verbose_name': 'pace',
                'verbose_name_plural': 'paces',
            },
        ),
        migrations.CreateModel(
            name='Schedule',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=200, unique=True, verbose_name='name')),
                ('task', models.CharField(max_length=255, verbose_name='task')),
                ('args', models.JSONField(default=list, verbose_name='arguments')),
                ('kwargs', models.JSONField(default=dict, verbose_name='named arguments')),
                ('queue', models.CharField(blank=True, max_length=200, verbose_name='queue')),
                ('timeout', models.IntegerField(null=True, verbose_name='timeout, seconds')),
                ('retries', models.PositiveIntegerField(null=True, verbose_name='retries')),
                ('tags', models.JSONField(default=list, verbose_name='tags')),
                ('at_front', models.BooleanField(default=False, verbose_name='before others')),
                ('kind', models.CharField(choices=[('cron', 'cron expression'), ('every', 'every so often, from start to start'), ('after', 'so long after the end of the last run'), ('once', 'once')], default='cron', max_length=8, verbose_name='kind')),
                ('expression', models.CharField(blank=True, max_length=500, verbose_name='expression')),
                ('every', models.FloatField(null=True, verbose_name='every, seconds')),
                ('at', models.DateTimeField(null=True, verbose_name='moment')),
                ('zone', models.CharField(default='UTC', max_length=64, verbose_name='time zone')),
                ('starts_at', models.DateTimeField(null=True, verbose_name='from')),
                ('ends_at', models.DateTimeField(null=True, verbose_name='until')),
                ('most_fires', models.PositiveIntegerField(null=True, verbose_name='runs at most')),
                ('jitter', models.FloatField(default=0, verbose_name='spread over, seconds')),
                ('on_day_off', models.CharField(choices=[('run', 'run all the same'), ('skip', 'skip it'), ('next', 'move it to the next working day'), ('previous', 'move it to the working day before')], default='skip', max_length=8, verbose_name='on a day off')),
                ('misfire', models.CharField(choices=[('skip', 'skip them'), ('once', 'run once for all of them'), ('all', 'run each of them')], default='once', max_length=8, verbose_name='when moments were missed')),
                ('misfire_most', models.PositiveIntegerField(default=100, verbose_name='missed runs at most')),
                ('misfire_age', models.FloatField(null=True, verbose_name='missed runs not older than')),
                ('grace', models.FloatField(default=60, verbose_name='grace, seconds')),
                ('overlap', models.CharField(choices=[('allow', 'run beside it'), ('skip', 'skip the new one'), ('queue_one', 'let one wait for its end'), ('queue_all', 'let all wait, one after the other'), ('cancel', 'ask it to end, then run'), ('stop', 'stop it and run')], default='allow', max_length=16, verbose_name='when the last run goes on')),
                ('enabled', models.BooleanField(default=True, verbose_name='enabled')),
                ('disabled_at', models.DateTimeField(null=True, verbose_name='disabled at')),
                ('declared', models.JSONField(null=True, verbose_name='declared in code')),
                ('overrides', models.JSONField(default=dict, verbose_name='changed by people')),
                ('gone_at', models.DateTimeField(null=True, verbose_name='gone from the code at')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='created at')),
                ('created_by', models.CharField(blank=True, max_length=200, verbose_name='created by')),
                ('changed_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='changed at')),
                ('changed_by', models.CharField(blank=True, max_length=200, verbose_name='changed by')),
                ('version', models.PositiveIntegerField(default=1, verbose_name='version')),
                ('cursor', models.DateTimeField(default=django.utils.timezone.now, verbose_name='decided until')),
                ('next_due_at', models.DateTimeField(null=True, verbose_name='next due at')),
                ('next_at', models.DateTimeField(null=True, verbose_name='next run at')),
                ('look_at', models.DateTimeField(null=True, verbose_name='next look at')),
                ('awaits', models.CharField(blank=True, max_length=255, verbose_name='awaits the end of')),
                ('fired', models.PositiveIntegerField(default=0, verbose_name='runs so far')),
                ('told_overdue_at', models.DateTimeField(null=True, verbose_name='told overdue at')),
                ('calendar', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, to='tasks.calendar', verbose_name='calendar')),
            ],
            options={
                'verbose_name': 'schedule',
                'verbose_name_plural': 'schedules',
                'ordering': ['name'],
                'permissions': [('manage_schedule', 'Can manage schedules and calendars')],
            },
        ),
        migrations.CreateModel(
            name='Fire',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('due_at', models.DateTimeField(verbose_name='due at')),
                ('nominal_at', models.DateTimeField(null=True, verbose_name='by the rule at')),
                ('verdict', models.CharField(choices=[('ran', 'ran'), ('late', 'ran late'), ('skipped', 'skipped'), ('missed', 'missed'), ('paused', 'disabled'), ('excluded', 'day off'), ('refused', 'refused')], max_length=8, verbose_name='decision')),
                ('job_key', models.CharField(blank=True, max_length=255, verbose_name='job')),
                ('blocked_by', models.CharField(blank=True, max_length=255, verbose_name='blocked by')),
                ('decided_at', models.DateTimeField(verbose_name='decided at')),
                ('reason', models.CharField(blank=True, max_length=32, verbose_name='reason')),
                ('facts', models.JSONField(default=dict, verbose_name='facts')),
                ('count', models.PositiveIntegerField(default=1, verbose_name='moments')),
                ('backfill', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='fires', to='tasks.backfill')),
                ('schedule', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='fires', to='tasks.schedule', verbose_name='schedule')),
            ],
            options={
                'verbose_name': 'fire',
                'verbose_name_plural': 'fires',
                'ordering': ['-due_at', '-id'],
            },
        ),
        migrations.AddField(
            model_name='backfill',
            name='schedule',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='backfills', to='tasks.schedule', verbose_name='schedule'),
        ),
        migrations.AddIndex(
            model_name='schedule',
            index=models.Index(condition=models.Q(('enabled', True), ('look_at__isnull', False)), fields=['look_at', 'id'], name='schedule_due'),
        ),
        migrations.AddIndex(
            model_name='schedule',
            index=models.Index(condition=models.Q(('awaits', ''), _negated=True), fields=['awaits'], name='schedule_awaits'),
        ),
        migrations.AddIndex(
            model_name='schedule',
            index=models.Index(condition=models.Q(('told_overdue_at__isnull', False)), fields=['told_overdue_at'], name='schedule_told_overdue'),
        ),
        migrations.AddIndex(
            model_name='fire',
            index=models.Index(fields=['schedule', '-due_at'], name='fire_newest'),
        ),
        migrations.AddIndex(
            model_name='fire',
            index=models.Index(condition=models.Q(('job_key', ''), _negated=True), fields=['schedule', 'backfill', '-due_at'], name='fire_newest_job'),
        ),
        migrations.AddIndex(
            model_name='fire',
            index=models.Index(condition=models.Q(('job_key', ''), _negated=True), fields=['job_key'], name='fire_job'),
        ),
        migrations.AddIndex(
            model_name='fire',
            index=models.Index(condition=models.Q(('verdict', 'refused')), fields=['-decided_at'], name='fire_refused'),
        ),
        migrations.AddConstraint(
            model_name='fire',
            constraint=models.UniqueConstraint(condition=models.Q(('backfill', None)), fields=('schedule', 'due_at'), name='fire_once'),
        ),
        migrations.AddConstraint(
            model_name='fire',
            constraint=models.UniqueConstraint(condition=models.Q(('backfill__isnull', False)), fields=('backfill', 'due_at'), name='backfill_once'),
        ),
    ]
