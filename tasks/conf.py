"""Taskyard's settings: read once from the environment or `taskyard.env`, checked whole.

Works without Django, so that a worker needs nothing but REDIS_URL and TASKYARD_TASKS.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import string
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from django.apps import apps
from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from tasks.errors import ConfigurationError
from tasks.text import gettext as _
from tasks.text import name_problem
from tasks.wording import word_problem

#: The one file that settings may stand in, beside where the command is started.
SETTINGS_FILE = "taskyard.env"

PROJECT_ROOT = Path(__file__).resolve().parent.parent

#: Unix sockets cannot have longer paths (sun_path is 104 to 108 bytes).
SOCKET_PATH_LIMIT = 100

#: Those that texts are kept in, each in its own name.
LANGUAGES = {"en": "English", "zh-hans": "简体中文"}

Names = Annotated[tuple[str, ...], NoDecode]


class Config(BaseSettings):
    """Every setting, under its name in the environment in lower case."""

    model_config = SettingsConfigDict(
        env_file=SETTINGS_FILE, env_ignore_empty=True, extra="ignore"
    )

    redis_url: str = ""
    database_url: str = ""
    secret_key: str = Field(default="", min_length=0)
    taskyard_tasks: Names = ()
    taskyard_apps: Names = ()
    taskyard_rq_modules: Names = ()
    #: Queues whose jobs may be pickled, which lets their clients run any code.
    taskyard_pickle_queues: Names = ()
    taskyard_shell: bool = False
    taskyard_private_urls: bool = False
    taskyard_hosts: Names = ()
    taskyard_language: str = ""
    #: Whether a job that its workers died of is set aside after three deaths.
    taskyard_quarantine: bool = True
    #: Days for which the ledger keeps the loss of a worker; pages show it for one.
    taskyard_recovery_days: int = Field(default=30, ge=1, le=36_500)
    #: Days for which the ledger keeps what became of due moments.
    taskyard_fire_days: int = Field(default=90, ge=1, le=36_500)
    taskyard_data: Path = PROJECT_ROOT / "data"

    @field_validator(
        "taskyard_tasks",
        "taskyard_apps",
        "taskyard_rq_modules",
        "taskyard_pickle_queues",
        "taskyard_hosts",
        mode="before",
    )
    @classmethod
    def split_names(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("taskyard_tasks", "taskyard_apps")
    @classmethod
    def check_modules(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name == "tasks":
                raise ValueError(
                    _(
                        "a module named tasks would hide Taskyard's own;"
                        " rename your module, e.g. jobs.py"
                    )
                )
            if not all(part.isidentifier() for part in name.split(".")):
                text = _("%(name)s is not the name of a Python module")
                raise ValueError(text % {"name": repr(name)})
        return names

    @field_validator("taskyard_rq_modules")
    @classmethod
    def check_patterns(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            module = name.removesuffix(".*")
            if not all(part.isidentifier() for part in module.split(".")):
                text = _("%(name)s is neither a module nor a pkg.* prefix")
                raise ValueError(text % {"name": repr(name)})
        return names

    @field_validator("redis_url")
    @classmethod
    def check_redis_url(cls, url: str) -> str:
        if url and not url.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError(_("must begin with redis://, rediss:// or unix://"))
        return url

    @field_validator("secret_key")
    @classmethod
    def check_secret_key(cls, key: str) -> str:
        if key and len(key) < 32:
            raise ValueError(
                _("is shorter than 32 characters; leave it out and one is made")
            )
        return key

    @field_validator("taskyard_language")
    @classmethod
    def check_language(cls, code: str) -> str:
        if code and code not in LANGUAGES:
            raise ValueError(
                _("must be one of %(expected)s") % {"expected": ", ".join(LANGUAGES)}
            )
        return code

    @field_validator("taskyard_data")
    @classmethod
    def make_absolute(cls, path: Path) -> Path:
        return path.expanduser().absolute()

    def broker_url(self) -> str:
        """Return where Redis is: as set, else the embedded one of the data folder."""
        if self.redis_url:
            return self.redis_url
        noted = self.taskyard_data / "redis.url"
        if noted.exists():
            return noted.read_text().strip()
        return f"unix://{self.taskyard_data / 'redis.sock'}"

    def language(self) -> str:
        """Return the language of commands, of workers and of pages that ask for none."""
        return self.taskyard_language or _language_of_system()

    def serves(self, module: str) -> bool:
        """Say whether TASKYARD_RQ_MODULES admits functions of `module`."""
        return any(
            module == name
            or (name.endswith(".*") and module.startswith(name.removesuffix("*")))
            for name in self.taskyard_rq_modules
        )

    def unpickles(self, queue: str) -> bool:
        """Say whether TASKYARD_PICKLE_QUEUES lets children unpickle jobs of `queue`."""
        return queue in self.taskyard_pickle_queues


def _language_of_system() -> str:
    """Return the language of the locale; the first variable that is set decides."""
    named = [os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG")]
    locale = next(filter(None, named), "")
    return "zh-hans" if locale.startswith("zh") else "en"


@cache
def get_config() -> Config:
    """Return the settings, read once.

    Raises ConfigurationError that names every wrong value.
    """
    try:
        return Config()
    except ValidationError as error:
        raise ConfigurationError(_describe(error)) from error


def _describe(error: ValidationError) -> str:
    return "\n".join(
        name_problem(_setting_name(problem["loc"]), word_problem(problem))
        for problem in error.errors()
    )


def _setting_name(location: tuple[Any, ...]) -> str:
    return ".".join(str(part) for part in location).upper()


def load_secret_key() -> str:
    """Return SECRET_KEY: as set, else the one kept in the data folder, made when absent."""
    config = get_config()
    return config.secret_key or kept_secret(config.taskyard_data / "secret_key", 50)


def kept_secret(path: Path, length: int) -> str:
    """Return the secret kept in `path`, readable by its owner only; made when absent."""
    if path.exists():
        return path.read_text().strip()
    alphabet = string.ascii_letters + string.digits
    secret = "".join(secrets.choice(alphabet) for _number in range(length))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(secret)
    return secret


#: Set (to anything) in a process that has no ledger: a worker without DATABASE_URL.
NO_LEDGER = "TASKYARD_NO_LEDGER"


def has_ledger() -> bool:
    """Say whether this process can write the ledger."""
    return apps.ready and NO_LEDGER not in os.environ


def can_use_ledger() -> bool:
    """Say whether the ledger may be used just here: Django's ORM refuses on a loop."""
    if not has_ledger():
        return False
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return True
    return False
