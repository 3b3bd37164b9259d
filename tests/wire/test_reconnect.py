"""A session or a media stream that is lost within a call is followed by another, over real sockets."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from attrs import evolve
from lost_legs import SCRIPT, Scene, a_call, asked, items, milestones, shown, until

from bench.stage import GREETING, MakePlace, words
from bridge.heart.audio import is_audible, silence
from bridge.store.records import records_of
from bridge.tapes.reader import read_tape
from bridge.tapes.tape import decode
from bridge.tools import tool
from replay.model.script import CallTool, Delivery, Faults
from replay.model.script import Say as Words
from replay.model.session import Session
from replay.sound.formats import murmur
from replay.tapes.player import replay_tape
from replay.tapes.wav import sound_of, write_wav

LOSSES = ("model_lost", "session_left", "stream_lost")


@pytest.fixture(autouse=True)
def _replays(place: MakePlace, tmp_path: Path) -> Iterator[None]:
    """Hear every tape again: today's heart decides the same, and it is a WAV in which the loss is survived."""
    yield
    (path,) = place().tapes
    assert replay_tape(path).difference is None
    write_wav(read_tape(path), tmp_path / "call.wav")
    assert (tmp_path / "call.wav").stat().st_size > 44


def is_heard_after_the_loss(path: Path) -> bool:
    """Say whether the agent's side of a tape's sound has a voice after what was lost."""
    tape = read_tape(path)
    rows = records_of(tape.header, map(decode, tape.lines)).milestones
    started = next(row["t_ms"] for row in rows if row["name"] == "stream_started")
    lost = next(row["t_ms"] for row in rows if row["name"] in LOSSES)
    after = sound_of(tape).agent[max(0, lost - started) * 8 :]
    return any(is_audible(after[at : at + 160]) for at in range(0, len(after), 160))


async def test_a_session_lost_between_two_turns_is_followed_without_a_word(place: MakePlace) -> None:
    setup = place(script=SCRIPT)
    async with a_call(setup) as scene:
        await scene.media.wait_sound()
        await scene.lose(1)
        second = await scene.session(2)
        await until(lambda: bool(items(second)))
        assert items(second)[0]["role"] == "assistant"
        heard = len(scene.media.sound)
        await scene.press()
        await scene.sounds(heard)
        assert not [one for one in second.responses if one.occasion == "opening"], "no second greeting"
        await scene.hang_up()
    (row,) = setup.calls()
    assert (row["ended_by"], row["why"]) == ("caller", "hung up")
    assert milestones(setup) == ["model_lost", "session_followed"]


async def test_a_session_lost_before_its_first_word_greets_in_the_next(place: MakePlace) -> None:
    setup = place(script=SCRIPT)
    async with a_call(setup) as scene:
        first = await scene.session(1)
        await until(lambda: bool(first.responses))
        await scene.lose(1)
        await scene.media.wait_sound()
        await scene.hang_up()
    (row,) = setup.calls()
    assert row["ended_by"] == "caller"


async def test_a_session_that_grows_old_is_left_with_a_goodbye(place: MakePlace) -> None:
    setup = place(script=GREETING, limits={"session_seconds": 2})
    async with a_call(setup) as scene:
        first, second = await scene.session(1), await scene.session(2)
        await until(lambda: first.close_code is not None and bool(items(second)))
        assert first.close_code == 1000
        assert len(scene.stage.model.sessions) == 2
        await scene.hang_up()
    names = [row["name"] for row in setup.store.query("select name from milestones")]
    assert "session_left" in names
    assert "model_lost" not in names


async def test_a_media_stream_that_breaks_off_is_connected_again_into_the_same_conversation(
    place: MakePlace,
) -> None:
    setup = place(script=SCRIPT)
    async with a_call(setup) as scene:
        await scene.media.wait_sound()
        assert (await scene.lose_stream()).tags == ["Connect", "Redirect"]
        await scene.press()
        await scene.media.wait_sound()
        assert len(scene.stage.model.sessions) == 1
        await scene.hang_up()
    (row,) = setup.calls()
    assert (row["ended_by"], row["why"]) == ("caller", "hung up")
    legs = setup.store.query("select number, outcome from legs where part = 'stream' order by number")
    assert [(leg["number"], leg["outcome"]) for leg in legs] == [(1, "lost"), (2, "hung_up")]
    told = shown(setup)
    assert "stream_lost: media socket lost" in told
    assert "back on the stream" in told
    assert is_heard_after_the_loss(setup.tapes[0])


# ---------------------------------------------------------------- in each phase of a call

LONG = evolve(
    SCRIPT,
    turns=((Words(murmur(6000), "We are open from nine until eleven. On Sundays we are closed all day."),),),
    fallback=(words("caller_no"),),
)
"""An answer of six seconds, in the middle of which something is lost."""


async def answered(scene: Scene) -> Session:
    """Let the caller ask something, and hear the first of the answer; return the session that makes it."""
    await scene.media.wait_sound()
    await scene.press()
    first = await scene.session(1)
    await until(lambda: len(first.responses) == 2)
    await scene.sounds(len(scene.media.sound) + 2)
    return first


