"""What must hold before anything starts, each failure one sentence with the way out."""

from __future__ import annotations

import errno
import socket

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection

from tasks.broker.client import broker_errors, get_client
from tasks.conf import Config
from tasks.errors import BrokerUnavailable, ConfigurationError
from tasks.supervisor.options import Address, join_address
from tasks.text import gettext as _
from tasks.text import name_problem


def check_address(address: Address, option: str) -> None:
    """Raise ConfigurationError if nothing can listen there; `option` moves it."""
    host, port = address
    where = {"address": join_address(host, port), "option": option}
    try:
        family, kind, protocol, _name, bindable = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(bindable)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            sentence = _(
                "%(address)s is in use by another program:"
                " stop it, or choose another with %(option)s."
            )
        else:
            sentence = _(
                "Nothing can listen on %(address)s (%(reason)s):"
                " choose another with %(option)s."
            )
        reason = {"reason": error.strerror}
        raise ConfigurationError(sentence % (where | reason)) from error


def check_redis() -> None:
    """Raise ConfigurationError if the Redis of REDIS_URL does not answer."""
    try:
        with broker_errors():
            get_client().ping()
    except BrokerUnavailable as error:
        raise ConfigurationError(name_problem("REDIS_URL", str(error))) from error
    except ValueError as error:  # redis-py's word for a URL that it cannot read
        raise ConfigurationError(name_problem("REDIS_URL", str(error))) from error


def check_database(config: Config) -> None:
    """Raise ConfigurationError if the database cannot be opened."""
    try:
        connection.ensure_connection()
    except (DatabaseError, ImproperlyConfigured) as error:
        raise ConfigurationError(database_problem(config, error)) from error


def database_problem(config: Config, error: Exception) -> str:
    """Return one sentence about a database that does not do what it should."""
    reason = str(error).strip().partition("\n")[0]
    if config.database_url:
        sentence = _("DATABASE_URL: the database cannot be used: %(reason)s")
    else:
        sentence = _("The database in %(folder)s cannot be used: %(reason)s")
    return sentence % {"folder": config.taskyard_data, "reason": reason}
