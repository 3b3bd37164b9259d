"""Does the gate find what got worse, and leave equal variants in peace? `replay compare` against planted differences.

    uv run python bench/gate.py [--equal 20] [--repeats 5]

Four differences are planted in what the Realtime stand-in does, one at a time; each must end with exit code 1. Then
equal variants are compared again and again; at most one comparison in twenty may end so. Nothing is simulated: every
call goes through a daemon of its variant's, and is measured from its tape.
"""

import argparse
import json
import platform
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, Final

import trio
from attrs import frozen
from trio_websocket import (
    ConnectionClosed,
    WebSocketConnection,
    WebSocketRequest,
    open_websocket_url,
    serve_websocket,
)

from replay.model.scenario import load_scenario
from replay.model.server import ModelServer, serve_model

REPORT: Final = Path(__file__).with_suffix(".md")
LATE_MS: Final = 300
DAYS: Final = 4
SELDOM: Final = 30
"""Calls of a variant, beside a baseline of so many days, for what is planted in one of five calls: of five a side, one
is what equal variants show, too. Each is over after the greeting."""

AT_ONCE: Final = 10
MOST_WAITING: Final = 10_000
"""Messages between both sockets of the delaying relay; a call has some hundreds."""

CONFIG: Final = """
[agents.front-desk]
greeting = "Hello, this is Harbour Table. How can I help you?"
tools = ["replay.callers.restaurant:check_table"]
"""
CALLER: Final = """
steps = [
  { wait_for_quiet_ms = 400, timeout_ms = 15000 },
  { say = "caller_hours" },
  { interrupt_after_ms = 800 },
  { say = "caller_stop" },
  { wait_for_quiet_ms = 900 },
  { say = "caller_thanks" },
  "wait_for_end",
]
"""
LISTENER: Final = 'steps = [{ wait_for_quiet_ms = 400, timeout_ms = 15000 }, "hang_up"]\n'
MODEL: Final = """
opening = "agent_greeting"
turns = [
  "agent_hours",
  { call = "check_table", arguments = { day = "Friday", people = 4, time = "19:00" } },
  ["agent_goodbye", { call = "hang_up", arguments = { reason = "done" } }],
]
answers = ["agent_table"]
fallback = "agent_pardon"

[versions.equal]

[versions.greeting]
opening = { one_of = [
  { weight = 4, reply = "agent_greeting" },
  { weight = 1, reply = { text = "Hello, Harbour Table here. How may I help you?", ms = 2600 } },
] }

[versions.format]
turns = [
  "agent_hours",
  { call = "check_table", arguments = { day = "Friday", people = 4, time = "7 pm" } },
  ["agent_goodbye", { call = "hang_up", arguments = { reason = "done" } }],
]

[versions.items]
delivery = { items = 2 }
"""


@frozen
class Outcome:
    """One comparison: what was planted, how the command ended, what it found, and how long it took in seconds."""

    planted: str
    code: int
    found: str
    took_s: float


# ---------------------------------------------------------------- a model that hears late


async def relay_late(url: str, *, task_status: trio.TaskStatus[str]) -> None:
    """Pass everything on to a model and back, but every speech_started, and what follows it, LATE_MS later."""
    async with trio.open_nursery() as nursery:
        serve = partial(serve_websocket, partial(_relay, url), "127.0.0.1", 0, ssl_context=None)
        server = await nursery.start(serve)
        task_status.started(f"ws://127.0.0.1:{server.port}/v1/realtime")


async def _relay(url: str, request: WebSocketRequest) -> None:
    headers = [(name, value) for name, value in request.headers if name.lower() == b"authorization"]
    query = request.path.partition("?")[2]
    async with open_websocket_url(f"{url}?{query}", extra_headers=headers) as model:
        client = await request.accept()
        put, take = trio.open_memory_channel[tuple[float, Any]](MOST_WAITING)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_listen, model, put)
            nursery.start_soon(_speak, client, take)
            await _pass_on(client, model)
            nursery.cancel_scope.cancel(reason="the client left")


