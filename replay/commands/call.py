"""`replay call`: the caller of a recorded call rings a running bridge once more."""

import os
import re
import sys
from functools import partial
from pathlib import Path
from typing import Final, get_args
from urllib.parse import urlsplit

import attrs
import click
import trio
from rich.console import Console

from bridge.screen.errors import complain, explains_errors
from bridge.screen.output import console, print_json
from bridge.tapes.reader import Tape
from replay.callers.recorded_caller import Mode, caller_of, longest_ms
from replay.commands.options import DATA, JSON, read
from replay.phone.exchange.expect import Expect
from replay.phone.report import OnEvent
from replay.phone.ring import Account, CallReport, ring
from replay.phone.scenario import CallSettings, Scenario
from replay.phone.screen import narrate, report_table
from replay.phone.script import Caller, HangUp
from replay.phone.verdict import Verdict, as_json, judge
from replay.sound.sound_files import write_stereo

OTHERWISE: Final = 1
NO_CALL: Final = 2
INTERRUPTED: Final = 130
TOKEN: Final = "TWILIO_AUTH_TOKEN"
TO_HINT: Final = (
    "--to https://bridge.example.com, with --via http://127.0.0.1:8080 for a bridge on this machine"
)


@attrs.frozen
class _Job:
    """One call to be made: `webhook` is signed and asked for; with `via`, all bytes go there."""

    caller: Caller
    webhook: str
    via: str | None
    account: Account

    async def make(self, on_event: OnEvent) -> CallReport:
        """Make the call."""
        return await ring(
            self.caller,
            webhook=self.webhook,
            via=self.via,
            account=self.account,
            on_event=on_event,
            also_hosts=(),
            total_ms=longest_ms(self.caller),
        )


@click.command()
@click.argument("tape", metavar="TAPE|CALL")
@click.option("--to", required=True, metavar="URL",
              help="The bridge to ring: its public URL, the one that is signed.")  # fmt: skip
@click.option(
    "--via", metavar="URL", help="Where it really listens, for one behind a proxy or on this machine."
)
@click.option("--mode", type=click.Choice(get_args(Mode)), default="turns", show_default=True,
              help="Say it after the agent's answers, or at the recorded moments.")  # fmt: skip
@click.option("--agent", metavar="NAME", help="The agent to ring, in place of the recorded one.")
@click.option("--wav", type=click.Path(path_type=Path, dir_okay=False),
              help="Write the new call as stereo: left the caller, right the agent as heard.")  # fmt: skip
@JSON
@DATA
@explains_errors
def call(
    tape: str, to: str, via: str | None, mode: Mode, agent: str | None, wav: Path | None, wants_json: bool,
    data: Path,
) -> None:  # fmt: skip
    """Ring a running bridge with the caller of a recorded call.

    In turns, the default, they say each thing after the agent's answer was heard, and interrupt where they did, after
    as much of the agent's speech; they hang up as they did. By the clock, they say everything at the recorded
    moments, whatever the agent says. Keys are pressed too.

    The call is signed with the auth token in TWILIO_AUTH_TOKEN, or with an invented one. Only the host of --to is
    contacted, or that of --via.

    \b
    replay call CA4f3e --to https://bridge.example.com                       the real one
    replay call CA4f3e --to https://bridge.example.com --via http://127.0.0.1:8080 --wav new.wav
    replay call CA4f3e --to http://127.0.0.1:8080 --mode clock --agent next  unsigned requests accepted there

    Exit code: 0 the call went as recorded, 1 it ended otherwise or the caller waited in vain, 2 no call came about.
    """
    recorded = read(tape, data)
    job = _job(recorded, to, via, mode=mode, agent=agent)
    out = Console(quiet=True) if wants_json else console()
    report = _made(job, narrate(out))
    if report is None:
        sys.exit(INTERRUPTED)
    verdict = judge(report, _scenario(job.caller, recorded), has_twiml=True)
    out.print()
    out.print(report_table(report, verdict))
    if wav is not None:
        _write_wav(wav, report)
    if wants_json:
        print_json({"tape": str(recorded.path), "mode": mode, **as_json(report, verdict)})
    _give_hints(report, job)
    sys.exit(_exit_code(verdict))


def _made(job: _Job, on_event: OnEvent) -> CallReport | None:
    """Make the call; None when Ctrl-C ended it, which trio wraps once for each nursery it went through."""
    report = None
    try:
        report = trio.run(partial(job.make, on_event))
    except* KeyboardInterrupt:
        pass
    return report


def _job(tape: Tape, to: str, via: str | None, *, mode: Mode, agent: str | None) -> _Job:
    """Return what is to be done; says what is wrong and leaves when it can't be."""
    _check_url("--to", to)
    if via is not None:
        _check_url("--via", via)
    parts = urlsplit(to)
    if not parts.path.strip("/"):
        parts = parts._replace(path=f"/voice/{agent or tape.header.agent}")
    elif agent is not None:
        complain("--to has a path, and --agent names another", hint="--to without a path, or no --agent")
    direct = f"http://{parts.netloc}" if parts.scheme == "http" else None
    return _Job(caller_of(tape, mode=mode), parts.geturl(), via or direct, _account(tape))


def _check_url(option: str, url: str) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("https", "http") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or re.search(r"[\s@#\x00-\x1f]", url):
        complain(f"{option}: not a URL that can be rung", hint=TO_HINT)


def _account(tape: Tape) -> Account:
    """Return the account that rings: the recorded numbers, unless they were masked, and never its own token."""
    header, account = tape.header, Account()
    called, caller = (
        told if re.fullmatch(r"\+[1-9]\d{6,14}", told) else ours
        for told, ours in ((header.called, account.number), (header.caller, account.caller))
    )
    account = attrs.evolve(account, number=called, caller=caller)
    if re.fullmatch(r"AC[0-9a-f]{32}", header.account_sid):
        account = attrs.evolve(account, account_sid=header.account_sid)
    tokens = os.environ.get(TOKEN, "").replace(",", " ").split()
    return attrs.evolve(account, auth_token=tokens[0]) if tokens else account


def _scenario(caller: Caller, tape: Tape) -> Scenario:
    """Return what is expected: that who ended the call ends it again, and whoever stayed on the stream stays there.

    Without the second, one who hangs up in the middle of the failure sentence would have ended the call as before.
    """
    if not caller.steps or not isinstance(caller.steps[-1], HangUp):
        expect = Expect(ended_by="bridge")
    else:
        has_left = any(b'"leave":' in raw for raw in tape.lines)
        expect = Expect(ended_by="caller", verbs=None if has_left else ())
    return Scenario(tape.header.call_id, caller, CallSettings(), expect, {})


def _exit_code(verdict: Verdict) -> int:
    if not verdict.was_connected:
        return NO_CALL
    return 0 if verdict.went_as_told else OTHERWISE


def _write_wav(path: Path, report: CallReport) -> None:
    try:
        write_stereo(path, report.said, report.heard)
    except OSError as error:
        complain(f"{path}: can't be written: {error.strerror or error}", hint="another file with --wav FILE")


def _give_hints(report: CallReport, job: _Job) -> None:
    """Say what to try where a call failed for a reason that has a usual cure."""
    if 403 in (report.webhook_status, report.upgrade_status):
        hint = f"the bridge's own token in {TOKEN}, and its public URL with --to; --via for where it listens"
        click.echo(f"Try:   {hint}", err=True)
    if report.webhook_status == 404:
        click.echo(f"Try:   --agent NAME for an agent it has; {urlsplit(job.webhook).path} is none", err=True)
