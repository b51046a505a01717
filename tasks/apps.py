from __future__ import annotations

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _

from tasks import checks  # noqa: F401 - registers what Django checks
from tasks.registry import load_tasks, registry


class TasksConfig(AppConfig):
    name = "tasks"
    verbose_name = _("Taskyard")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        load_tasks()
        autodiscover_modules("tasks")
        registry.check()