async def _pass_on(client: WebSocketConnection, model: WebSocketConnection) -> None:
    try:
        while True:
            await model.send_message(await client.get_message())
    except ConnectionClosed:
        return


async def _listen(model: WebSocketConnection, put: trio.MemorySendChannel[tuple[float, Any]]) -> None:
    async with put:
        try:
            while True:
                message = await model.get_message()
                is_late = "input_audio_buffer.speech_started" in message
                put.send_nowait((trio.current_time() + (LATE_MS / 1000 if is_late else 0), message))
        except ConnectionClosed:
            return


async def _speak(client: WebSocketConnection, take: trio.MemoryReceiveChannel[tuple[float, Any]]) -> None:
    async for due, message in take:
        await trio.sleep_until(due)
        try:
            await client.send_message(message)
        except ConnectionClosed:
            return
    await client.aclose()


# ---------------------------------------------------------------- comparisons


@frozen
class Planted:
    """What is compared: two variants, each by what stands in its table, and by whom and how often each is called."""

    what: str
    old: str
    new: str
    repeats: int
    caller: str = "caller"
    days: int = 0

    def plan(self, *, is_alone: bool = False) -> str:
        """Return the plan, or that of the baseline alone."""
        top = f'base = "config.toml"\ncallers = ["{self.caller}.toml"]\nrepeats = {self.repeats}\nat_once = {AT_ONCE}\n'
        return f"{top}\n[variants.old]\n{self.old}\n" + ("" if is_alone else f"[variants.new]\n{self.new}\n")


def standin(version: str) -> str:
    """Return the table of a variant that talks to a stand-in of its own."""
    return f'standin = "model.toml"\nversion = "{version}"\n'


def comparisons(url: str, late_url: str, equal: int, repeats: int) -> Iterator[Planted]:
    """Yield what is compared, one after the other."""
    same = standin("equal")
    yield Planted(
        "greeting worded otherwise in 1 of 5 calls", same, standin("greeting"), SELDOM, "listener", DAYS
    )
    server = 'realtime = {{ url = "{}", model = "equal" }}\n'
    late = f"interruption {LATE_MS} ms later"
    yield Planted(late, server.format(url), server.format(late_url), repeats)
    yield Planted('tool argument "7 pm" for "19:00"', same, standin("format"), repeats)
    yield Planted("one more output item a response", same, standin("items"), repeats)
    for _ in range(equal):
        yield Planted("", same, same, repeats)


async def compare(folder: Path, number: int, planted: Planted) -> Outcome:
    """Run `replay compare` once, in a process of its own; once more for each day of the baseline."""
    plan, alone = folder / f"plan-{number}.toml", folder / f"plan-{number}-alone.toml"
    plan.write_text(planted.plan(), encoding="utf-8")
    alone.write_text(planted.plan(is_alone=True), encoding="utf-8")
    begun = perf_counter()
    saved: list[str] = []
    for day in range(planted.days):
        file = folder / f"day-{number}-{day}.json"
        await _replay_compare(alone, "--save-baseline", str(file), "-o", str(folder / f"day-{number}-{day}"))
        saved += ["--baseline", str(file)]
    done = await _replay_compare(plan, "--json", *saved)
    found = _found(done.stdout) if done.returncode in (0, 1) else done.stderr.decode()[-300:].strip()
    return Outcome(planted.what, done.returncode, found, perf_counter() - begun)


async def _replay_compare(plan: Path, *options: str) -> subprocess.CompletedProcess[bytes]:
    code = "from replay.commands.compare import compare; compare()"
    return await trio.run_process(
        [sys.executable, "-c", code, str(plan), *options],
        capture_stdout=True, capture_stderr=True, check=False, env={"OPENAI_API_KEY": "sk-stand-in"},
    )  # fmt: skip


