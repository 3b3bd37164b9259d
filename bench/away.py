"""Callers who leave the line and come back, hundreds of times, beside others who only listen: do those hear any of it?

The daemon is a process of its own, in real time. So many callers listen all the while to a model that never stops
talking; beside them others are put through to a line that is busy, have keys pressed, type a PIN, leave a message, are
declined, and are taken. Prints a table and exits 1 when a listener heard a hole, or anything of an excursion stayed:
memory, a task, a file, a thread, a tape that is not whole, a row too many or too few.

    uv run python -m bench.away                          500 excursions beside 20 calls: about eight minutes
    uv run python -m bench.away --excursions 60 --live 5 a look at it
"""

import re
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final

import click
import msgspec
import trio
from attrs import asdict, define, field, frozen
from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table

from bench.fault_cells import MOST_GAP_MS, Records
from bench.process import Launch, Running, a_process
from bench.soak import Sample, growth_percent, take_sample
from bench.stage import AGENT, PROMPT, PUBLIC, words
from bridge.machine import raise_file_limit
from bridge.store.database import Store
from replay.model import script as model_script
from replay.model.script import CallTool, Delivery, Script
from replay.phone.exchange.town import Behaviour, FarEnd, Town
from replay.phone.line import BYTES_PER_MS, SILENCE
from replay.phone.ring import Caller, CallReport, ring
from replay.phone.script import (
    HangUp,
    Press,
    Say,
    Step,
    Wait,
    WaitForAgent,
    WaitForEnd,
    WaitForQuiet,
    WaitForReturn,
)
from replay.sound.formats import murmur

WARM_UP: Final = 48
"""Excursions before anything is measured: eight of each kind. They load modules and start threads."""

LISTEN_SECONDS: Final = 15
"""How long each listener stays; then another one rings, so that calls begin and end beside the excursions too."""

GROWTH_PERCENT: Final = 2.0
REST_SECONDS: Final = 90
"""The indexer goes when it has had nothing to do for half a minute, a thread of trio's after ten seconds."""

RUN: Final = """
import ctypes, gc, signal
def give_back(*_):
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
signal.signal(signal.SIGUSR1, give_back)
from bridge.cli import main
main()
"""
"""At a signal the daemon gives back what malloc keeps of what is free: what it has then is in use."""

STEADY_LOOKS: Final = 4
"""So many looks in a row, three seconds apart, find the same."""

STEP_MS: Final = 20_000
"""What a caller waits for at each step of an excursion: on a busy machine all of it takes longer."""


# ---------------------------------------------------------------- whoever leaves

SALES, ANNA, BEN = "+15550100111", "+15550100112", "+15550100113"
LISTENERS: Final = "listeners"
PIN: Final = "4711"
TOOLS: Final = '''
from bridge.tools import SecretDigits, tool


@tool
def check_pin(digits: SecretDigits) -> str:
    """Check a PIN."""
    return "right"
'''
CONFIGURED: Final = f"""
[admin]
bind = "unix:ADMIN"
[agents.{LISTENERS}]
[agents.{LISTENERS}.limits]
still_there_seconds = 0
[agents.{AGENT}]
tools = ["pins.py:check_pin"]
send_digits = true
[agents.{AGENT}.limits]
still_there_seconds = 0
[agents.{AGENT}.transfer.sales]
number = "{SALES}"
description = "orders"
[agents.{AGENT}.transfer.anna]
number = "{ANNA}"
description = "the manager"
warm = true
[agents.{AGENT}.transfer.ben]
number = "{BEN}"
description = "who never takes a call"
warm = true
[agents.{AGENT}.collect]
tool = "check_pin"
say = "Please type your PIN, and then the hash key."
seconds = 3
[agents.{AGENT}.voicemail]
say = "Please leave a message after the tone."
max_seconds = 20
silence_seconds = 3
"""