async def test_a_session_lost_while_the_agent_speaks_goes_on_in_the_next(place: MakePlace) -> None:
    setup = place(script=evolve(LONG, delivery=Delivery(response_delay_ms=0, speed=1.0)))
    async with a_call(setup) as scene:
        await answered(scene)
        await scene.lose(1)
        second = await scene.session(2)
        await until(lambda: bool(second.responses))
        await scene.sounds(len(scene.media.sound))
        await scene.hang_up()
    told = shown(setup)
    assert "model_lost: session 1" in told
    assert "session_followed: session 2" in told
    assert is_heard_after_the_loss(setup.tapes[0])


async def test_a_session_lost_while_the_caller_speaks_leaves_the_rest_of_their_words_to_the_next(
    place: MakePlace,
) -> None:
    setup = place(script=SCRIPT)
    async with a_call(setup) as scene:
        await scene.media.wait_sound()
        first = await scene.session(1)
        scene.say(murmur(600))
        await until(lambda: len(first.caller_audio) >= 600 * 8)
        await scene.lose(1)
        scene.say(murmur(600) + silence(1500))
        heard = len(scene.media.sound)
        second = await scene.session(2)
        await scene.sounds(heard)
        assert any("connection broke" in str(item) for item in items(second))
        assert is_audible(bytes(second.caller_audio[:4800]))
        await scene.hang_up()
    assert "session_followed: session 2" in shown(setup)
    assert is_heard_after_the_loss(setup.tapes[0])


async def test_a_session_lost_while_the_caller_waits_answers_in_the_next(place: MakePlace) -> None:
    setup = place(script=evolve(SCRIPT, delivery=Delivery(response_delay_ms=60_000)))
    async with a_call(setup) as scene:
        first = await scene.session(1)
        await until(lambda: asked(first) == 1)
        await scene.press()
        await scene.lose(1)
        second = await scene.session(2)
        await until(lambda: asked(second) == 1)
        await scene.hang_up()
    assert "model_lost: session 1" in shown(setup)


@pytest.mark.parametrize(
    ("loss", "limits"), [("model_lost", {}), ("session_left", {"session_seconds": 1})], ids=["lost", "left"]
)
async def test_a_tool_that_runs_when_its_session_is_lost_or_left_answers_to_the_next(
    place: MakePlace, loss: str, limits: dict[str, int]
) -> None:
    began, may_end = trio.Event(), trio.Event()

    @tool
    async def look_up() -> str:
        """Look it up."""
        began.set()
        await may_end.wait()
        return "a table is free"

    script = evolve(SCRIPT, turns=((CallTool("look_up", {}),),))
    setup = place(script=script, tools={"look_up": look_up}, limits=limits)
    async with a_call(setup) as scene:
        await scene.media.wait_sound()
        await scene.press()
        await began.wait()
        sessions = scene.stage.model.sessions
        count = len(sessions)
        if loss == "model_lost":
            await scene.lose(count)
        await until(lambda: any("look_up" in str(items(session)) for session in sessions[count:]))
        heard = len(scene.media.sound)
        may_end.set()
        await scene.sounds(heard)
        outputs = [output for session in sessions for output in session.tool_outputs.values()]
        assert outputs == ["a table is free"]
        await scene.hang_up()
    told = shown(setup)
    assert {name for name in LOSSES if f"{name}: session" in told} == {loss}
    assert "a table is free" in told
    assert is_heard_after_the_loss(setup.tapes[0])


async def test_what_accepts_and_drops_again_is_tried_after_a_pause(place: MakePlace) -> None:
    setup = place(script=SCRIPT)
    async with a_call(setup) as scene:
        await scene.media.wait_sound()
        await scene.lose(1)
        second = await scene.session(2)
        await until(lambda: bool(items(second)))
        await scene.lose(2)
        third = await scene.session(3)
        await until(lambda: bool(items(third)))
        await scene.hang_up()
    lines = [decode(raw) for raw in read_tape(setup.tapes[0]).lines]
    opens = [line for line in lines if line.session_opens is not None]
    assert [(line.session_opens, line.pause_ms) for line in opens] == [(2, None), (3, 200)]


async def test_a_clip_is_heard_while_the_next_session_does_not_come(place: MakePlace, tmp_path: Path) -> None:
    (tmp_path / "hold.ulaw").write_bytes(murmur(400))
    agent = {"filler": {"clip": "hold.ulaw", "after_ms": 200}}
    faults = Faults(never_update=True)
    setup = place(script=evolve(SCRIPT, faults=faults), agent=agent, limits={"model_ready_ms": 3000})
    async with a_call(setup) as scene:
        await scene.media.wait_sound()
        await scene.hang_up()
    assert "filler_played: hold.ulaw, 400 ms" in shown(setup)
    assert murmur(400)[:800] in sound_of(read_tape(setup.tapes[0])).agent


async def test_what_was_unheard_when_the_stream_broke_off_is_said_again(place: MakePlace) -> None:
    setup = place(script=evolve(LONG, delivery=Delivery(response_delay_ms=0)))
    async with a_call(setup) as scene:
        first = await answered(scene)
        told_before = dict(first.truncations)  # of the greeting, which the key cut off
        await scene.lose_stream()
        await scene.media.wait_sound()
        assert len(first.responses) == 2, "the model is not asked to say it anew"
        assert first.truncations == told_before
        await scene.hang_up()
    told = shown(setup)
    assert "stream_lost: media socket lost" in told
    assert "said_again: " in told
    assert is_heard_after_the_loss(setup.tapes[0])
