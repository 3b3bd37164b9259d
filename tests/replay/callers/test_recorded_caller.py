"""The caller of a tape as a script: the same words, on the recorded clock or in turn."""

import gzip
from pathlib import Path

import attrs
import msgspec
import pytest

from bridge.tapes.reader import Tape, read_tape
from bridge.tapes.tape import PHONE, TWILIO, Line, encode
from replay.callers.recorded_caller import Mode, caller_of, longest_ms
from replay.callers.recorded_line import NoCallerError, recorded_call
from replay.phone.actor import Actor
from replay.phone.line import Line as Telephone
from replay.phone.script import (
    Caller,
    HangUp,
    InterruptAfter,
    Press,
    Say,
    Step,
    Wait,
    WaitForEnd,
    WaitForQuiet,
)

TAPES = Path(__file__).parents[2] / "tapes"
CLOSE_MS = 100


def tape(name: str) -> Tape:
    return read_tape(TAPES / f"{name}.jsonl.gz")


def said(name: str) -> bytes:
    """What the stand-in's caller had really said when the tape was recorded."""
    return gzip.decompress((TAPES / f"{name}.said.gz").read_bytes())


def kinds(caller: Caller) -> list[type[Step]]:
    return [type(step) for step in caller.steps]


def words(caller: Caller) -> list[str]:
    return [step.text for step in caller.steps if isinstance(step, Say)]


def with_lines(recorded: Tape, *lines: Line) -> Tape:
    decoded = [(msgspec.json.decode(line)["t_ms"], line) for line in recorded.lines]
    more = [(line.t_ms, encode(line)) for line in lines]
    return attrs.evolve(recorded, lines=[line for _, line in sorted([*decoded, *more], key=lambda at: at[0])])


def key(t_ms: int, digit: str, sid: str) -> Line:
    message = {
        "event": "dtmf",
        "streamSid": sid,
        "sequenceNumber": "5",
        "dtmf": {"track": "inbound_track", "digit": digit},
    }
    return Line(t_ms=t_ms, leg=PHONE, sender=TWILIO, msg=msgspec.Raw(msgspec.json.encode(message)))


def stream_of(recorded: Tape) -> str:
    start = next(line for line in recorded.lines if b'"event":"start"' in line)
    return str(msgspec.json.decode(start)["msg"]["streamSid"])


# ---------------------------------------------------------------- in turn


def test_an_interrupted_call_in_turns() -> None:
    caller = caller_of(tape("interrupted"), mode="turns")
    assert kinds(caller) == [WaitForQuiet, Say, InterruptAfter, Say, WaitForEnd]
    assert words(caller) == ["Yes.", "Wait, stop."]


def test_an_interruption_comes_at_the_same_place_of_the_agents_speech() -> None:
    caller = caller_of(tape("interrupted"), mode="turns")
    (interruption,) = [step for step in caller.steps if isinstance(step, InterruptAfter)]
    assert interruption.ms == pytest.approx(400, abs=CLOSE_MS)  # as the tape's own caller was told


