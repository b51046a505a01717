"""Every address of the web process."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.decorators import login_required
from django.urls import path

from dashboard import health, live
from dashboard.api import api
from dashboard.pages import (
    account,
    backfills,
    calendars,
    doctor,
    jobs,
    overview,
    queues,
    schedule_forms,
    schedules,
    tasks,
    workers,
)

# The admin shares the sign-in page; whoever is signed in without staff rights is told so.
admin.site.site_title = admin.site.site_header = "Taskyard"
admin.site.login = login_required(admin.site.login)  # type: ignore[method-assign]

urlpatterns = [
    path("", overview.show, name="overview"),
    path("jobs/", jobs.list_jobs, name="jobs-list"),
    # Ids that other clients chose are any text, so the verbs are looked for first.
    path("jobs/<path:job_id>/cancel/", jobs.cancel_job, name="jobs-cancel"),
    path("jobs/<path:job_id>/stop/", jobs.stop_job, name="jobs-stop"),
    path("jobs/<path:job_id>/retry/", jobs.retry_job, name="jobs-retry"),
    path("jobs/<path:job_id>/fail/", jobs.mark_failed, name="jobs-fail"),
    path("jobs/<path:job_id>/again/", jobs.run_again, name="jobs-again"),
    path("jobs/<path:job_id>/log/", jobs.show_log, name="jobs-log"),
    path("jobs/<path:job_id>/", jobs.show_job, name="jobs-detail"),
    path("tasks/", tasks.list_tasks, name="tasks-list"),
    path("tasks/<path:name>/run/", tasks.run_task, name="tasks-run"),
    path("tasks/<path:name>/", tasks.show_task, name="tasks-detail"),
    path("queues/", queues.list_queues, name="queues-list"),
    path("queues/<path:name>/pause/", queues.pause, name="queues-pause"),
    path("queues/<path:name>/resume/", queues.resume, name="queues-resume"),
    path("workers/", workers.list_workers, name="workers-list"),
    path("workers/quiet/", workers.quiet_all, name="workers-quiet-all"),
    path("workers/wake/", workers.wake_all, name="workers-wake-all"),
    path("workers/<path:name>/quiet/", workers.quiet, name="workers-quiet"),
    path("workers/<path:name>/wake/", workers.wake, name="workers-wake"),
    path("workers/<path:name>/stop/", workers.stop, name="workers-stop"),
    path("schedules/", schedules.list_schedules, name="schedules-list"),
    # No schedule's name begins with "-", so these stand beside the names.
    path("schedules/-/new/", schedule_forms.new, name="schedules-new"),
    path("schedules/-/create/", schedule_forms.create, name="schedules-create"),
    path("schedules/-/preview/", schedule_forms.preview, name="schedules-preview"),
    path("schedules/-/timeline/", schedules.show_timeline, name="schedules-timeline"),
    path("schedules/-/calendars/", calendars.list_calendars, name="calendars-list"),
    path("schedules/-/calendars/+add/", calendars.add, name="calendars-add"),
    path(
        "schedules/-/calendars/<path:name>/delete/",
        calendars.delete,
        name="calendars-delete",
    ),
    path(
        "schedules/-/calendars/<path:name>/",
        calendars.show_calendar,
        name="calendars-detail",
    ),
    path(
        "schedules/-/backfills/<number>/pause/", backfills.pause, name="backfills-pause"
    ),
    path(
        "schedules/-/backfills/<number>/go-on/", backfills.go_on, name="backfills-go-on"
    ),
    path(
        "schedules/-/backfills/<number>/abort/", backfills.abort, name="backfills-abort"
    ),
    path("schedules/<path:name>/edit/", schedule_forms.edit, name="schedules-edit"),
    path(
        "schedules/<path:name>/change/", schedule_forms.change, name="schedules-change"
    ),
    path(
        "schedules/<path:name>/arguments/",
        schedule_forms.ask_arguments,
        name="schedules-arguments",
    ),
    path("schedules/<path:name>/run/", schedule_forms.run_now, name="schedules-run"),
    path("schedules/<path:name>/enable/", schedules.enable, name="schedules-enable"),
    path("schedules/<path:name>/disable/", schedules.disable, name="schedules-disable"),
    path("schedules/<path:name>/reset/", schedules.reset, name="schedules-reset"),
    path("schedules/<path:name>/delete/", schedules.delete, name="schedules-delete"),
    path("schedules/<path:name>/backfill/", backfills.ask, name="schedules-backfill"),
    path(
        "schedules/<path:name>/backfill/start/", backfills.start, name="backfills-start"
    ),
    path("schedules/<path:name>/", schedules.show_schedule, name="schedules-detail"),
    path("doctor/", doctor.show, name="doctor"),
    path("live/", live.stream, name="live"),
    path("healthz", health.check, name="healthz"),
    path("sign-in/", account.sign_in, name="sign-in"),
    path("sign-in/<uidb64>/<token>/", account.sign_in_by_link, name="sign-in-link"),
    path("sign-out/", account.sign_out, name="sign-out"),
    path("theme/", account.set_theme, name="theme"),
    path("language/", account.set_language, name="set_language"),
    path("api/v1/", api.urls),
    path("admin/", admin.site.urls),
]

handler400 = "dashboard.errors.bad_request"
handler403 = "dashboard.errors.forbidden"
handler404 = "dashboard.errors.not_found"
handler500 = "dashboard.errors.server_error"