def _transfer(place: str) -> CallTool:
    return CallTool(
        "transfer_call", {"place": place, "reason": "an order", "summary": "Ann, about her order"}
    )


def _far_end(key: str) -> FarEnd:
    """Return somebody who hears what it is about, presses a key, and talks for a moment if that has connected them."""
    steps = (WaitForQuiet(300), Press(key), Wait(200), Say(murmur(400), "Hello."), Wait(400), HangUp())
    return FarEnd(Caller(steps=steps), answers_after_ms=200)


TOWN: Final = Town(
    {SALES: FarEnd(result="busy", answers_after_ms=200), ANNA: _far_end("1"), BEN: _far_end("2")},
    Behaviour(speech_ms_per_character=20, reentry_ms=200),
)


@frozen
class Way:
    """One way off the line: the model's tool, what the caller does meanwhile, and what the record calls its outcome."""

    tool: CallTool
    outcome: str
    acts: tuple[Step, ...] = ()
    rings: bool = False


PROMPTED: Final = WaitForQuiet(900, timeout_ms=STEP_MS)
"""Longer than it takes to leave the stream: what was said then is the prompt, and not the agent's last words."""

WAYS: Final = (
    Way(_transfer("sales"), "busy", rings=True),
    Way(CallTool("send_digits", {"digits": "1#"}), "sent"),
    Way(
        CallTool("collect_digits", {"reason": "who it is", "count": 6}),
        "collected",
        (PROMPTED, *(step for key in f"{PIN}#" for step in (Press(key), Wait(60)))),
    ),
    Way(
        CallTool("take_message", {"reason": "nobody is there"}),
        "recorded",
        (PROMPTED, Say(murmur(600), "Call me back."), Wait(100), Press("#")),
    ),
    Way(_transfer("ben"), "declined", rings=True),
    Way(_transfer("anna"), "completed", rings=True),
)
LEAVERS: Final = Script(
    opening=(words("caller_yes"),),
    turns=tuple((words("caller_yes"), way.tool) for way in WAYS),
    answers=((words("caller_no"),),) * len(WAYS),
    delivery=PROMPT,
)


def leaver(ways: int) -> Caller:
    """Return a caller who presses a key whenever the agent is quiet, and so goes so many ways, one after the other."""
    steps: list[Step] = [WaitForQuiet(200, timeout_ms=STEP_MS)]
    for way in WAYS[:ways]:
        back = (WaitForReturn(STEP_MS), WaitForQuiet(200, timeout_ms=STEP_MS))
        steps += [Press("#"), *way.acts, *((WaitForEnd(STEP_MS),) if way is WAYS[-1] else back)]
    return Caller(steps=(*steps, HangUp()), answer_delay_ms=50)


# ---------------------------------------------------------------- whoever listens

STORY: Final = murmur(1000 * (LISTEN_SECONDS + 20)).replace(SILENCE, b"\x30")
"""Not one byte of silence: each that is heard was not sent in time."""

PIECES: Final = Delivery(first_delta_ms=400, delta_ms=200, speed=3, response_delay_ms=0)
"""Each is there long before the one before it was heard: it is never the model that makes a hole."""

TELLER: Final = Script(opening=(model_script.Say(STORY, "a long story"),), delivery=PIECES)
LISTENER: Final = Caller(
    steps=(WaitForAgent(STEP_MS), Wait(1000 * LISTEN_SECONDS), HangUp()), answer_delay_ms=50
)


def longest_hole_ms(report: CallReport) -> int:
    """Return the longest silence that a listener heard from the first sound on, however long it was."""
    heard = report.heard.lstrip(SILENCE)
    return max((len(hole) for hole in re.findall(SILENCE + b"+", heard)), default=0) // BYTES_PER_MS


# ---------------------------------------------------------------- the run


