"""`replay phone`: ring any Media Streams server as Twilio would, once or many times. What
the options mean is read in `phone_options`."""

import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import attrs
import click
import trio
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

from bridge.screen.errors import complain, explains_errors
from bridge.screen.output import console, print_json
from replay.commands.phone_options import account_of, destination_of, parameters_of
from replay.phone.exchange.expect import Expect, ExpectOfBoth
from replay.phone.load import Lateness, make_calls
from replay.phone.report import OnEvent
from replay.phone.rest import open_rest
from replay.phone.ring import Account, CallReport, Destination, ring_at
from replay.phone.scenario import CallSettings, Scenario, load
from replay.phone.screen import failures, narrate, plain, report_table, summary_table
from replay.phone.verdict import Verdict, as_json, brief_json, judge, summarise
from replay.sound.sound_files import write_stereo

T = TypeVar("T")

NOT_AS_TOLD: Final = 1
NO_CALL: Final = 2
INTERRUPTED: Final = 130
MAX_CALLS: Final = 10_000
MAX_AT_ONCE: Final = 500

EXAMPLES: Final = """\
\b
Your bridge on this machine, as if under its public address; `replay model` can be its model:
  replay phone --to http://127.0.0.1:8080/voice/front-desk \\
      --public-url https://bridge.example.com --auth-token-env TWILIO_AUTH_TOKEN
The same with a caller of your own:
  replay phone call.toml --to http://127.0.0.1:8080/voice/front-desk \\
      --public-url https://bridge.example.com --auth-token-env TWILIO_AUTH_TOKEN
Any server after Twilio's samples, no webhook, no signature needed:
  replay phone call.toml --to ws://127.0.0.1:8080/media -p token=abc
A load test of your own bridge, and the numbers for a machine:
  replay phone call.toml --to http://127.0.0.1:8080/voice/front-desk --calls 200 --at-once 40
  replay phone call.toml --to ws://127.0.0.1:8080/media --calls 50 --at-once 10 --json
Twilio's REST API for a bridge that makes calls ([twilio] api_url = "http://127.0.0.1:8091"), with whoever answers:
  replay phone called.toml --to http://127.0.0.1:8080 --public-url https://bridge.example.com --rest 8091
"""


