"""The example calls in `tests/golden` pass their checker, and a spoilt call does not."""

import json
from base64 import b64encode
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from wire_checker import GOLDEN, check_wire

from bridge.heart.audio import bytes_of
from bridge.tapes.reader import read_tape
from replay.tapes.wire import wire_lines

CALLS = sorted(path.name for path in GOLDEN.glob("*.jsonl"))

Lines = list[dict[str, Any]]


def load(name: str) -> Lines:
    """The lines of a golden call (the checker's own `load` leaves the file to the garbage collector)."""
    return [json.loads(line) for line in (GOLDEN / name).read_text(encoding="utf-8").splitlines()]


def barge_in() -> Lines:
    """The call in which the caller interrupts: it has marks, a clear and a truncate."""
    return load("03_barge_in_response_in_progress.jsonl")


def sent(lines: Lines, sender: str, kind: str) -> Lines:
    """The lines on which that side sent messages of that kind."""
    kinds = [(line, line.get("msg", {})) for line in lines if line["from"] == sender]
    return [line for line, msg in kinds if kind in (msg.get("event"), msg.get("type"))]


def echo_two_marks_in_the_wrong_order(lines: Lines) -> None:
    first, second = sent(lines, "twilio", "mark")[:2]
    first["msg"]["mark"], second["msg"]["mark"] = second["msg"]["mark"], first["msg"]["mark"]


def echo_a_mark_nobody_sent(lines: Lines) -> None:
    sent(lines, "twilio", "mark")[0]["msg"]["mark"]["name"] = "never sent"


def truncate_beyond_the_audio(lines: Lines) -> None:
    sent(lines, "bridge", "conversation.item.truncate")[0]["msg"]["audio_end_ms"] = 60_000


def send_before_start(lines: Lines) -> None:
    start = lines.index(sent(lines, "twilio", "start")[0])
    early = {**sent(lines, "bridge", "clear")[0], "t_ms": lines[start]["t_ms"]}
    lines.insert(start, early)


def forget_the_clear(lines: Lines) -> None:
    lines.remove(sent(lines, "bridge", "clear")[0])


def lose_a_caller_frame(lines: Lines) -> None:
    lines.remove(sent(lines, "twilio", "media")[1])


def change_the_agents_audio(lines: Lines) -> None:
    sent(lines, "bridge", "media")[0]["msg"]["media"]["payload"] = "/////w=="


def forge_the_webhook(lines: Lines) -> None:
    next(line for line in lines if "http" in line)["http"]["form"]["From"] = "+15550009999"


def send_a_field_that_does_not_exist(lines: Lines) -> None:
    sent(lines, "bridge", "conversation.item.truncate")[0]["msg"]["audio_end"] = 1


def hear_no_goodbye(lines: Lines) -> None:
    lines.remove(sent(lines, "twilio", "stop")[0])


SPOILT: list[tuple[Callable[[Lines], None], str]] = [
    (echo_two_marks_in_the_wrong_order, "echoed out of order"),
    (echo_a_mark_nobody_sent, "echoed out of order or never sent"),
    (truncate_beyond_the_audio, "truncate beyond the received audio"),
    (send_before_start, "sent to Twilio before start"),
    (forget_the_clear, "barge-in over playing audio without clear/truncate"),
    (lose_a_caller_frame, "sequenceNumber"),
    (change_the_agents_audio, "outbound media is not the next audio delta"),
    (forge_the_webhook, "webhook signature does not verify"),
    (send_a_field_that_does_not_exist, "audio_end: field not in"),
    (hear_no_goodbye, "Twilio closes without stop"),
]


def test_there_are_golden_calls_to_check() -> None:
    assert len(CALLS) == 7


@pytest.mark.parametrize("name", CALLS)
def test_a_golden_call_keeps_every_rule_of_both_protocols(name: str) -> None:
    assert check_wire.check_file(load(name)) == []


@pytest.mark.parametrize("name", CALLS)
def test_a_golden_call_also_passes_as_an_exported_tape(name: str) -> None:
    assert check_wire.check_file(load(name), tape=True) == []


@pytest.mark.parametrize(("spoil", "problem"), SPOILT, ids=[spoil.__name__ for spoil, _ in SPOILT])
def test_a_spoilt_call_is_found_out(spoil: Callable[[Lines], None], problem: str) -> None:
    lines = barge_in()
    spoil(lines)
    renumbered = [{**line, "i": number} for number, line in enumerate(lines)]
    assert any(problem in found for found in check_wire.check_file(renumbered))


# ---------------------------------------------------------------- a client that alone interrupts


def spoken_over() -> Lines:
    """A call by speaking rules: a noise after which the agent goes on, then an interruption."""
    return [dict(line) for line in wire_lines(read_tape(GOLDEN.parent / "tapes" / "spoken_over.jsonl.gz"))]


def forget_the_clear_of_an_interruption(lines: Lines) -> None:
    lines.remove(sent(lines, "bridge", "clear")[1])


def forget_what_was_heard(lines: Lines) -> None:
    lines.remove(sent(lines, "bridge", "conversation.item.truncate")[0])
    lines.remove(sent(lines, "openai", "conversation.item.truncated")[0])


def let_the_server_interrupt(lines: Lines) -> None:
    done = sent(lines, "openai", "response.done")[-1]
    lines.insert(lines.index(done), sent(lines, "openai", "input_audio_buffer.speech_started")[0])
    done["msg"]["response"] |= {
        "status": "cancelled",
        "status_details": {"type": "cancelled", "reason": "turn_detected"},
    }


SPOILT_BY_RULES: list[tuple[Callable[[Lines], None], str]] = [
    (forget_the_clear_of_an_interruption, "truncate of what was sent and never cleared"),
    (forget_what_was_heard, "while nobody knows whether what was cleared was heard"),
    (let_the_server_interrupt, "by a server that interrupts nothing"),
]


@pytest.mark.parametrize(
    ("spoil", "problem"), SPOILT_BY_RULES, ids=[spoil.__name__ for spoil, _ in SPOILT_BY_RULES]
)
def test_a_spoilt_call_by_speaking_rules_is_found_out(spoil: Callable[[Lines], None], problem: str) -> None:
    lines = spoken_over()
    assert check_wire.check_file(lines, tape=True) == []
    spoil(lines)
    renumbered = [{**line, "i": number} for number, line in enumerate(lines)]
    assert any(problem in found for found in check_wire.check_file(renumbered, tape=True))


@pytest.mark.parametrize(
    ("start_ms", "may_be"), [(0, True), (600, True), (980, True), (1000, False), (1200, False)]
)
def test_what_was_held_goes_on_with_words_that_were_sent_and_leaves_none_out(
    start_ms: int, may_be: bool
) -> None:
    relay, sound = check_wire.Relay(), Random(1).randbytes(bytes_of(2000))
    relay.put("i1", payload(sound))
    assert relay.take(payload(sound[: bytes_of(1000)]))
    relay.hold()
    assert relay.take(payload(sound[bytes_of(start_ms) :])) is may_be


def payload(audio: bytes) -> str:
    return b64encode(audio).decode("ascii")