@define(eq=False)
class Casting:
    """Which script the model's next session plays: calls begin one after the other, each with its own."""

    _next: Script = TELLER
    _begun: trio.Event = field(factory=trio.Event)
    _lock: trio.Lock = field(factory=trio.Lock)

    def __call__(self, model: str, number: int) -> Script:
        """Return the script of the next session."""
        self._begun.set()
        return self._next

    async def play(self, script: Script, begin: Callable[[], None]) -> None:
        """Begin a call to this script; return when its session is there."""
        async with self._lock:
            self._next, self._begun = script, trio.Event()
            begin()
            with trio.move_on_after(10):
                await self._begun.wait()


@frozen
class Plan:
    """How much of it."""

    excursions: int = 500
    live: int = 20
    at_once: int = 8


@define(eq=False)
class Run:
    """A run, and what was seen of it."""

    plan: Plan
    out: Path
    casting: Casting = field(factory=Casting)
    listeners: list[CallReport] = field(factory=list)
    leavers: dict[str, int] = field(factory=dict)
    """How many ways each call went that left the line."""
    odd: Counter[str] = field(factory=Counter)
    samples: list[Sample] = field(factory=list)
    seconds: float = 0.0
    tell: Callable[[str, int, int], None] = field(default=lambda what, done, total: None)
    _sids: Iterator[int] = field(factory=partial(count, 1))

    @property
    def excursions(self) -> int:
        """How many were made so far."""
        return sum(self.leavers.values())

    async def part(self, running: Running, excursions: int, what: str) -> None:
        """Let so many excursions be made while the others listen, and look at the daemon when all have gone."""
        is_over, began, done = trio.Event(), trio.current_time(), self.excursions
        courses = iter([min(len(WAYS), excursions - at) for at in range(0, excursions, len(WAYS))])

        async def some() -> None:
            for ways in courses:
                await self._leave(running, ways)
                self.tell(what, self.excursions - done, excursions)

        async with trio.open_nursery() as listening:
            for number in range(self.plan.live):
                listening.start_soon(self._listen, running, is_over, number)
            await trio.sleep(3)
            async with trio.open_nursery() as leaving:
                for _ in range(self.plan.at_once):
                    leaving.start_soon(some)
            self.seconds = trio.current_time() - began
            is_over.set()
        await self._rest(running)

    async def _leave(self, running: Running, ways: int) -> None:
        report = await self._ring(running, LEAVERS, leaver(ways), AGENT)
        self.leavers[report.call_sid] = ways
        self._note("left", report)

    async def _listen(self, running: Running, is_over: trio.Event, number: int) -> None:
        """Keep one line busy with listeners; the lines change hands one after the other."""
        with trio.move_on_after(number * LISTEN_SECONDS / self.plan.live / 8):
            await is_over.wait()
        while not is_over.is_set():
            report = await self._ring(running, TELLER, LISTENER, LISTENERS)
            self.listeners.append(report)
            self._note("listened", report)

    def _note(self, who: str, report: CallReport) -> None:
        missed = [type(one.step).__name__ for one in report.missed]
        warned = [one.code for one in report.warnings]
        if report.error or missed or warned:
            self.odd[f"{who}: {report.error or 'no error'}, missed {missed}, warned {warned}"] += 1

    async def _ring(self, running: Running, script: Script, caller: Caller, agent: str) -> CallReport:
        """Make one call to an agent whose model plays this script."""
        reports: list[CallReport] = []

        async def one() -> None:
            reports.append(
                await ring(
                    caller,
                    webhook=f"{PUBLIC}/voice/{agent}",
                    via=running.via,
                    call_sid=f"CA{next(self._sids):032x}",
                    town=TOWN,
                    total_ms=180_000,
                )
            )

        async with trio.open_nursery() as calling:
            await self.casting.play(script, lambda: calling.start_soon(one))
        return reports[0]

    async def _rest(self, running: Running) -> None:
        """Wait until nothing of the calls is left, and the indexer has gone; keep the sample with the least."""
        looks: list[Sample] = []
        with trio.move_on_after(REST_SECONDS):
            while not looks or not self._is_at_rest(looks):
                running.signal(signal.SIGUSR1)
                await trio.sleep(3)
                looks.append(await take_sample(running.process.pid, self.out / "admin.sock", self.excursions))
        self.samples.append(
            min(looks[-STEADY_LOOKS:], key=lambda look: (look.threads, look.files, look.tasks))
        )

    def _is_at_rest(self, looks: list[Sample]) -> bool:
        last = looks[-STEADY_LOOKS:]
        if len(last) < STEADY_LOOKS or any(look.live or look.indexer_kb for look in last):
            return False
        counts = {(look.threads, look.files, look.tasks) for look in last}
        base = self.samples[0] if self.samples else last[-1]
        return len(counts) == 1 and not grown(base, last[-1])


