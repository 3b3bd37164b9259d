"""`replay judge`: ring any bridge, listen on both sides, and say how it treats its callers."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click
import trio
from rich.console import Console

from bridge.checks import nearest
from bridge.screen.errors import complain, explains_errors, quiet_interrupt, say
from bridge.screen.output import print_json, table_console
from replay.commands.phone_options import account_of, destination_of
from replay.conformance.card import Check, ReportCard, Result, worse_than
from replay.conformance.card_json import as_json, read_card
from replay.conformance.catalogue import CHECKS
from replay.conformance.job import Job, Start, variables_of
from replay.conformance.screen import show_card, teller
from replay.conformance.started_bridge import BridgeNotStartedError, free_port
from replay.phone.exchange.expect import Expect
from replay.phone.ring import Account, Destination
from replay.phone.scenario import CallSettings, Scenario
from replay.phone.script import Caller

FAILED: Final = 1
NO_CALL: Final = 2
MODEL_PORT: Final = 8090

EXAMPLES: Final = """\
\b
A bridge that runs on this machine, and has ws://127.0.0.1:8090/v1/realtime for its model:
  replay judge --to http://127.0.0.1:5050/incoming-call
One that is started for it, whose model's address is read from a variable:
  replay judge --cmd "python main.py" --model-variable OPENAI_REALTIME_URL --to /incoming-call
"""


@click.command(epilog=EXAMPLES)
@click.option(
    "--to",
    required=True,
    metavar="URL",
    help="A voice webhook (https://, http://) or a media socket (wss://, ws://); with --cmd its path will do.",
)
@click.option("--public-url", metavar="URL", help="The public address that --to stands for: it is signed.")
@click.option(
    "--auth-token-env", metavar="NAME", help="Sign with the auth token in this environment variable."
)
@click.option("--account-sid", metavar="AC...", help="The account that rings, in place of an invented one.")
@click.option(
    "--cmd",
    metavar="COMMAND",
    help="Start the bridge with this command, and end it. It finds its port in PORT, and keys that open nothing.",
)
@click.option(
    "--model-variable",
    "model_variables",
    multiple=True,
    metavar="NAME[=TEXT]",
    help="Where the bridge of --cmd reads the model's address; {url} and {host} in TEXT stand for it. Repeat for more.",
)
@click.option(
    "--model-port",
    type=click.IntRange(0, 65_535),
    help=f"Where the model's stand-in listens; without it {MODEL_PORT}, with --cmd any free port.",
)
@click.option("--only", multiple=True, metavar="CHECK", help="Look for this alone. Repeat for more.")
@click.option("--strict", is_flag=True, help="What could not be told counts as failed.")
@click.option(
    "--baseline",
    type=click.Path(path_type=Path, dir_okay=False),
    help="An earlier card, of --json: only what is worse than there counts.",
)
@click.option("--name", metavar="NAME", help="What the bridge is called on the card.")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON for machines.")
@explains_errors
def judge(
    to: str, public_url: str | None, auth_token_env: str | None, account_sid: str | None, cmd: str | None,
    model_variables: tuple[str, ...], model_port: int | None, only: tuple[str, ...], strict: bool,
    baseline: Path | None, name: str | None, wants_json: bool,
) -> None:  # fmt: skip
    """Ring a bridge, any bridge, and say how it treats its callers.

    Two stand-ins do it: a phone that rings it as Twilio would, and a model that it talks to as to OpenAI's Realtime
    service. Both keep time by one clock, so that what a bridge claims can be held against what was heard. No account is
    needed and nothing leaves this machine.

    For each check the card says whether it passed, failed, or could not be told, with the line of each side that proves
    it, what a caller would notice, and how others do it. A check passes only where its situation came about.

    Exit code: 0 nothing failed, 1 something did, 2 no call came about or the command can't be used.
    """
    before = read_card(baseline).results if baseline else {}
    port = free_port() if cmd and to.startswith("/") else None
    destination = destination_of(f"http://127.0.0.1:{port}{to}" if port else to, public_url, ())
    account = account_of(Scenario("", Caller(), CallSettings(), Expect(), {}), auth_token_env, account_sid)
    out = Console(quiet=True) if wants_json else table_console()
    start = _start(cmd, model_variables, destination, account)
    listens = (0 if cmd else MODEL_PORT) if model_port is None else model_port
    job = Job(
        destination,
        account=account,
        name=name or cmd or to,
        checks=_checks(only),
        start=start,
        model_port=listens,
    )
    card = _made(job, out)
    show_card(card, out)
    if wants_json:
        print_json(as_json(card))
    sys.exit(_exit_code(card, before, strict=strict) if card.was_connected else NO_CALL)


def _made(job: Job, out: Console) -> ReportCard:
    try:
        with quiet_interrupt():
            return trio.run(job.run, teller(out))
    except BridgeNotStartedError as error:
        for line in error.printed:
            say(f"  {line}", err=True)
        complain(str(error), hint="the same command by itself, with PORT set")


def _checks(only: tuple[str, ...]) -> tuple[Check, ...]:
    names = [check.name for check in CHECKS]
    for name in only:
        if name not in names:
            complain(f"--only {name}: there is no such check", hint=nearest(name, names))
    return tuple(check for check in CHECKS if check.name in only or not only)


def _start(cmd: str | None, variables: tuple[str, ...], to: Destination, account: Account) -> Start | None:
    """Return how the bridge is started, if it is."""
    if cmd is None:
        if variables:
            complain("--model-variable is for a bridge that --cmd starts", hint='--cmd "python main.py"')
        return None
    if to.address[1] is None:
        complain("--to names no port for the bridge of --cmd", hint="--to /incoming-call, for any free one")
    return Start(cmd, variables_of(variables), account.auth_token)


def _exit_code(card: ReportCard, before: Mapping[str, Result], *, strict: bool) -> int:
    return FAILED if worse_than(card, before, strict=strict) else 0
