"""A hundred thousand mutated messages on each leg, over real sockets, and a thousand strangers at the door."""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any, Final

import trio
from attrs import define, evolve, field

import replay.model.server
from bench.fault_calls import CONTROL, Cells
from bench.fault_cells import Outcome, Records, harm, words_after
from bench.floods import Measured, flood_of, measure, wide_place
from bench.stage import PROMPT, PUBLIC, Place, Stage, open_stage, words
from replay.model.script import Script
from replay.phone.ring import Caller, CallReport
from replay.phone.script import HangUp, SendRaw, Step, Wait, WaitForAgent, WaitForEnd

GOLDEN: Final = Path(__file__).parents[1] / "tests" / "golden"
A_CALL: Final = 500
SALVO: Final = 10
"""Messages of one call, and how many of them every 20 ms: a call may rightly end in the middle of them."""

AT_ONCE: Final = 4
LONG: Final = 10_000
"""Of a text, before it is made a hundred times as long: what its sender has to do holds up all others here."""

STORY: Final = Script(opening=(words("agent_story"),), delivery=PROMPT)
WEIRD: Final[tuple[Any, ...]] = (
    None, True, -1, 0, 2**63, -(2**70), 1e308, 0.1, "", " ", "x" * 5000, "\x00", "\ud800", "é", [], {}, [[]], {"a": {}},
    "NaN", "2147483648", "-5", "====", "AAAA", ["media"], {"payload": None},
)  # fmt: skip