def grown(base: Sample, sample: Sample) -> list[str]:
    """Return what there is more of than there was."""
    return [name for name in ("tasks", "files", "threads") if getattr(sample, name) > getattr(base, name)]


async def run(one: Run) -> None:
    """Run it all; on leaving the daemon has ended, and everything is recorded."""
    (one.out / "pins.py").write_text(TOOLS)
    server = {
        "max_calls": 200,
        "waiting_calls": 200,
        "calls_per_caller": 0,
        "max_lag_ms": 0,
        "max_busy_percent": 0,
    }
    launch = Launch(server, CONFIGURED.replace("ADMIN", str(one.out / "admin.sock")), run=RUN)
    async with a_daemon(one, launch) as running:
        half = one.plan.excursions // 2
        await one.part(running, WARM_UP, "warming up")
        await one.part(running, half, "first half of the excursions")
        await one.part(running, one.plan.excursions - half, "second half")


@asynccontextmanager
async def a_daemon(one: Run, launch: Launch) -> AsyncIterator[Running]:
    """Run the daemon; it ends by itself."""
    async with a_process(one.out, one.casting, launch) as running:
        yield running
        running.signal()
        await running.process.wait()


# ---------------------------------------------------------------- the verdict


def judge(one: Run) -> list[str]:
    """Return one sentence for each thing that is not as it should be."""
    base, first, last = one.samples
    grew = growth_percent(first.anonymous_kb, last.anonymous_kb)
    holes = [ms for ms in map(longest_hole_ms, one.listeners) if ms > MOST_GAP_MS]
    faults = [
        (f"{len(holes)} listeners heard a hole, the longest of {max(holes, default=0)} ms", bool(holes)),
        (f"memory grew by {grew:.1f} % over the second half of the excursions", grew > GROWTH_PERCENT),
        (f"{last.shed} tape lines were shed", last.shed > 0),
    ]
    for name in ("tasks", "files", "threads"):
        counts = [getattr(sample, name) for sample in one.samples]
        faults.append((f"{name} at rest: {counts}", name in (*grown(base, first), *grown(base, last))))
    faults += [(f"{times} x {what}", True) for what, times in one.odd.items()]
    return [text for text, is_so in faults if is_so]


def judge_records(one: Run) -> list[str]:
    """Read every record: one of each call, its end, a tape that replays as it was, and a row of each excursion."""
    records, calls = (
        Records.of(one.out / "data"),
        {report.call_sid for report in one.listeners} | set(one.leavers),
    )
    ends = {row["call_id"]: f"{row['ended_by']}: {row['why']}" for row in records.rows}
    wrong = Counter[str]()
    for done, call_sid in enumerate(sorted(calls), start=1):
        expected = (
            "tool: transferred to anna" if one.leavers.get(call_sid) == len(WAYS) else "caller: hung up"
        )
        if (end := ends.get(call_sid, "no record")) != expected:
            wrong[f"calls ended by {end}, not by {expected}"] += 1
        if flaw := records.flaw(call_sid):
            wrong[f"tapes: {flaw}"] += 1
        one.tell("replaying every tape", done, len(calls))
    if len(records.rows) != len(calls):
        wrong[f"rows of {len(calls)} calls"] = len(records.rows)
    return [f"{times} {what}" for what, times in wrong.items()] + judge_legs(one)


