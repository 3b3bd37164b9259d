"""`replay judge`: ring any bridge, listen on both sides, and say how it treats its callers."""

import signal
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click
import trio
from rich.console import Console

from bridge.errors import TapeError
from bridge.screen.errors import complain, explains_errors, leave_faults, quiet_interrupt, say
from bridge.screen.output import print_json, table_console
from replay.callers.recorded_line import NoCallerError
from replay.commands.options import complain_of_file, found, prepare_file
from replay.commands.phone_options import account_of
from replay.conformance.asked import MODEL_PORT, job_of, own_calls
from replay.conformance.card import ReportCard, Result, worse_than
from replay.conformance.card_json import as_json, read_card
from replay.conformance.catalogue import CHECKS
from replay.conformance.job import Job, Tell
from replay.conformance.recorded import calls_of
from replay.conformance.shown.junit import cases_of
from replay.conformance.shown.page import page
from replay.conformance.shown.screen import show_card, teller
from replay.conformance.situations import Situation
from replay.conformance.started_bridge import BridgeNotStartedError
from replay.phone.exchange.expect import Expect
from replay.phone.scenario import CallSettings, Scenario
from replay.phone.script import Caller
from replay.tapes.beside import written_beside
from replay.tapes.junit import write_junit

FAILED: Final = 1
NOTHING_TOLD: Final = 2
DATA_FOLDER: Final = Path("data")
"""Where the id of a call is looked for."""

EXAMPLES: Final = """\
\b
A bridge that runs on this machine, and has ws://127.0.0.1:8090/v1/realtime for its model:
  replay judge --to http://127.0.0.1:5050/incoming-call
One that is started for it, with OpenAI's address in its code:
  replay judge --cmd "python main.py" --to /incoming-call --html card.html
One whose model's address is read from a variable:
  replay judge --cmd "python main.py" --model-variable OPENAI_REALTIME_URL --to /incoming-call
In CI: one check, or only what is worse than it was:
  replay judge --cmd "python main.py" --to /incoming-call --only heard-as-claimed
  replay judge --cmd "python main.py" --to /incoming-call --baseline card.json --junit card.xml
A call of your own, and callers that the daemon has recorded:
  replay judge --to http://127.0.0.1:5050/incoming-call --call call-phone.toml call-model.toml --keep calls
  replay judge --to http://127.0.0.1:5050/incoming-call --callers data/tapes

\b
What --only can look for:
""" + "\n".join(f"  {check.name:26s}{check.title}" for check in CHECKS)


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
    help="Where the bridge of --cmd reads the model's address; {url} and {host} in TEXT stand for it. Repeat for more. "
    "Without it, one in Python or Node that has OpenAI's own address in its code is led to the model as it is.",
)
@click.option(
    "--model-port",
    type=click.IntRange(0, 65_535),
    help=f"Where the model's stand-in listens; without it {MODEL_PORT}, with --cmd any free port.",
)
@click.option(
    "--call",
    "pairs",
    nargs=2,
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="PHONE.toml MODEL.toml",
    help="Make this call of yours in place of the card's; [expect] of both files is looked at. Repeat for more.",
)
@click.option(
    "--callers",
    multiple=True,
    metavar="TAPE|FOLDER",
    help="Have the callers of recorded calls ring, in place of the card's. Repeat for more.",
)
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep both sides' messages and the sound of each call in this folder.",
)
@click.option("--only", multiple=True, metavar="CHECK", help="Look for this alone. Repeat for more.")
@click.option("--strict", is_flag=True, help="What could not be told counts as failed.")
@click.option(
    "--baseline",
    type=click.Path(path_type=Path, dir_okay=False),
    help="An earlier card, of --json: only what is worse than there counts.",
)
@click.option("--name", metavar="NAME", help="What the bridge is called on the card.")
@click.option(
    "--html",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the card as a page there, one file.",
)
@click.option(
    "--junit", type=click.Path(path_type=Path, dir_okay=False), help="Write JUnit XML for CI there."
)
@click.option("--json", "wants_json", is_flag=True, help="Print JSON for machines.")
@explains_errors
def judge(
    to: str, public_url: str | None, auth_token_env: str | None, account_sid: str | None, cmd: str | None,
    model_variables: tuple[str, ...], model_port: int | None, only: tuple[str, ...], strict: bool,
    baseline: Path | None, name: str | None, html: Path | None, junit: Path | None, wants_json: bool,
    pairs: tuple[tuple[Path, Path], ...], callers: tuple[str, ...], keep: Path | None,
) -> None:  # fmt: skip
    """Ring a bridge, any bridge, and say how it treats its callers.

    Two stand-ins do it: a phone that rings it as Twilio would, and a model that it talks to as to OpenAI's Realtime
    service. Both keep time by one clock, so that what a bridge claims can be held against what was heard. No account is
    needed and nothing leaves this machine.

    For each check the card says whether it passed, failed, or could not be told, with the line of each side that proves
    it, what a caller would notice, and how others do it. A check passes only where its situation came about.

    Exit code: 0 nothing failed, 1 something did, 2 no call came about, nothing could be told, or the command can't be
    used.
    """
    before = read_card(baseline).results if baseline else {}
    account = account_of(Scenario("", Caller(), CallSettings(), Expect(), {}), auth_token_env, account_sid)
    out = Console(quiet=True) if wants_json else table_console()
    job = job_of(
        to, public_url=public_url, cmd=cmd, model_variables=model_variables, model_port=model_port, account=account,
        only=only, name=name, own=_own(pairs, callers, faults := list[TapeError]()), keep=keep,
    )  # fmt: skip
    _make_folders(html, junit, keep)
    card = _made(job, out)
    show_card(card, out)
    _write(card, html, junit, strict=strict)
    if wants_json:
        print_json(as_json(card))
    leave_faults(faults)
    sys.exit(_exit_code(card, before, strict=strict))