def golden(leg: str, sender: str) -> list[dict[str, Any]]:
    """Return the example messages that a peer sends."""
    lines = (
        json.loads(line)
        for path in sorted(GOLDEN.glob("*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    )
    return [line["msg"] for line in lines if (line["leg"], line["from"]) == (leg, sender) and "msg" in line]


@define
class Mutator:
    """Makes messages that are nearly right: a field lost, doubled, of another type, far too long; bytes flipped."""

    examples: list[dict[str, Any]]
    dice: random.Random
    ids: dict[str, str] = field(factory=dict)
    """What stands in the place of a key's own value, mostly, so that a message is taken to be of this call."""

    def make(self) -> str | bytes:
        """Return one message."""
        message = json.loads(json.dumps(self.dice.choice(self.examples)))
        self._name(message)
        for _ in range(self.dice.choice((1, 1, 1, 2, 4))):
            self._change(message)
        text = json.dumps(message)
        return self._spoil(text) if self.dice.random() < 0.3 else text

    def _name(self, message: dict[str, Any]) -> None:
        for key, value in self.ids.items():
            if key in message and self.dice.random() < 0.9:
                message[key] = value

    def _change(self, message: dict[str, Any]) -> None:
        """Change one thing, somewhere in it."""
        place: Any = message
        while True:
            key = self._key(place)
            if key is None:
                return
            if isinstance(place[key], dict | list) and place[key] and self.dice.random() < 0.7:
                place = place[key]
                continue
            return self._hurt(place, key)

    def _key(self, place: Any) -> Any:
        if not place:
            return None
        return self.dice.choice(list(place)) if isinstance(place, dict) else self.dice.randrange(len(place))

    def _hurt(self, place: Any, key: Any) -> None:
        match self.dice.randrange(5):
            case 0:
                del place[key]
            case 1 | 2:
                place[key] = deepcopy(self.dice.choice(WEIRD))
            case 3:
                value: Any = place[key]
                for _ in range(self.dice.choice((2, 50, 150))):
                    value = [value]
                place[key] = value
            case _:
                place[key] = self._longer(place[key])

    def _longer(self, value: Any) -> Any:
        if isinstance(value, str):
            return value[:LONG] * self.dice.choice((0, 2, 100))
        return value * self.dice.choice((0, 2, 10)) if isinstance(value, list) else str(value)

    def _spoil(self, text: str) -> str | bytes:
        """Spoil the text itself."""
        data = bytearray(text.encode("utf-8", "surrogatepass"))
        match self.dice.randrange(4):
            case 0:
                return text[: self.dice.randrange(len(text))]
            case 1:
                return bytes(data)  # a binary frame
            case 2:
                return self.dice.randbytes(self.dice.randrange(1, 300))
            case _:
                for _ in range(self.dice.randrange(1, 5)):
                    data[self.dice.randrange(len(data))] = self.dice.randrange(128)
                return data.decode("utf-8", "replace")


class Mutant(SendRaw):
    """A message that is made when it is sent, when the call's ids are known."""

    def __init__(self, mutator: Mutator) -> None:
        object.__setattr__(self, "mutator", mutator)

    @property
    def data(self) -> str | bytes:
        """Return another one each time."""
        made: str | bytes = self.mutator.make()  # type: ignore[attr-defined]
        return made


# ---------------------------------------------------------------- many calls


@define(eq=False)
class Hundred:
    """Calls with mutated messages, until enough of them were sent; `control` hears stories meanwhile."""

    leg: str
    messages: int
    seed: int
    tell: Callable[[str], None]
    sent: int = 0
    calls: int = 0
    heard: dict[str, str] = field(factory=dict)
    """What the caller of each call heard after it, by CallSid: whole reports would make garbage collection slow."""

    controls: list[CallReport] = field(factory=list)
    is_enough: bool = False

    async def run(self, folder: Path) -> Outcome:
        """Make the calls; return what came of all of them as one outcome."""
        replay.model.server.KEPT_SESSIONS = 10 * AT_ONCE
        agents = tuple(f"cell-{number}" for number in range(AT_ONCE))
        setup = Cells(folder, script=STORY, agents=agents, server={"max_calls": 500})
        async with open_stage(setup) as stage:
            async with trio.open_nursery() as listening:
                listening.start_soon(self._listen, stage)
                async with trio.open_nursery() as calling:
                    for number in range(AT_ONCE):
                        calling.start_soon(self._call_on, stage, number)
                self.is_enough = True
            await stage.wait_recorded()
        return self._judge(Records.of(folder / "data"))

    async def _listen(self, stage: Stage) -> None:
        while not self.is_enough:
            self.controls.append(await stage.ring(CONTROL, total_ms=60_000))

    async def _call_on(self, stage: Stage, number: int) -> None:
        while self.sent < self.messages:
            self.calls += 1
            dice = random.Random(f"{self.seed} {self.leg} {self.calls}")
            if self.leg == "phone":
                await self._phone_call(stage, dice)
            else:
                await self._model_call(stage, dice, f"cell-{number}")
            self.tell(f"{self.leg} leg: {self.sent} of {self.messages} mutated messages")

    async def _phone_call(self, stage: Stage, dice: random.Random) -> None:
        mutator = Mutator(golden("twilio_ws", "twilio"), dice)

        def see(kind: str, detail: dict[str, Any], _: int) -> None:
            if kind == "start":
                mutator.ids["streamSid"] = detail["stream_sid"]
            self.sent += kind == "raw_sent"

        salvo: tuple[Step, ...] = (*(Mutant(mutator) for _ in range(SALVO)), Wait(20))
        caller = Caller(steps=(WaitForAgent(), *(salvo * (A_CALL // SALVO)), HangUp()), answer_delay_ms=0)
        self._note(await stage.ring(caller, on_event=see, total_ms=60_000))

    def _note(self, report: CallReport) -> None:
        self.heard[report.call_sid] = words_after(report)

    async def _model_call(self, stage: Stage, dice: random.Random, name: str) -> None:
        heard = trio.Event()
        webhook = f"{PUBLIC}/voice/{name}"
        caller = Caller(
            steps=(WaitForAgent(), WaitForEnd(3000), HangUp()), answer_delay_ms=0, patience_ms=500
        )

        async def call() -> None:
            report = await stage.ring(
                caller, webhook=webhook, on_event=lambda kind, *_: see(kind), total_ms=60_000
            )
            self._note(report)
            heard.set()

        def see(kind: str) -> None:
            if kind == "agent_heard":
                heard.set()

        async with trio.open_nursery() as calling:
            calling.start_soon(call)
            await heard.wait()
            for session in stage.model.sessions:
                is_ours = f"<{name}>" in str(session.settings.get("instructions"))
                if is_ours and session.close_code is None:
                    await self._shout(session, dice)

    async def _shout(self, session: Any, dice: random.Random) -> None:
        """Send mutated messages in the model's name, for as long as its socket is open."""
        mutator = Mutator(golden("openai_ws", "openai"), dice)
        if session.responses:
            mutator.ids["response_id"] = session.responses[-1].id
        for number in range(A_CALL):
            if session.close_code is not None:
                return
            session.wire.raw(mutator.make())
            self.sent += 1
            if number % SALVO == SALVO - 1:
                await trio.sleep(0.02)

    def _judge(self, records: Records) -> Outcome:
        rows = {row["call_id"]: row for row in records.rows}
        ends = Counter(rows[call_id]["ended_by"] if call_id in rows else "none" for call_id in self.heard)
        flaws = Counter(flaw for call_id in self.heard if (flaw := records.flaw(call_id)))
        harmed = [text for one in self.controls if (text := harm(one, rows.get(one.call_sid)))]
        worst = next((end for end in ends if end not in ("caller", "model", "tool", "limit")), "caller")
        return Outcome(
            fault=f"{self.sent} mutated messages from {'Twilio' if self.leg == 'phone' else 'the model'}",
            phase="speaking",
            expects="caller",
            ended=f"{worst}: {', '.join(f'{count} by {by}' for by, count in ends.most_common())}",
            heard=", ".join(sorted(set(self.heard.values()))),
            records=1
            if len(rows) == len(records.rows) == len(self.heard) + len(self.controls)
            else len(rows),
            tape="; ".join(f"{count} x {flaw}" for flaw, count in flaws.items()),
            others="; ".join(harmed),
            note=f"{len(self.heard)} calls, beside {len(self.controls)} who listened",
        )


# ---------------------------------------------------------------- strangers


async def run_floods(folder: Path, tell: Callable[[str], None]) -> list[Outcome]:
    """Let a thousand strangers come while somebody listens to the agent: without `start`, and with half a handshake."""
    kinds = {
        "1000 sockets without start": flood_of(1000, starts=True, halves=False),
        "1000 slow handshakes": flood_of(1000, starts=False, halves=True),
    }
    found = []
    for number, (name, flood) in enumerate(kinds.items()):
        tell(name)
        place = partial(Place, folder / f"flood-{number}")
        found.append(
            _flooded(await measure(name, wide_place(place, "agent_story"), flood), folder / f"flood-{number}")
        )
    return found


def _flooded(seen: Measured, folder: Path) -> Outcome:
    records = Records.of(folder / "data")
    ids = [row["call_id"] for row in records.rows]
    flaws = [flaw for call_id in ids if (flaw := records.flaw(call_id))]
    outcome = Outcome(seen.name, "speaking", "caller", ended=f"{seen.ended_by}: hung up", heard="had hung up")
    return evolve(
        outcome,
        records=1 if len(ids) == 2 else len(ids),
        tape="; ".join(flaws),
        others="" if seen.is_good else f"a hole of {seen.largest_gap_ms} ms, {seen.left} strangers left",
        note=f"{seen.strangers} strangers, the last gone after {seen.longest_seconds:.0f} s",
    )


def hundreds(messages: int, seed: int, tell: Callable[[str], None]) -> Iterator[Hundred]:
    """Yield both legs."""
    for leg in ("phone", "model"):
        yield Hundred(leg, messages, seed, tell)
