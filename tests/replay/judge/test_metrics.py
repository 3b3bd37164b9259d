"""What a tape tells about its call: on tapes of real calls, and on tapes made by hand."""

from base64 import b64encode
from pathlib import Path
from typing import Any

from taped import from_model, header_of, ledger, line_of, milestone

from bridge.agents import Agent
from bridge.heart.audio import FRAME_BYTES, SILENCE
from bridge.heart.effects import ClearPlayback
from bridge.heart.events import CallerSpoke, SpeechStarted
from bridge.tapes.reader import read_tape
from bridge.tapes.tape import Line, carry_out, decode
from replay.judge.free import free_arguments, words_of
from replay.judge.metrics import Measures, agreement, measures_of
from replay.sound.clips import clip

TAPES = Path(__file__).parents[2] / "tapes"
AGENT = Agent(name="front-desk", greeting="Hello, how can I help you?")


def of_tape(name: str) -> Measures:
    """Return the measures of a recorded call."""
    tape = read_tape(TAPES / f"{name}.jsonl.gz")
    return measures_of(tape.header, map(decode, tape.lines))


def of(*lines: Line) -> Measures:
    """Return the measures of a tape made by hand, its lines in order of time."""
    return measures_of(header_of(AGENT, []), sorted(lines, key=lambda line: line.t_ms))


def caller_speaks(*, from_ms: int, until_ms: int, whole_ms: int) -> list[Line]:
    """Return a frame every 20 ms, with a voice in some of them."""
    voice = clip("caller_hours").audio.strip(SILENCE) * 4
    lines = []
    for number, t_ms in enumerate(range(0, whole_ms, 20)):
        at = (number * FRAME_BYTES) % (len(voice) - FRAME_BYTES)
        audio = voice[at : at + FRAME_BYTES] if from_ms <= t_ms < until_ms else SILENCE * FRAME_BYTES
        lines.append(line_of(t_ms, CallerSpoke("MZ1", number + 1, audio)))
    return lines


def clear(t_ms: int) -> Line:
    """Return the line that silences the agent."""
    return carry_out(t_ms, ClearPlayback("MZ1"))[0]


def said(t_ms: int, response: str, item: str, text: str) -> list[Line]:
    """Return the lines of one response with one spoken item."""
    where = {"response_id": response, "item_id": item}
    raw = {"id": item, "type": "message", "role": "assistant", "content": []}
    return [
        from_model(t_ms, "response.created", response={"id": response}),
        from_model(t_ms, "response.output_item.added", response_id=response, item=raw),
        from_model(t_ms, "conversation.item.added", item=raw),
        from_model(t_ms, "response.output_audio_transcript.done", **where, transcript=text),
        from_model(t_ms, "response.done", response={"id": response, "status": "completed"}),
    ]


# ---------------------------------------------------------------- recorded calls


def test_a_recorded_call_is_measured_as_the_caller_felt_it() -> None:
    found = of_tape("interrupted")
    assert found.greeting == "Hello, this is Harbour Table. How can I help you?"
    assert (found.ended_by, found.why) == ("tool", "the agent hung up")
    assert found.first_heard_ms == 75
    assert found.items_per_response == (1, 1, 1, 2)
    assert all(600 < latency < 900 for latency in found.latencies_ms)
    assert found.tokens["audio_out"] > 0


def test_a_recorded_interruption_is_timed_from_the_voice_not_from_its_detection() -> None:
    [one] = of_tape("interrupted").interruptions
    assert one.detected_to_silence_ms == 0
    assert one.onset_to_silence_ms is not None
    assert 60 <= one.onset_to_silence_ms <= 200
    assert not one.is_false
    assert one.words_cut > 0


def test_a_recorded_tool_call_has_its_arguments_and_times() -> None:
    table, hang_up = of_tape("interrupted").tools
    assert (table.name, table.arguments) == ("check_table", {"day": "Friday", "people": 4, "time": "19:00"})
    assert table.called_ms is not None
    assert 0 < table.called_ms < 1000
    assert (table.is_answered, table.is_spoken) == (True, True)
    assert (hang_up.name, hang_up.is_answered) == ("hang_up", False)


def test_words_that_a_lost_model_never_got_out_are_lost() -> None:
    assert of_tape("model_lost").words_lost > 0


def test_words_that_the_caller_did_not_wait_for_are_not() -> None:
    assert of_tape("hung_up").words_lost == 0


# ---------------------------------------------------------------- by hand


def test_a_greeting_in_several_items_is_one_greeting() -> None:
    where = {"response_id": "r1", "item_id": "i2"}
    more = from_model(150, "response.output_audio_transcript.done", **where, transcript="I help you?")
    found = of(*said(150, "r1", "i1", "Hello, how can"), more)
    assert (found.greeting, found.greeting_agreement) == ("Hello, how can I help you?", 1.0)


def test_a_greeting_that_was_cut_off_says_nothing_about_its_wording() -> None:
    lines = said(150, "r1", "i1", "Hello, how")[:-1]
    cancelled = from_model(160, "response.done", response={"id": "r1", "status": "cancelled"})
    assert of(*lines, cancelled).greeting is None


def test_typography_is_no_wording_and_words_are() -> None:
    assert agreement("Hello,  it\u2019s me", "Hello, it's me") == 1.0
    assert agreement("Hi there", "Hello, it's me") == 0.0