def judge_legs(one: Run) -> list[str]:
    """Hold the rows of `legs` against what was done: of the callers, and of whoever was rung for them."""
    faults = []
    for part, ways in (("excursion", WAYS), ("dial", [way for way in WAYS if way.rings])):
        expected = Counter(
            way.outcome for number in one.leavers.values() for way in WAYS[:number] if way in ways
        )
        if (found := legs_of(one.out, part)) != expected:
            faults.append(f"legs of {part}: {dict(found)}, not {dict(expected)}")
    return faults


def legs_of(out: Path, part: str) -> Counter[str]:
    """Return how many legs of this kind there are of each outcome."""
    asked = f"select outcome, count(*) as times from legs where part = '{part}' group by outcome"
    return Counter(
        {row["outcome"]: row["times"] for row in Store(out / "data" / "calls.duckdb").query(asked)}
    )


# ---------------------------------------------------------------- the report


def figures(one: Run, faults: list[str]) -> dict[str, Any]:
    """Return the figures for machines."""
    holes = Counter(map(longest_hole_ms, one.listeners))
    return {
        "excursions": one.excursions,
        "outcomes": dict(legs_of(one.out, "excursion")),
        "calls_that_left": len(one.leavers),
        "listeners": len(one.listeners),
        "live": one.plan.live,
        "seconds": round(one.seconds),
        "longest_hole_ms": max(holes, default=0),
        "holes_ms": dict(sorted(holes.items())),
        "samples": [asdict(sample) for sample in one.samples],
        "faults": faults,
    }


def table_of(one: Run) -> Table:
    """Return the daemon at rest, over time."""
    table = Table("at rest", "excursions", "anonymous", "RSS", "tasks", "files", "threads", "CPU")
    for name, sample in zip(("warmed up", "after half", "after all"), one.samples, strict=True):
        sizes = [f"{kilobytes / 1024:.1f} MB" for kilobytes in (sample.anonymous_kb, sample.rss_kb)]
        numbers = map(str, (sample.tasks, sample.files, sample.threads))
        table.add_row(name, str(sample.calls), *sizes, *numbers, f"{sample.cpu_seconds:.0f} s")
    return table


@click.command()
@click.option("--excursions", default=500, show_default=True, help=f"After {WARM_UP} to warm up.")
@click.option("--live", default=20, show_default=True, help="Callers who listen all the while.")
@click.option("--at-once", default=8, show_default=True, help="Callers who leave, at once.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
def main(excursions: int, live: int, at_once: int, as_json: bool) -> None:
    """Let callers leave and return beside others. Exit 1 when anybody heard it, or anything of it stayed."""
    raise_file_limit()
    with tempfile.TemporaryDirectory() as folder, Progress(console=Console(stderr=True)) as progress:
        one = Run(Plan(excursions, live, at_once), Path(folder), tell=_teller(progress))
        trio.run(run, one)
        faults = judge(one) + judge_records(one)
        found = figures(one, faults)
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(found)).decode())
    else:
        Console(width=120).print(table_of(one))
        for name, value in found.items():
            if name not in ("samples", "faults"):
                print(f"{name.replace('_', ' ')}: {value}")
    for fault in faults:
        print(f"FAULT: {fault}", file=sys.stderr)
    sys.exit(1 if faults else 0)


def _teller(progress: Progress) -> Callable[[str, int, int], None]:
    tasks: dict[str, TaskID] = {}

    def tell(what: str, done: int, total: int) -> None:
        if what not in tasks:
            tasks[what] = progress.add_task(what, total=total)
        progress.update(tasks[what], completed=done)

    return tell


if __name__ == "__main__":
    main()