@click.command(epilog=EXAMPLES)
@click.argument("scenario", required=False, type=click.Path(path_type=Path))
@click.option(
    "--to",
    required=True,
    metavar="URL",
    help="A voice webhook (https://, http://), or a media socket (wss://, ws://) without a webhook.",
)
@click.option(
    "--public-url",
    metavar="URL",
    help="The public address that --to stands for: it is signed and asked for, all bytes go to --to.",
)
@click.option(
    "--auth-token-env",
    metavar="NAME",
    help="Sign with the auth token in this environment variable; without it, with an invented one.",
)
@click.option(
    "--shared-key-env",
    metavar="NAME",
    help="Sign with the shared key in this variable instead, as ID=SECRET; [twilio] signed_by says when.",
)
@click.option(
    "--fallback",
    metavar="URL",
    help="The number's second webhook, under the public address: asked where an answer can't be had or done.",
)
@click.option("--account-sid", metavar="AC...", help="The account that rings, in place of an invented one.")
@click.option(
    "--parameter",
    "-p",
    "parameters",
    multiple=True,
    metavar="NAME=VALUE",
    help="A custom parameter of `start`, for a media socket without a webhook. Repeat for more.",
)
@click.option(
    "--also-host",
    "also_hosts",
    multiple=True,
    metavar="HOST",
    help="Another host that the TwiML may send the call to. Repeat for more; no other is contacted.",
)
@click.option(
    "--calls", type=click.IntRange(1, MAX_CALLS), default=1, show_default=True, help="How many calls."
)
@click.option(
    "--at-once",
    type=click.IntRange(1, MAX_AT_ONCE),
    default=1,
    show_default=True,
    help="How many of them at any time.",
)
@click.option(
    "--wav",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the call as stereo: left the caller, right what they heard. Whoever was dialled and answered has a "
    "file beside it, on the same clock.",
)
@click.option(
    "--rest",
    "rest_port",
    type=click.IntRange(1, 65_535),
    metavar="PORT",
    help="Ring nobody: be Twilio's REST API at this port of this machine, and make the call that the bridge asks for.",
)
@click.option("--json", "wants_json", is_flag=True, help="Print JSON for machines.")
@explains_errors
def phone(
    scenario: Path | None, to: str, public_url: str | None, auth_token_env: str | None, account_sid: str | None,
    shared_key_env: str | None, fallback: str | None, parameters: tuple[str, ...], also_hosts: tuple[str, ...],
    calls: int, at_once: int, wav: Path | None, rest_port: int | None, wants_json: bool,
) -> None:  # fmt: skip
    """Ring a Media Streams server as Twilio would, and let a scripted caller talk to it.

    SCENARIO is a TOML file: what the caller does, how bad the network is, and what is expected of the call. Without
    one it is the caller of the demo: a question, an interruption, thanks.

    \b
        steps = [
          { wait_for_quiet_ms = 400 },   # the greeting was heard, and is over
          { say = "caller_hours" },      # a clip of the lab, or a .ulaw or 8 kHz .wav file
          { interrupt_after_ms = 1500 }, # the agent has spoken for so long ...
          { say = "caller_stop" },       # ... when this is said into it
          "hang_up",
        ]
        [network]                        # seeded: loss, latency_ms, jitter_ms, stall_ms, stall_every_ms, mark_loss,
                                         # mark_late_ms
        latency_ms = 60
        [expect]                         # ended_by, close_code, next_verb, first_audio_ms, max_gap_ms, min_clears
        max_gap_ms = 40

    More steps: wait_ms, wait_for_agent, press, wait_for_end, drop_socket, lose_stream, stop_reading, go_silent,
    wait_for_return, menu, beep. Who can be dialled is in [far_ends."NUMBER"], telephone menus in [menus.NAME], how
    Twilio behaves in [twilio]: docs/stand-ins.md has them all.

    Only the host of --to is contacted, and those of --also-host. With many calls, each has a network of its own:
    the seed, plus the number of the call.

    Exit code: 0 every call went as the scenario says, 1 a step was missed, a warning earned or an expectation
    not met, 2 the scenario can't be used or no call came about.
    """
    told = load(scenario) if scenario else _demo()
    told = attrs.evolve(told, parameters=told.parameters | parameters_of(parameters))
    destination = destination_of(to, public_url, also_hosts)
    account = account_of(told, auth_token_env, account_sid, shared_key_env)
    _refuse_contradictions(told, destination, calls, wav=wav, rest_port=rest_port)
    out = Console(quiet=True) if wants_json else console()
    job = _Job(told, destination, account, out, wants_json, rest_port, fallback)
    sys.exit(_one_call(job, wav) if calls == 1 else _many_calls(job, calls, at_once))


def _refuse_contradictions(
    told: Scenario, to: Destination, calls: int, *, wav: Path | None, rest_port: int | None
) -> None:
    if told.of_both != ExpectOfBoth():
        complain(
            "[expect.both] needs the model's side too",
            hint="replay judge --call PHONE.toml MODEL.toml --to URL",
        )
    if wav is not None and calls > 1:
        complain("--wav is for one call", hint="leave out --calls, or --wav")
    if rest_port is not None and (calls > 1 or not to.has_twiml):
        complain(
            "--rest makes one call, of a bridge that answers webhooks", hint="--to http://127.0.0.1:8080"
        )


def _demo() -> Scenario:
    from replay.demo.stories import caller_does  # here, because the demo brings the whole daemon with it

    return Scenario("the caller of the demo", caller_does(), CallSettings(), Expect(), {})


# ---------------------------------------------------------------- making calls


