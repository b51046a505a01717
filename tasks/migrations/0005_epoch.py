import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('tasks', '0004_recovery'),
    ]

    operations = [
        migrations.CreateModel(
            name='Epoch',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('value', models.CharField(blank=True, max_length=64)),
                ('server', models.CharField(blank=True, max_length=64)),
                ('entry', models.CharField(blank=True, max_length=64)),
                ('compared_at', models.DateTimeField(null=True, verbose_name='compared at')),
                ('next_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='next comparison at')),
                ('doubted_at', models.DateTimeField(null=True, verbose_name='doubted since')),
                ('lost_at', models.DateTimeField(null=True, verbose_name='lost data at')),
            ],
            options={
                'verbose_name': 'epoch',
                'verbose_name_plural': 'epochs',
            },
        ),
    ]
