"""`bridge call`: have the running daemon call somebody."""

import os
from functools import partial
from pathlib import Path
from typing import Final

import click
import trio
from attrs import asdict

from bridge import config
from bridge.commands.options import CONFIG, JSON
from bridge.errors import ConfigError, OutboundError
from bridge.outbound.client import Bridge, Made, call
from bridge.screen.errors import complain, explains_errors, quiet_interrupt, say
from bridge.screen.output import print_json

EXIT_CODES: Final = {"answered": 0, "": 0, "busy": 3, "no_answer": 4, "failed": 5, "canceled": 6}
REFUSED: Final = 1
"""The call was not made: by a setting, a list, the hour, or a limit."""

WORDS: Final = {"no_answer": "no answer", "canceled": "cancelled"}


@click.command("call")
@click.argument("agent")
@click.argument("number")
@click.option(
    "--var", "pairs", multiple=True, metavar="NAME=VALUE", help="What the agent knows of this call."
)
@click.option(
    "--time-zone", default="", help="Where the callee is, if the number does not tell: Europe/Berlin."
)
@click.option("--wait/--no-wait", default=True, help="Wait until it is known whether anybody answers.")
@CONFIG
@JSON
@explains_errors
def call_command(
    agent: str, number: str, pairs: tuple[str, ...], time_zone: str, wait: bool, path: Path, as_json: bool
) -> None:
    """Have AGENT call NUMBER, such as +15550100199, by the daemon that runs with this configuration.

    It asks the daemon's admin address, and needs its token.

    Exit 0 when somebody or something answered, or with --no-wait when the call is asked for; 1 when it is not made,
    which a sentence explains; 2 when no daemon can be asked; 3 busy; 4 no answer; 5 failed; 6 cancelled.
    """
    bridge = _bridge(path)
    on_state = _ignore if as_json else _show
    work = partial(call, bridge, agent, number, variables=_variables(pairs), time_zone=time_zone, wait=wait,
                   on_state=on_state)  # fmt: skip
    try:
        with quiet_interrupt():
            made = trio.run(work)
    except OutboundError as error:
        if as_json:
            print_json({"refused": error.reason, "why": str(error)})
        else:
            say(f"Not called: {error}", err=True)
        raise SystemExit(REFUSED) from None
    if as_json:
        print_json(asdict(made))
    raise SystemExit(EXIT_CODES.get(made.outcome, 5))


def _bridge(path: Path) -> Bridge:
    """Return the daemon that runs with a configuration. Raises `ConfigError`."""
    settings = config.load(path)
    token = config.read_secrets(settings, os.environ).admin_token
    missing = []
    if not settings.admin.bind:
        missing.append(
            f'{path}: [admin] bind = "": a daemon can be asked at an address alone, such as "127.0.0.1:9090"'
        )
    if not token:
        missing.append(f"no admin token: set {settings.admin.token_env}, for the daemon and here")
    if missing:
        raise ConfigError(missing)
    return Bridge(settings.admin.bind, token)


def _variables(pairs: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            complain(f"--var {pair}: write it NAME=VALUE, such as name=Anna")
        found[name.strip()] = value
    return found


def _ignore(made: Made) -> None:
    """Print nothing before the end."""


def _show(made: Made) -> None:
    """Print how far a call is, a line a step."""
    if not made.outcome:
        return say(f"{made.call_id}  {made.state}")
    word = WORDS.get(made.outcome, made.outcome)
    who = f" by {made.answered_by}" if made.answered_by else ""
    says_more = made.outcome != "answered" and made.why not in ("", f"caller: {word}")
    say(f"{made.call_id}  {word}{who}" + (f" ({made.why})" if says_more else ""))
