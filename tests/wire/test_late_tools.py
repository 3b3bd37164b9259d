"""Tools that take time, over real sockets: a late result is told, shown and heard, what runs once runs once, and what
can be cancelled is. Each tape replays without a difference.
"""

import io
from pathlib import Path
from typing import Any

import trio
from attrs import frozen
from rich.console import Console

from bench.stage import PROMPT, MakePlace, Place, open_stage, speech, words
from bridge.commands.calls import read_record
from bridge.given import IdempotencyKey, Progress
from bridge.screen.output import show_call
from bridge.tapes.reader import read_tape
from bridge.tools import tool
from replay.model.script import CallTool, Script
from replay.phone.script import Caller, HangUp, Step, Wait, WaitForQuiet
from replay.sound.clips import clip
from replay.tapes.player import replay_tape
from replay.tapes.wav import sound_of, write_wav

ASKS = (WaitForQuiet(300), speech("caller_table"))
RESULT = "agent_greeting"
"""What the agent says of the result: words that are said nowhere else."""


@frozen
class Told:
    """What became of one call: its record, what `bridge show` prints of it, its tape, and what its model was told."""

    record: dict[str, Any]
    shown: str
    tape: Path
    outputs: dict[str, str]

    @property
    def tools(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.record["tool_calls"]
        return rows


async def told_of(setup: Place, *steps: Step) -> Told:
    """Return what became of a call of somebody who asks for a table, and does this."""
    caller = Caller(steps=(*ASKS, *steps), patience_ms=60_000, answer_delay_ms=0)
    with trio.fail_after(120):
        async with open_stage(setup) as stage:
            report = await stage.ring(caller)
            await stage.wait_recorded()
    assert report.error is None
    (tape,) = setup.tapes
    assert replay_tape(tape).difference is None
    record = read_record(setup.store, "last")
    screen = Console(file=io.StringIO(), width=240)
    show_call(record, screen)
    (session,) = stage.model.sessions
    return Told(record, screen.file.getvalue(), tape, session.tool_outputs)


def model(*answers: str, calls: int = 1) -> Script:
    """A model that calls a tool when it is asked, and says these words when it is told of results."""
    return Script(
        opening=(words("caller_yes"),),
        turns=((CallTool("book", {"day": "Friday"}),) * calls,),
        answers=tuple((words(name),) for name in answers),
        delivery=PROMPT,
    )


async def test_a_late_result_is_told_when_it_comes_shown_and_heard(place: MakePlace, tmp_path: Path) -> None:
    @tool(late=True)
    async def book(day: str, progress: Progress) -> str:
        """Book a table."""
        await trio.sleep(1.5)
        return f"booked for {day}"

    setup = place(script=model("agent_checking", RESULT), tools={"book": book})
    told = await told_of(setup, WaitForQuiet(2500), HangUp())
    assert list(told.outputs.values())[1:] == ["booked for Friday"]
    (row,) = told.tools
    assert (row["is_late"], row["is_delivered"], row["output"]) == (True, True, "booked for Friday")
    assert 'book({"day":"Friday"}) -> booked for Friday in 1' in told.shown
    assert "ms, late" in told.shown
    assert clip(RESULT).text in told.shown
    sound = sound_of(read_tape(told.tape))
    assert clip(RESULT).audio in sound.agent
    write_wav(read_tape(told.tape), tmp_path / "call.wav")
    assert (tmp_path / "call.wav").stat().st_size > 2 * 2 * len(clip(RESULT).audio)


async def test_a_result_that_comes_when_the_caller_has_gone_is_kept_and_shown_as_not_delivered(
    place: MakePlace,
) -> None:
    @tool(late=True)
    async def book(day: str) -> str:
        """Book a table."""
        await trio.sleep(4)
        return f"booked for {day}"

    setup = place(script=model("agent_checking"), tools={"book": book})
    told = await told_of(setup, WaitForQuiet(300), HangUp())
    (row,) = told.tools
    assert (row["is_late"], row["is_delivered"], row["output"]) == (True, False, "booked for Friday")
    assert "late and not delivered" in told.shown
    assert "tool_undelivered" in told.shown


async def test_what_runs_once_is_run_once_and_both_calls_get_its_answer(place: MakePlace) -> None:
    keys: list[str] = []

    @tool(once=True)
    async def book(day: str, key: IdempotencyKey) -> str:
        """Book a table."""
        keys.append(key)
        await trio.sleep(0.2)
        return f"booked for {day}"

    setup = place(script=model(RESULT, calls=2), tools={"book": book})
    told = await told_of(setup, WaitForQuiet(500), HangUp())
    assert len(keys) == 1
    assert list(told.outputs.values()) == ["booked for Friday"] * 2
    assert [row["joined"] for row in told.tools] == [None, told.tools[0]["tool_call_id"]]
    assert "the same as before: not run" in told.shown


async def test_a_tool_that_can_be_cancelled_is_when_the_caller_speaks_again(place: MakePlace) -> None:
    ended: list[str] = []

    @tool(cancellable=True)
    async def book(day: str) -> str:
        """Book a table."""
        try:
            await trio.sleep(6)
        except trio.Cancelled:
            ended.append("cancelled")
            raise
        return f"booked for {day}"

    script = Script(
        opening=(words("caller_yes"),),
        turns=((CallTool("book", {"day": "Friday"}),), (words(RESULT),)),
        delivery=PROMPT,
    )
    setup = place(script=script, tools={"book": book})
    told = await told_of(setup, Wait(1500), speech("caller_hours"), WaitForQuiet(500), HangUp())
    assert ended == ["cancelled"]
    (row,) = told.tools
    assert row["error_kind"] == "cancelled"
    assert "failed: cancelled" in told.shown
    assert clip(RESULT).text in told.shown


async def test_a_filler_and_progress_are_asked_for_while_a_tool_runs(place: MakePlace) -> None:
    @tool
    async def book(day: str, progress: Progress) -> str:
        """Book a table."""
        await trio.sleep(2.5)
        progress.update("The table by the window is taken")
        await trio.sleep(3)
        return f"booked for {day}"

    script = Script(
        opening=(words("caller_yes"),),
        turns=((CallTool("book", {"day": "Friday"}),),),
        answers=((words(RESULT),),),
        fallback=(words("agent_checking"),),
        delivery=PROMPT,
    )
    setup = place(script=script, tools={"book": book}, agent={"tool_speech": {"filler_after_ms": 500}})
    told = await told_of(setup, WaitForQuiet(4000), HangUp())
    assert [row["name"] for row in told.record["milestones"] if row["name"].startswith("tool_")] == [
        "tool_called",
        "tool_filler",
        "tool_progress_told",
        "tool_answered",
    ]
    asked = [line for line in read_tape(told.tape).lines if b"The table by the window" in line]
    assert len(asked) == 3, "told, decided, and asked of the model"