def _own(
    pairs: Sequence[tuple[Path, Path]], callers: tuple[str, ...], faults: list[TapeError]
) -> tuple[Situation, ...]:
    """Return the calls that are made in place of the card's, if there are any; says whose tape has nobody on it."""
    silent = list[NoCallerError]()
    tapes = found(callers, DATA_FOLDER) if callers else ()
    recorded = list(calls_of(tapes, faults, silent))
    for one in silent:
        say(f"left out: {one}", err=True)
    if callers and not recorded:
        leave_faults(faults)
        complain("--callers: nobody can ring", hint="tapes with audio, on which a caller was connected")
    return own_calls(pairs, recorded)


def _made(job: Job, out: Console) -> ReportCard:
    try:
        with quiet_interrupt():
            card = trio.run(_unless_ended, job, teller(out))
    except BridgeNotStartedError as error:
        for line in error.printed:
            say(f"  {line}", err=True)
        complain(str(error), hint="the same command by itself, with PORT set")
    if card is None:
        sys.exit(128 + signal.SIGTERM)
    return card


async def _unless_ended(job: Job, tell: Tell) -> ReportCard | None:
    """Return the card; None after SIGTERM, as CI sends it: then the bridge that was started is ended all the same."""
    card: ReportCard | None = None
    with trio.open_signal_receiver(signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_cancel_when_ended, signals, nursery.cancel_scope)
            card = await job.run(tell)
            nursery.cancel_scope.cancel(reason="the card is done")
    return card


async def _cancel_when_ended(signals: AsyncIterator[int], scope: trio.CancelScope) -> None:
    async for _ in signals:
        scope.cancel(reason="SIGTERM")


def _make_folders(html: Path | None, junit: Path | None, keep: Path | None) -> None:
    """Have the folders for what is written when all calls were made; says which can't be had before any is."""
    for path, option in ((html, "--html"), (junit, "--junit")):
        prepare_file(path, option)
    if keep is not None:
        try:
            keep.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            complain(
                f"{keep}: can't be made: {error.strerror or error}", hint="another folder with --keep FOLDER"
            )


def _write(card: ReportCard, html: Path | None, junit: Path | None, *, strict: bool) -> None:
    """Write what was asked for besides; says which file can't be written."""
    if html is not None:
        with _complaining(html, "--html"), written_beside(html) as part:
            part.write_text(page(card), encoding="utf-8")
    if junit is not None:
        with _complaining(junit, "--junit"):
            write_junit("replay judge", list(cases_of(card, strict=strict)), junit)


@contextmanager
def _complaining(path: Path, option: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        complain_of_file(path, error, option)


def _exit_code(card: ReportCard, before: Mapping[str, Result], *, strict: bool) -> int:
    """Say what CI is told: a card of which nothing can be told is never good."""
    if not card.was_connected:
        return NOTHING_TOLD
    if worse_than(card, before, strict=strict):
        return FAILED
    return 0 if card.tells_anything else NOTHING_TOLD