@attrs.frozen
class _Job:
    """What is to be done, and where it is shown."""

    told: Scenario
    to: Destination
    account: Account
    out: Console
    wants_json: bool
    rest_port: int | None = None
    fallback: str | None = None

    async def call(self, told: Scenario, on_event: OnEvent | None = None) -> CallReport:
        """Make one call, or wait until the bridge asks for one."""
        if self.rest_port is not None:
            return await self._call_by_rest(told, self.rest_port, on_event)
        return await ring_at(
            self.to,
            told.caller,
            account=self.account,
            on_event=on_event,
            total_ms=told.call.max_ms,
            town=told.town,
            fallback=self.fallback,
            parameters=told.parameters,
        )

    async def _call_by_rest(self, told: Scenario, port: int, on_event: OnEvent | None) -> CallReport:
        async with open_rest(
            self.account,
            town=told.town,
            via=self.to.via,
            also_hosts=self.to.also_hosts,
            on_event=on_event,
            port=port,
            total_ms=told.call.max_ms,
            public_url=self.to.url,
        ) as rest:
            self.out.print(f"Twilio's REST API is {rest.url}: waiting for a call to be asked for")
            await rest.wait_asked(1)
            await rest.wait_over()
        return rest.reports[0]

    async def nth_call(self, index: int) -> Verdict:
        """Make one of many calls, on a network of its own."""
        network = self.told.caller.network
        network = attrs.evolve(network, seed=network.seed + index)
        told = attrs.evolve(self.told, caller=attrs.evolve(self.told.caller, network=network))
        return judge(await self.call(told), told, has_twiml=self.to.has_twiml)


def _one_call(job: _Job, wav: Path | None) -> int:
    report = _run(partial(job.call, job.told, narrate(job.out)))
    if report is None:
        return INTERRUPTED
    verdict = judge(report, job.told, has_twiml=job.to.has_twiml)
    job.out.print()
    job.out.print(report_table(report, verdict))
    if wav is not None:
        _write_wav(wav, report)
    if job.wants_json:
        print_json(as_json(report, verdict))
    _give_hints(report, job.account, job.to)
    return _exit_code([verdict])


def _many_calls(job: _Job, calls: int, at_once: int) -> int:
    verdicts: list[Verdict] = []
    columns = ("ringing", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=job.out, transient=True, disable=not job.out.is_terminal) as bar:
        task = bar.add_task("ringing", total=calls)

        def on_done(verdict: Verdict) -> None:
            verdicts.append(verdict)
            bar.advance(task)

        lateness = _run(partial(make_calls, job.nth_call, calls=calls, at_once=at_once, on_done=on_done))
    _show_many(job, verdicts, lateness or Lateness())
    return INTERRUPTED if lateness is None else _exit_code(verdicts)


def _show_many(job: _Job, verdicts: list[Verdict], lateness: Lateness) -> None:
    summary = summarise(verdicts)
    job.out.print(summary_table(summary, lateness))
    for line in failures(verdicts):
        job.out.print(line, markup=False, style="red")
    if job.wants_json:
        told = [brief_json(verdict) for verdict in verdicts]
        print_json({"summary": summary, "lateness": lateness, "calls": told})


def _run(main: Callable[[], Awaitable[T]]) -> T | None:
    """Run a trio program; None when Ctrl-C ended it, which trio wraps once for each nursery it went through."""
    try:
        return trio.run(main)
    except KeyboardInterrupt:
        return None
    except BaseExceptionGroup as group:
        if group.split(KeyboardInterrupt)[1] is not None:
            raise
        return None


def _exit_code(verdicts: list[Verdict]) -> int:
    if not any(verdict.was_connected for verdict in verdicts):
        return NO_CALL
    return 0 if all(verdict.went_as_told for verdict in verdicts) else NOT_AS_TOLD


def _write_wav(path: Path, report: CallReport) -> None:
    try:
        write_stereo(path, report.said, report.heard)
        for number, leg in enumerate(report.far_ends, 1):
            if leg.answered_ms is not None:
                other = path.with_stem(f"{path.stem}.{number}")
                write_stereo(other, bytes(leg.line.said), bytes(leg.line.heard))
    except OSError as error:
        complain(f"{path}: can't be written: {error.strerror or error}", hint="another file with --wav FILE")


def _give_hints(report: CallReport, account: Account, to: Destination) -> None:
    """Say what to try where a call failed for a reason that has a usual cure."""
    for line in report.refused.lines if report.refused else ():
        click.echo(plain(line), err=True)
    if 403 in (report.webhook_status, report.upgrade_status) and account.auth_token == Account().auth_token:
        click.echo("Try:   sign with your account's token: --auth-token-env TWILIO_AUTH_TOKEN", err=True)
    if report.error is not None and "the only host" in report.error:
        flag = "--public-url https://HOST" if to.via else "--also-host HOST"
        click.echo(f"Try:   {flag} for the host the TwiML names", err=True)
