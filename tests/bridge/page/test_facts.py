"""All facts of a call as one plain value: what was heard, drawn and waited for, on one clock."""

from base64 import b64decode
from io import StringIO
from pathlib import Path
from typing import Any

import msgspec
import pytest
from attrs import evolve
from courses import Course, courses, everybody, history
from hypothesis import given, settings
from rich.console import Console
from taped import header_of, line_of

from bridge.agents import Agent
from bridge.heart.effects import EndCall
from bridge.page.facts import document, told
from bridge.page.html import file_page
from bridge.page.spans import spoken_until
from bridge.page.told import conversation, highlights
from bridge.prices import PUBLISHED
from bridge.screen.output import show_call
from bridge.settings.places import Place
from bridge.settings.speaking import Speaking
from bridge.store.trace import Trace
from bridge.tapes.reader import Tape, read_tape
from bridge.tapes.tape import decode, encode
from bridge.tapes.tape import line_of as decided
from replay.model.script import CallTool
from replay.model.script import Say as ModelSays
from replay.model.script import Script as ModelScript
from replay.phone.script import Caller, HangUp, InterruptAfter, Say, Wait, WaitForQuiet
from replay.simulation.away import FarEnd
from replay.simulation.simulate import Simulation, simulate
from replay.sound.clips import clip
from replay.sound.formats import murmur
from replay.tapes.pages import page_of

TAPES = Path(__file__).parents[2] / "tapes"
NAMES = sorted(path.name for path in TAPES.glob("*.jsonl.gz"))

Facts = dict[str, Any]


@pytest.fixture(scope="module")
def facts() -> Facts:
    return document(read_tape(TAPES / "interrupted.jsonl.gz"))


def spans(facts: Facts, lane: str) -> list[tuple[str, int, int]]:
    return [(one["kind"], one["from_ms"], one["to_ms"]) for one in facts["spans"] if one["lane"] == lane]


@pytest.mark.parametrize("name", [*NAMES, "formats/format1.jsonl", "formats/format1_next_session.jsonl"])
def test_any_calls_facts_are_plain_and_lie_within_the_call(name: str) -> None:
    facts = document(read_tape(TAPES / name))
    assert msgspec.json.decode(msgspec.json.encode(facts)) is not None
    length = facts["length_ms"]
    assert length >= facts["call"]["duration_ms"]
    drawn = [one for one in facts["spans"] if one["kind"] != "dropped"]
    assert all(0 <= one["from_ms"] <= one["to_ms"] <= length + 1000 for one in drawn)
    words = [ms for line in facts["lines"] for _, ms, _ in line["words"]]
    assert all(ms >= 0 for ms in words)


def test_what_was_heard_what_was_not_and_what_was_never_sent_are_drawn_apart(facts: Facts) -> None:
    heard = [item["heard_ms"] for item in facts["items"] if item["cut"]]
    agent = spans(facts, "agent")
    (unheard,) = (one for one in agent if one[0] == "unheard")
    (before,) = (one for one in agent if one[0] == "heard" and one[2] == unheard[1])
    (dropped,) = (one for one in agent if one[0] == "dropped")
    (cut_in,) = (one["t_ms"] for one in facts["moments"] if one["kind"] == "barge_in")
    assert before[2] == cut_in
    assert [before[2] - before[1]] == pytest.approx(heard, abs=60)
    assert dropped[1] == unheard[2]


def test_words_are_timed_and_those_behind_the_interruption_were_not_heard(facts: Facts) -> None:
    (line,) = (line for line in facts["lines"] if line["unheard"])
    heard = "".join(text for text, _, is_heard in line["words"] if is_heard)
    (cut_in,) = (one["t_ms"] for one in facts["moments"] if one["kind"] == "barge_in")
    times = [ms for _, ms, _ in line["words"]]
    assert heard.strip() == "Harbour Table opened in nineteen"
    assert line["to_ms"] == cut_in
    assert times == sorted(times)
    assert max(ms for _, ms, is_heard in line["words"] if is_heard) < cut_in


def test_each_answers_time_is_taken_apart_without_a_gap_and_its_slow_part_named(facts: Facts) -> None:
    first, _ = facts["waits"]
    names = [part["name"] for part in first["parts"]]
    assert names == ["endpointing", "commit", "start", "tools", "model", "line"]
    for part, following in zip(first["parts"], first["parts"][1:], strict=False):
        assert part["to_ms"] == following["from_ms"]
    turn = next(row for row in facts["waits"] if row["position"] == 0)
    assert turn["to_ms"] - turn["from_ms"] == 864
    assert (turn["slow"], turn["slow_ms"], turn["tools"]) == ("endpointing", 500, ["check_table"])


