"""What one event costs the heart, and one frame its call: without sockets, in µs of CPU.

uv run python -m bench.heart_cost                          here
uv run python -m bench.heart_cost --than ../bridge-before  and in another checkout, in turns
"""

import json
import os
import statistics
import subprocess
import sys
from base64 import b64encode
from collections import defaultdict
from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from itertools import count, pairwise
from pathlib import Path
from time import perf_counter_ns
from typing import Final

import click
import trio
from attrs import define, field

from bridge.agents import Agent
from bridge.calls.live_call import LiveCall
from bridge.heart.audio import bytes_of
from bridge.heart.call import Call
from bridge.heart.effects import SendMark
from bridge.heart.events import (
    CallerSpoke,
    ClockRang,
    Event,
    MarkReached,
    MessageIgnored,
    ModelFinishedAudio,
    ModelSpoke,
    ResponseCreated,
    ResponseFinished,
    SessionCreated,
    SessionUpdated,
    StreamStarted,
)
from bridge.links.model import ModelAddress
from bridge.tapes.header import Header
from bridge.tapes.tape_writer import TapeWriter

SID: Final = "MZ1"
FRAME: Final = b"\xff\x7f\x33\x01" * 40
BEGUN: Final = (SessionCreated(0), SessionUpdated(), StreamStarted(SID, "CA1", "audio/x-mulaw", 8000, 1))
CALL_MS: Final = 10_000
ROUNDS: Final = 5
ECHO_MS: Final = 60
"""From the end of what a mark stands behind to its coming back."""

Course = list[tuple[int, Event]]


# ---------------------------------------------------------------- what happens in a call


@define
class Stage:
    """A call on a computed clock, and everything that it is told."""

    call: Call = field(factory=lambda: Call(Agent()))
    told: Course = field(factory=list)
    _coming: list[tuple[int, int, Event]] = field(factory=list)
    _order: "count[int]" = field(factory=count)
    _marks: int = 0

    def at(self, ms: int, *events: Event) -> None:
        """Plan what happens then."""
        for event in events:
            heappush(self._coming, (ms, next(self._order), event))

    def run(self) -> Course:
        """Let it all happen, alarms and echoes of marks too; return it in its order."""
        self.call.begin()
        while self._coming:
            deadline = self.call.deadline
            if deadline is not None and deadline < self._coming[0][0]:
                self._tell(deadline, ClockRang())
            else:
                ms, _, event = heappop(self._coming)
                self._tell(ms, event)
        return self.told

    def _tell(self, ms: int, event: Event) -> None:
        self.told.append((ms, event))
        for effect in self.call.handle(event, ms):
            if isinstance(effect, SendMark):
                self._marks += 1
                self.at(ms + 300 + ECHO_MS, MarkReached(SID, effect.name))