def test_what_is_said_is_what_was_said() -> None:
    yes, stop = [
        step.audio for step in caller_of(tape("interrupted"), mode="turns").steps if isinstance(step, Say)
    ]
    assert yes in said("interrupted")
    assert stop in said("interrupted")
    assert (len(yes) // 8, len(stop) // 8) == (pytest.approx(480, abs=60), pytest.approx(840, abs=60))


@pytest.mark.parametrize("name", ["late_stream", "late_model"])
def test_an_utterance_is_found_however_late_a_peer_came(name: str) -> None:
    caller = caller_of(tape(name), mode="turns")
    assert kinds(caller) == [WaitForQuiet, Say, WaitForEnd]
    (deed,) = recorded_call(tape(name)).deeds
    sound = said(name)[deed.begin_ms * 8 : deed.end_ms * 8]
    assert deed.audio.strip(b"\xff") in said(name)
    assert len(deed.audio.strip(b"\xff")) == pytest.approx(len(sound), abs=CLOSE_MS * 8)


def test_a_caller_who_hung_up_into_the_agents_words_hangs_up_there() -> None:
    interruption, ending = caller_of(tape("hung_up"), mode="turns").steps
    assert isinstance(interruption, InterruptAfter)
    assert interruption.ms == pytest.approx(600, abs=CLOSE_MS)
    assert ending == HangUp()


def test_a_caller_who_never_spoke_listens_to_the_end() -> None:
    assert kinds(caller_of(tape("model_lost"), mode="turns")) == [WaitForEnd]


def test_keys_that_come_together_are_pressed_together() -> None:
    recorded = tape("interrupted")
    sid = stream_of(recorded)
    steps = caller_of(with_lines(recorded, key(1000, "4", sid), key(1250, "2", sid)), mode="turns").steps
    assert [step for step in steps if isinstance(step, Press)] == [Press("4"), Press("2")]
    assert steps[steps.index(Press("4")) + 1] == Wait(250)


def test_without_turn_detection_on_the_tape_utterances_are_found_by_their_level() -> None:
    recorded = tape("interrupted")
    deaf = attrs.evolve(
        recorded, lines=[line for line in recorded.lines if b"input_audio_buffer.sp" not in line]
    )
    caller = caller_of(deaf, mode="turns")
    assert kinds(caller) == [WaitForQuiet, Say, InterruptAfter, Say, WaitForEnd]
    assert words(caller) == ["", ""]


def test_the_time_between_ring_and_stream_is_kept() -> None:
    assert caller_of(tape("late_stream"), mode="turns").answer_delay_ms == pytest.approx(906, abs=5)


# ---------------------------------------------------------------- on the clock


def test_by_the_clock_everything_is_said_in_one_breath() -> None:
    caller = caller_of(tape("interrupted"), mode="clock")
    assert kinds(caller) == [Say, WaitForEnd]
    (breath,) = [step.audio for step in caller.steps if isinstance(step, Say)]
    assert breath == said("interrupted")[: len(breath)]


def test_by_the_clock_the_hang_up_comes_when_it_came() -> None:
    breath, ending = caller_of(tape("hung_up"), mode="clock").steps
    assert isinstance(breath, Say)
    assert len(breath.audio) // 8 == pytest.approx(700, abs=40)
    assert ending == HangUp()


def test_by_the_clock_a_key_is_pressed_between_two_words() -> None:
    recorded = tape("interrupted")
    caller = caller_of(with_lines(recorded, key(2114, "7", stream_of(recorded))), mode="clock")
    first, press, rest, _ = caller.steps
    assert press == Press("7")
    assert isinstance(first, Say)
    assert isinstance(rest, Say)
    assert len(first.audio) // 8 == 2000
    assert first.audio + rest.audio == said("interrupted")[: len(first.audio + rest.audio)]


@pytest.mark.parametrize("mode", ["clock", "turns"])
def test_a_caller_hangs_up_once(mode: Mode) -> None:
    line = Telephone()
    line.media(b"\x20" * 8000, 0)
    actor = Actor(caller_of(tape("hung_up"), mode=mode), line)
    for now_ms in range(0, 2000, 20):
        if acts := [act for act in actor.tick(now_ms) if isinstance(act, HangUp)]:
            assert acts == [HangUp()]
            return
        actor.frame()
        line.tick(now_ms)
    pytest.fail("never hung up")


# ---------------------------------------------------------------- what can't be played


def test_a_tape_without_audio_has_no_caller() -> None:
    recorded = tape("interrupted")
    header = msgspec.structs.replace(recorded.header, has_audio=False)
    with pytest.raises(NoCallerError, match="recorded without audio"):
        caller_of(attrs.evolve(recorded, header=header), mode="turns")


def test_a_call_without_a_stream_has_no_caller() -> None:
    recorded = tape("interrupted")
    lines = [line for line in recorded.lines if b'"leg":"twilio_ws"' not in line]
    with pytest.raises(NoCallerError, match="no media stream"):
        caller_of(attrs.evolve(recorded, lines=lines), mode="clock")


def test_a_torn_tape_has_the_caller_it_got() -> None:
    recorded = tape("interrupted")
    lines = [line for line in recorded.lines if msgspec.json.decode(line)["t_ms"] < 2500]
    caller = caller_of(attrs.evolve(recorded, lines=lines, is_torn=True), mode="turns")
    assert words(caller) == ["Yes."]


def test_a_call_is_given_time_for_every_wait() -> None:
    caller = Caller(steps=(Say(b"\xff" * 8000), WaitForEnd(5000)), answer_delay_ms=100, patience_ms=0)
    assert longest_ms(caller) == 1000 + 5000 + 100 + 10_000


# ---------------------------------------------------------------- an answer that is shorter than it was


def ticks_until_spoken(step: InterruptAfter, answer_ms: int) -> int:
    """How many ms after the answer began the caller speaks."""
    line = Telephone()
    actor = Actor(Caller(steps=(step, Say(b"\x10" * 160))), line)
    line.media(b"\x20" * answer_ms * 8, 0)
    for now_ms in range(0, 5000, 20):
        actor.tick(now_ms)
        if actor.frame() != b"\xff" * 160:
            return now_ms
        line.tick(now_ms)
    return -1


def test_an_interruption_that_comes_too_late_is_said_after_the_answer() -> None:
    assert ticks_until_spoken(InterruptAfter(900, quiet_ms=400), 2000) == 900
    assert ticks_until_spoken(InterruptAfter(900, quiet_ms=400), 300) == 700
    assert ticks_until_spoken(InterruptAfter(900), 500) == -1