def test_silence_long_after_detection_is_told_from_late_detection() -> None:
    speech = caller_speaks(from_ms=1000, until_ms=2000, whole_ms=3000)
    agent = ledger(1500, "i1", first_heard=200, heard_ms=1300, generated_ms=4000, cut=True)
    detected = line_of(1400, SpeechStarted("i2", 900))
    [one] = of(*speech, agent, detected, clear(1500)).interruptions
    assert one.detected_to_silence_ms == 100
    assert one.onset_to_silence_ms is not None
    assert abs(one.onset_to_silence_ms - 500) <= 80


def test_silence_without_a_voice_is_a_false_interruption() -> None:
    quiet = caller_speaks(from_ms=0, until_ms=600, whole_ms=5000)
    [one] = of(*quiet, line_of(4000, SpeechStarted("i2", 900)), clear(4000)).interruptions
    assert one.is_false
    assert one.onset_to_silence_ms is None


def test_an_interruption_by_what_turned_out_to_hold_no_words_is_false() -> None:
    speech = caller_speaks(from_ms=1000, until_ms=1400, whole_ms=3000)
    kind = "conversation.item.input_audio_transcription.completed"
    empty = from_model(2000, kind, item_id="i2", transcript=" ")
    [one] = of(*speech, line_of(1200, SpeechStarted("i2", 900)), clear(1200), empty).interruptions
    assert one.is_false


def test_an_agent_that_talks_on_over_the_caller_missed_an_interruption() -> None:
    speech = caller_speaks(from_ms=1000, until_ms=2500, whole_ms=5000)
    agent = ledger(4000, "i1", first_heard=200, heard_ms=3800, generated_ms=3800)
    assert of(*speech, agent).missed_interruptions == 1
    assert of(*speech, agent, clear(1200)).missed_interruptions == 0


def test_a_caller_who_speaks_when_the_agent_is_nearly_done_missed_nothing() -> None:
    speech = caller_speaks(from_ms=1000, until_ms=2500, whole_ms=5000)
    agent = ledger(1400, "i1", first_heard=200, heard_ms=1200, generated_ms=1200)
    assert of(*speech, agent).missed_interruptions == 0


def test_items_are_counted_for_each_response() -> None:
    def added(item: str) -> Line:
        return from_model(
            300, "response.output_item.added", response_id="r2", item={"id": item, "type": "message"}
        )

    found = of(*said(100, "r1", "i1", "Hello."), *said(200, "r2", "i2", "One."), added("i3"), added("i4"))
    assert found.items_per_response == (1, 3)


def test_latency_is_from_the_last_sound_of_the_caller_to_the_first_of_the_agent() -> None:
    lines: list[Line] = caller_speaks(from_ms=1000, until_ms=2000, whole_ms=5000)
    lines += [
        line_of(1100, SpeechStarted("i1", 900)),
        from_model(2500, "input_audio_buffer.speech_stopped", item_id="i1", audio_end_ms=2500),
        from_model(2500, "input_audio_buffer.committed", item_id="i1"),
        from_model(2600, "response.created", response={"id": "r1"}),
        ledger(4000, "i2", response_id="r1", first_heard=2900),
    ]
    [latency] = of(*lines).latencies_ms
    assert abs(latency - 900) <= 100


def test_messages_with_wrong_fields_cost_only_themselves() -> None:
    odd: list[dict[str, Any]] = [{"response": 3}, {}, {"response_id": ["r"]}]
    lines = [from_model(10 + n, "response.created", **fields) for n, fields in enumerate(odd)]
    assert of(*lines, *said(100, "r1", "i1", "Hello.")).greeting == "Hello."


def test_audio_that_is_no_base64_is_skipped() -> None:
    line = line_of(0, CallerSpoke("MZ1", 1, b"\xff" * FRAME_BYTES))
    assert line.msg
    broken = bytes(line.msg).replace(b64encode(b"\xff" * FRAME_BYTES), b"@")
    assert of(decode(broken_line(broken)), milestone(5, "stream_started")).interruptions == ()


def broken_line(message: bytes) -> bytes:
    """Return a tape line with this message of the phone's."""
    return b'{"t_ms":0,"leg":"twilio_ws","from":"twilio","msg":' + message + b"}"


# ---------------------------------------------------------------- what a schema leaves free


def test_text_that_no_schema_binds_is_free() -> None:
    properties = {
        "note": {"type": "string"},
        "day": {"type": "string", "enum": ["Friday", "Sunday"]},
        "date": {"type": "string", "format": "date"},
        "people": {"type": "integer"},
        "wish": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "guests": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}}},
    }
    tool = {"name": "book", "parameters": {"type": "object", "properties": properties}}
    assert free_arguments([tool, "odd", {"name": "none"}]) == {
        "book": (".note", ".wish", ".guests[].name"),
        "none": (),
    }


def test_free_words_are_compared_without_capitals_and_punctuation() -> None:
    assert (
        words_of("By the window, please!")
        == words_of("by the Window please")
        == ("by", "the", "window", "please")
    )


def test_a_recorded_tool_call_knows_which_arguments_its_tool_left_free() -> None:
    table, hang_up = of_tape("interrupted").tools
    assert (table.free, hang_up.free) == ((".day", ".time"), (".reason",))