def _a_line() -> Stage:
    """Return a stage on which the caller's frames come for the whole call."""
    stage = Stage()
    stage.at(0, *BEGUN)
    for number in range(1, CALL_MS // 20):
        stage.at(20 * number, CallerSpoke(SID, number, FRAME))
    return stage


def silence() -> Course:
    """Return a call in which nobody says anything after a short greeting."""
    stage = _a_line()
    _say(stage, 50, "r0", 400, piece_ms=200, speed=10.0)
    return stage.run()


def agent_speaks() -> Course:
    """Return a call whose model speaks all the time, in bursts of 240 ms, four times as fast as speech."""
    stage = _a_line()
    for number in range(2):
        _say(stage, 50 + number * 5000, f"r{number}", 4800, piece_ms=240, speed=4.0)
    return stage.run()


def small_deltas() -> Course:
    """Return a call whose model speaks all the time in deltas of 20 ms, as fast as speech and a tenth."""
    stage = _a_line()
    for number in range(2):
        _say(stage, 50 + number * 5000, f"r{number}", 4800, piece_ms=20, speed=1.1)
    return stage.run()


def _say(stage: Stage, at: int, name: str, ms: int, *, piece_ms: int, speed: float) -> None:
    stage.at(at, ResponseCreated(name))
    audio = (FRAME * 12)[: bytes_of(piece_ms)]
    for start in range(0, ms, piece_ms):
        stage.at(at + int(start / speed), ModelSpoke(name, f"{name}i", 0, audio))
        if start % 240 == 0:
            stage.at(at + int(start / speed), MessageIgnored("response.output_audio_transcript.delta"))
    done = at + int(ms / speed)
    stage.at(done, ModelFinishedAudio(f"{name}i", 0), ResponseFinished(name, "completed"))


COURSES: Final[dict[str, Callable[[], Course]]] = {
    "silence": silence,
    "agent speaks": agent_speaks,
    "20 ms deltas": small_deltas,
}

# ---------------------------------------------------------------- what it costs


def cost_of(course: Course) -> dict[str, float]:
    """Return the median µs of an event of each frequent kind in the heart, and those of all in a second of the call."""
    call, spent = Call(Agent()), defaultdict[str, list[int]](list)
    call.begin()
    for ms, event in course:
        begun = perf_counter_ns()
        call.handle(event, ms)
        spent[type(event).__name__].append(perf_counter_ns() - begun)
    idle = _idle_ns()
    costs = {name: (statistics.median(took) - idle) / 1000 for name, took in spent.items()}
    a_second = sum(cost * len(spent[name]) for name, cost in costs.items()) / (CALL_MS / 1000)
    frequent = {name: cost for name, cost in costs.items() if len(spent[name]) >= 20}
    return {**frequent, "a second": a_second}


def _idle_ns() -> float:
    """Return what the measuring itself takes."""
    times = [perf_counter_ns() for _ in range(1000)]
    return statistics.median(after - before for before, after in pairwise(times))


async def cost_of_frames(frames: int = 1000) -> float:
    """Return the µs from a frame that was read to the message to the model that waits to be sent; the tape with it."""
    live = _a_call()
    for event in BEGUN:
        live.call.handle(event, live.now_ms())
    texts = [_media(number) for number in range(1, frames + 1)]
    spent = []
    for start in range(0, frames, 8):
        begun = perf_counter_ns()
        for text in texts[start : start + 8]:
            live._hear(live.phone, text)
        live.tape.take()
        spent.append((perf_counter_ns() - begun) / 8000)
        await live.model.outbox.take()
    return statistics.median(spent)


def _a_call() -> LiveCall:
    fields = dict.fromkeys(Header.__struct_fields__, "") | {"has_audio": True, "settings": {}, "tools": []}
    header = Header(**fields)  # type: ignore[arg-type]
    return LiveCall(
        call_id="CA1", account_sid="AC1", agent=Agent(), address=ModelAddress("ws://x", "m", []), tools={},
        tape=TapeWriter(Path("none.jsonl"), header), call=Call(Agent()),
    )  # fmt: skip


def _media(number: int) -> str:
    payload = b64encode(FRAME).decode()
    media = {"track": "inbound", "chunk": str(number), "timestamp": str(20 * number), "payload": payload}
    message = {"event": "media", "sequenceNumber": str(number), "media": media, "streamSid": SID}
    return json.dumps(message, separators=(",", ":"))


def measure() -> dict[str, float]:
    """Return the least of all rounds of everything that is measured: what else went on is in the others."""
    found: dict[str, list[float]] = defaultdict(list)
    courses = {name: make() for name, make in COURSES.items()}
    for _ in range(ROUNDS):
        for name, course in courses.items():
            for kind, cost in cost_of(course).items():
                found[f"{name}: {kind}"].append(cost)
        found["feed: CallerSpoke, read to posted"].append(trio.run(cost_of_frames))
    return {name: min(costs) for name, costs in found.items()}


# ---------------------------------------------------------------- the command


def _measured_in(base: Path) -> dict[str, float]:
    """Return what another checkout's heart costs, told by a process of its own."""
    place = {**os.environ, "PYTHONPATH": str(base)}
    command = [sys.executable, __file__, "--json"]
    said = subprocess.run(command, env=place, check=True, capture_output=True, text=True).stdout
    return {name: float(cost) for name, cost in json.loads(said).items()}


def _table(columns: Iterable[tuple[str, list[dict[str, float]]]]) -> str:
    columns = list(columns)
    names = columns[-1][1][0]
    lines = [f"| µs | {' | '.join(title for title, _ in columns)} |", "|---" * (len(columns) + 1) + "|"]
    for name in names:
        cells = [f"{statistics.median(run[name] for run in runs):.2f}" for _, runs in columns]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


@click.command()
@click.option("--than", type=click.Path(path_type=Path), help="Another checkout to compare with.")
@click.option("--pairs", default=2, show_default=True, help="How often, with another checkout.")
@click.option("--json", "is_json", is_flag=True, help="Measure here once, and print it for a program.")
def main(than: Path | None, pairs: int, *, is_json: bool) -> None:
    """Print what events cost."""
    if is_json:
        return print(json.dumps(measure()))
    here = Path(__file__).parents[1]
    bases = [base.resolve() for base in (than, here) if base is not None]
    runs: dict[Path, list[dict[str, float]]] = {base: [] for base in bases}
    for _ in range(pairs if than is not None else 1):
        for base in bases:
            runs[base].append(_measured_in(base))
    print(_table((base.name, done) for base, done in runs.items()))


if __name__ == "__main__":
    main()