def test_the_waveform_and_the_sound_begin_with_the_call(facts: Facts) -> None:
    _, sound = told(read_tape(TAPES / "interrupted.jsonl.gz"))
    agent = b64decode(facts["peaks"]["agent"])
    step = facts["peaks"]["ms"]
    first_heard = next(one["t_ms"] for one in facts["moments"] if one["name"] == "first_audio_heard")
    assert len(sound.caller) == len(sound.agent)
    assert not any(agent[: first_heard // step])
    assert any(agent[first_heard // step : first_heard // step + 10])
    assert len(agent) * step == facts["length_ms"]


def test_both_sessions_of_a_call_stand_there_after_a_reconnect() -> None:
    facts = document(read_tape(TAPES / "formats" / "format1_next_session.jsonl"))
    first, second = facts["sessions"]
    assert (first["ended_ms"], first["why"]) == (901, "model connection lost (1006)")
    assert (second["began_ms"], second["ready_ms"]) == (901, 902)
    assert [kind for kind, *_ in spans(facts, "model")] == ["session", "session"]


def test_whoever_is_rung_while_the_caller_is_away_stands_in_a_lane_and_in_the_conversation() -> None:
    says = ModelScript(
        opening=(ModelSays(murmur(500), "Hello."),), turns=((CallTool("transfer_call", {"place": "sales"}),),)
    )
    agent = Agent(
        name="front-desk", transfer={"sales": Place("sales", number="+15550100111", ring_seconds=5)}
    )
    asks = Caller(steps=(WaitForQuiet(300), Say(murmur(500), "Sales, please."), WaitForQuiet(3000), HangUp()))
    tape = Simulation(asks, says, agent, (), far_ends=(FarEnd("no_answer", after_ms=4000),)).run()
    facts = document(tape)
    away = [one for one in facts["spans"] if one["lane"] == "away"]
    assert [one["text"] for one in away] == [
        "off the stream, dial sales: no answer",
        "sales was rung: no answer",
    ]
    assert [row["text"] for row in conversation(facts) if row["who"] == "Away"] == [
        one["text"] for one in away
    ]


def test_the_cost_of_the_classes_is_the_cost_of_the_call(facts: Facts) -> None:
    cost = facts["cost"]
    assert sum(row["usd"] for row in cost["classes"]) == pytest.approx(cost["usd"], abs=1e-5)
    assert {row["name"] for row in cost["classes"]} >= {"Audio in", "Audio out", "Text in", "Transcription"}


def test_the_tapes_lines_are_all_there_or_counted(facts: Facts) -> None:
    tape = read_tape(TAPES / "interrupted.jsonl.gz")
    told = facts["tape"]
    assert len(told["rows"]) + sum(told["counted"].values()) + told["left_out"] == len(tape.lines)
    number, t_ms, leg, sender, text = told["rows"][3]
    assert tape.lines[number - 2].decode().startswith(text[:100])
    assert f'"t_ms":{t_ms},"leg":"{leg}","from":"{sender}"' in text


@settings(max_examples=30)
@given(everybody, courses)
def test_whatever_happens_to_a_call_it_has_its_facts_and_a_page(agent: Agent, course: Course) -> None:
    lived = history(agent, course)
    lines = [encode(decided(0, effect)) for effect in lived.first]
    for one in lived.told:
        lines.append(encode(line_of(one.at, one.event)))
        lines += [encode(decided(one.at, effect)) for effect in one.wanted]
    tape = Tape(Path("call.jsonl"), header_of(agent, []), lines, is_torn=True)
    facts = document(tape)
    assert "</html>" in file_page(facts)
    assert all(span["from_ms"] <= span["to_ms"] for span in facts["spans"])


# ---------------------------------------------------------------- callers who may interrupt


def spoken_into(*words: tuple[bytes, str]) -> Tape:
    """Return a call whose caller speaks into what the agent says, by rules that have it stop until it knows more."""
    speaking = Speaking(min_speech_ms=200, backchannels=True, resume_after_ms=2000)
    agent = Agent(name="front-desk", speaking=speaking, language="en")
    says = ModelScript(
        opening=(ModelSays(murmur(9000), "We are open every day but Monday, and have been for years."),),
        turns=((ModelSays(murmur(700), "Of course."),),),
        heard=tuple(text for _, text in words),
    )
    said = [step for audio, text in words for step in (Say(audio, text), Wait(3000))]
    asks = Caller(
        steps=(InterruptAfter(1500), *said, WaitForQuiet(1500), HangUp()),
        answer_delay_ms=0,
        patience_ms=60_000,
    )
    return simulate(asks, says, agent)


def milestones(facts: Facts, name: str) -> list[int]:
    return [one["t_ms"] for one in facts["moments"] if one["name"] == name]


def barge_ins_shown(tape: Tape) -> list[str]:
    screen = Console(file=StringIO(), width=200)
    show_call(page_of(tape), screen)
    return [line for line in screen.file.getvalue().splitlines() if " barge-in " in line]  # type: ignore[attr-defined]


def test_an_interruption_is_one_and_is_where_the_agent_stopped_for_it() -> None:
    tape = spoken_into((clip("caller_stop").audio, "Wait, stop."))
    facts = document(tape)
    (stopped,), (known,) = milestones(facts, "barge_in_possible"), milestones(facts, "barge_in")
    assert stopped < known
    (button,) = ((t_ms, text) for _, t_ms, text in highlights(facts) if "cut in" in text)
    (flag,) = (one["t_ms"] for one in facts["moments"] if one["kind"] == "barge_in")
    (row,) = (row for row in conversation(facts) if row["kind"] == "cut")
    assert button[0] == flag == row["from_ms"] == stopped
    assert " s heard of 9.0 s said" in button[1]
    (shown,) = barge_ins_shown(tape)
    assert shown.split()[0] == f"{stopped / 1000:.2f}"


def test_an_agent_that_went_on_was_not_interrupted_there() -> None:
    tape = spoken_into((murmur(300), ""), (clip("caller_stop").audio, "Wait, stop."))
    facts = document(tape)
    falsely, stopped = milestones(facts, "barge_in_possible")
    (went_on,), (known,) = milestones(facts, "false_interruption"), milestones(facts, "barge_in")
    assert falsely < went_on < stopped < known
    assert [one["t_ms"] for one in facts["moments"] if one["kind"] == "barge_in"] == [stopped]


# ---------------------------------------------------------------- a turn that is open when the call ends


def ended_while_the_caller_spoke(*, after_ms: int) -> tuple[Tape, int, int]:
    """Return a call that an operator ended while its caller spoke, when they began, and when it ended."""
    tape = read_tape(TAPES / "interrupted.jsonl.gz")
    last = max(place for place, raw in enumerate(tape.lines) if b"input_audio_buffer.speech_stopped" in raw)
    lines = tape.lines[:last]
    began = max(decode(raw).t_ms for raw in lines if b"input_audio_buffer.speech_started" in raw)
    end = max(began + after_ms, decode(lines[-1]).t_ms)
    lines.append(encode(decided(end, EndCall("operator", "hung up in the console by anna"))))
    return evolve(tape, lines=lines), began, end


def test_speech_that_goes_on_when_the_call_ends_lasts_until_then() -> None:
    tape, began, end = ended_while_the_caller_spoke(after_ms=2500)
    facts = document(tape)
    assert spans(facts, "caller")[-1] == ("speech", began, end)
    line = [line for line in facts["lines"] if line["role"] == "caller"][-1]
    assert (line["from_ms"], line["to_ms"]) == (began, end)


def test_speech_that_was_heard_to_stop_ends_there() -> None:
    facts = document(read_tape(TAPES / "interrupted.jsonl.gz"))
    rows = page_of(read_tape(TAPES / "interrupted.jsonl.gz"))["turns"]
    told = [("speech", row["speech_started_ms"], row["speech_stopped_ms"]) for row in rows]
    assert spans(facts, "caller") == told


def test_a_turn_that_was_closed_without_an_end_being_heard_lasts_until_the_next_thing_that_ends_it() -> None:
    turns = [
        {"caller_item_id": "u1", "speech_started_ms": 1000, "committed_ms": 1800},
        {"caller_item_id": "u2", "speech_started_ms": 3000},
        {"caller_item_id": "u3", "speech_started_ms": 5000},
        {"caller_item_id": "u4", "committed_ms": 8500},
        {"caller_item_id": "u5", "speech_started_ms": 9000},
    ]
    sessions = [{"ended_ms": 6000}, {"ended_ms": None}]
    trace = Trace(0, b"", b"", (), PUBLISHED.of("gpt-realtime", ""), [], sessions)
    until = spoken_until({"turns": turns, "call": {"duration_ms": 10_000}}, trace)
    assert until == {"u1": 1800, "u2": 5000, "u3": 6000, "u5": 10_000}