def _found(output: bytes) -> str:
    """Return what got worse, each with its numbers."""
    verdicts = json.loads(output)["verdicts"]["new"]
    worse = [verdict for verdict in verdicts if verdict["status"] == "worse"]
    return "; ".join(f"{one['title']} ({_numbers(one)})" for one in worse)


def _numbers(verdict: dict[str, Any]) -> str:
    if verdict["is_trait"]:
        return f"{round(verdict['now'] * verdict['pairs'])} of {verdict['pairs']} calls"
    return f"{verdict['was']:.4g} to {verdict['now']:.4g}, difference {verdict['low']:.4g} to {verdict['high']:.4g}"


async def measure(folder: Path, equal: int, repeats: int) -> list[Outcome]:
    """Make all comparisons, one after the other."""
    texts = {"config": CONFIG, "caller": CALLER, "listener": LISTENER, "model": MODEL}
    for name, text in texts.items():
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    outcomes = []
    async with trio.open_nursery() as nursery:
        server: ModelServer = await nursery.start(
            serve_model, load_scenario(folder / "model.toml").script_for
        )
        late_url: str = await nursery.start(relay_late, server.url)
        for number, planted in enumerate(comparisons(server.url, late_url, equal, repeats)):
            outcome = await compare(folder, number, planted)
            outcomes.append(outcome)
            print(
                f"{outcome.took_s:5.1f} s  exit {outcome.code}  {outcome.planted or 'equal'}: {outcome.found}",
                flush=True,
            )
        nursery.cancel_scope.cancel(reason="all was compared")
    return outcomes


# ---------------------------------------------------------------- the report


def report(outcomes: Sequence[Outcome], repeats: int) -> str:
    """Return the report as Markdown."""
    planted = [outcome for outcome in outcomes if outcome.planted]
    equal = [outcome for outcome in outcomes if not outcome.planted]
    alarms = [outcome for outcome in equal if outcome.code]
    rows = [f"| {one.planted} | {one.code} | {one.found} |" for one in planted]
    rows.append(f"| nothing, {len(equal)} times | 0, and 1 in {len(alarms)} of them | {_listed(alarms)} |")
    return (
        "# What the gate finds\n\n"
        f"`replay compare`, one caller, {repeats} calls a side, default thresholds, both stand-ins: `bench/gate.py`. "
        f"For the greeting: {SELDOM} calls that end after it, beside a baseline that was saved on {DAYS} days. "
        "Calls that vary like a live model's: `gate-noise.md`.\n"
        "Every planted difference must end with exit code 1, at most one of twenty comparisons of equal ones may.\n\n"
        "| planted | exit code | worse |\n|---|---|---|\n" + "\n".join(rows) + "\n\n"
        f"{sum(one.took_s for one in outcomes) / len(outcomes):.0f} s a comparison, {AT_ONCE} calls at once; "
        f"Python {platform.python_version()}, {platform.machine()}, {platform.system()}.\n"
    )


def _listed(alarms: Sequence[Outcome]) -> str:
    return "; ".join(outcome.found for outcome in alarms) or "nothing"


def main() -> None:
    """Compare, print, and write the report beside this file; exit 1 if the gate did not hold."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--equal", type=int, default=20, help="comparisons of equal variants")
    parser.add_argument("--repeats", type=int, default=5, help="calls a side")
    asked = parser.parse_args()
    with TemporaryDirectory() as folder:
        outcomes = trio.run(measure, Path(folder), asked.equal, asked.repeats)
    REPORT.write_text(report(outcomes, asked.repeats), encoding="utf-8")
    alarms = sum(outcome.code != 0 for outcome in outcomes if not outcome.planted)
    has_held = all(outcome.code == 1 for outcome in outcomes if outcome.planted) and alarms <= max(
        1, asked.equal // 20
    )
    sys.exit(0 if has_held else 1)


if __name__ == "__main__":
    main()
