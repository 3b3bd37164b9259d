"""`bridge serve`: the daemon."""

import os
from functools import partial
from pathlib import Path

import click
import trio
from attrs import evolve

from bridge import config
from bridge.commands.options import CONFIG, HOST_URL, PUBLIC_URL, with_overrides
from bridge.errors import ConfigError
from bridge.extras import missing_extras
from bridge.machine import leave_hung_threads, steady_malloc
from bridge.screen.errors import explains_errors, quiet_interrupt
from bridge.web.lean import lean


@click.command()
@CONFIG
@PUBLIC_URL
@HOST_URL
@click.option("--bind", help="host:port to listen on.")
@click.option("--log-json", is_flag=True, help='Log JSON lines, as [logging] format = "json" does.')
@explains_errors
def serve(path: Path, public_url: str | None, host_url: str | None, bind: str | None, log_json: bool) -> None:
    """Answer the phone until SIGTERM or Ctrl-C, then drain.

    The first signal stops taking calls and lets live ones end for drain_seconds; a second one ends at once.
    SIGHUP reads the configuration, the secrets and the tools again, for calls from then on.
    A socket that systemd passes is used in place of bind, and systemd is told how the daemon is.
    """
    steady_malloc()
    read = partial(_read_all, path, log_json, public_url=public_url, host_url=host_url, bind=bind)
    with lean():
        from bridge.logs import crash_logged
    settings, secrets = read()
    with lean():  # most of all start-up time, and only this command needs it
        from bridge.daemon import service
        from bridge.daemon.notify import notifier_from
        from bridge.web.listener import passed_socket

    surroundings = service.Surroundings(
        notifier_from(os.environ, os.getpid()), passed_socket(os.environ, os.getpid()), read
    )
    with crash_logged(), quiet_interrupt():
        trio.run(service.serve, settings, secrets, surroundings)
    leave_hung_threads(0)


def _read_all(path: Path, log_json: bool, **said: str | None) -> tuple[config.Settings, config.Secrets]:
    """Return everything the daemon will not start without, and log from now on as it says. Raises `ConfigError`.

    New secrets are kept out of the log from the moment they are known.
    """
    settings = with_overrides(config.load(path), **said)
    if log_json:
        settings = evolve(settings, logging=evolve(settings.logging, format="json"))
    secrets = config.read_secrets(settings, os.environ)
    if missing := [*config.missing_secrets(settings, secrets), *missing_extras(settings)]:
        raise ConfigError([f"{path}: {sentence}" for sentence in missing])
    from bridge.logs import log_as

    log_as(settings, secrets, os.environ)
    return settings, secrets
