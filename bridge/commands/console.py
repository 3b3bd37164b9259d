"""`bridge console`: the running daemon's pages, opened in a browser that is signed in."""

import getpass
import os
import socket
import time
import webbrowser
from contextlib import suppress
from pathlib import Path
from typing import Final

import click

from bridge import config
from bridge.commands.options import CONFIG
from bridge.console.auth import LINK_SECONDS, login_link
from bridge.errors import ConfigError, LinkError
from bridge.screen.errors import explains_errors, say
from bridge.settings.admin import missing_of_console

CONNECT_SECONDS: Final = 2


@click.command("console")
@click.option("--open/--no-open", "opens", default=True, help="Open it in a browser, if there is one here.")
@CONFIG
@explains_errors
def console(opens: bool, path: Path) -> None:
    """Open the console: every call, live and afterwards.

    It prints an address that signs you in, once and within two minutes, as whoever you are on this machine.
    """
    settings = config.load(path)
    token = config.read_secrets(settings, os.environ).admin_token
    _refuse(settings, path, token)
    _look_for_daemon(settings.admin.bind)
    link = settings.console.address(settings.admin.bind)
    if token:
        link = login_link(token, link, _whoever(), time.time() + LINK_SECONDS)
    say(link)
    if opens and _has_browser():
        webbrowser.open(link)


def _refuse(settings: config.Settings, path: Path, token: str) -> None:
    faults = []
    if not settings.console.on:
        faults.append(f"{path}: the console is off: write [console] on = true, and start the daemon anew")
    if settings.admin.bind.startswith("unix:") and not settings.console.url:
        faults.append(
            f"{path}: no browser opens a socket: say in [console] url where your proxy shows the console"
        )
    faults += missing_of_console(settings.admin, settings.console, has_token=bool(token))
    if faults:
        raise ConfigError(faults)


def _look_for_daemon(bind: str) -> None:
    """Make sure that somebody listens there. Raises `LinkError`."""
    try:
        if bind.startswith("unix:"):
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
                probe.connect(bind.removeprefix("unix:"))
        else:
            host, _, port = bind.rpartition(":")
            socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
    except OSError as error:
        raise LinkError(
            f"no daemon answers on {bind} ({error.strerror or error}): start `bridge serve`"
        ) from None


def _whoever() -> str:
    with suppress(OSError, KeyError, ImportError):
        return getpass.getuser()
    return ""


def _has_browser() -> bool:
    """Say whether a browser can be opened here that is not a terminal's."""
    has_screen = bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")) or os.name == "nt"
    return has_screen or os.uname().sysname == "Darwin"
