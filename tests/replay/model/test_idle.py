"""The stand-in's idle time-out: when it speaks to a caller who says nothing, and when it does not."""

import base64
import json
from typing import Any

import pytest
from model_client import checker

from bridge.heart.audio import silence
from replay.model.script import CallTool, Delivery, Reply, Say, Script
from replay.simulation.agenda import Agenda
from replay.simulation.model import SimulatedModel
from replay.sound.clips import clip
from replay.sound.formats import murmur

HELLO = (Say(murmur(2000), "Hello, this is the clinic."),)
STILL_THERE = (Say(murmur(1000), "Are you still there?"),)
SPEECH = clip("caller_hours").audio
DELIVERY = Delivery(response_delay_ms=0, first_delta_ms=20, speed=8.0)


class Line:
    """A client on an agenda, with a caller whose audio comes in real time; what it is told is kept with its ms."""

    def __init__(self, opening: Reply = HELLO, **detection: Any) -> None:
        script = Script(opening=opening, fallback=STILL_THERE, delivery=DELIVERY)
        self.agenda, self.told = Agenda(), list[tuple[int, dict[str, Any]]]()
        self.model = SimulatedModel(
            script=script, model="gpt-realtime-2.1", number=1, agenda=self.agenda,
            tell=lambda frame: self.told.append((self.agenda.now_ms, json.loads(frame))),
            leave=lambda _code, _reason: None, stall=lambda: None,
        )  # fmt: skip
        self.model.begin()
        self.tune(idle_timeout_ms=5000, silence_duration_ms=320, **detection)
        self.send("response.create")

    def send(self, kind: str, **fields: Any) -> None:
        self.model.hear(json.dumps({"type": kind, **fields}))

    def tune(self, **detection: Any) -> None:
        given = {"format": {"type": "audio/pcmu"}, "turn_detection": {"type": "server_vad", **detection}}
        audio = {"input": given, "output": {"format": {"type": "audio/pcmu"}}}
        self.send("session.update", session={"type": "realtime", "audio": audio})

    def hear(self, audio: bytes) -> "Line":
        """Let so much audio, and with it so much time, go by."""
        for at in range(0, len(audio), 160):
            self.send("input_audio_buffer.append", audio=base64.b64encode(audio[at : at + 160]).decode())
            due_ms = self.agenda.now_ms + 20
            self.agenda.at(due_ms, lambda: None)
            while self.agenda.now_ms < due_ms:
                self.agenda.step()
        return self

    def all(self, kind: str) -> list[tuple[int, dict[str, Any]]]:
        return [(t_ms, event) for t_ms, event in self.told if event["type"] == kind]

    @property
    def timeouts(self) -> list[tuple[int, dict[str, Any]]]:
        return self.all("input_audio_buffer.timeout_triggered")


def test_a_caller_who_says_nothing_is_spoken_to_when_the_answer_has_played_and_the_time_is_over() -> None:
    line = Line().hear(silence(12_000))
    ((t_ms, event),) = line.timeouts
    (done_ms, _), *_ = line.all("response.done")
    assert t_ms == done_ms + 2000 + 5000
    assert (event["audio_end_ms"] - event["audio_start_ms"]) % 32 == 0
    assert abs(event["audio_start_ms"] - (done_ms + 2000)) < 52
    assert abs(event["audio_end_ms"] - t_ms) < 52


def test_the_silence_becomes_a_turn_that_is_answered_by_itself() -> None:
    line = Line().hear(silence(12_000))
    kinds = [event["type"] for _, event in line.told]
    begin = kinds.index("input_audio_buffer.timeout_triggered")
    assert kinds[begin : begin + 5] == [
        "input_audio_buffer.timeout_triggered",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
    ]
    events = [event for _, event in line.told[begin : begin + 4]]
    assert {event.get("item_id") or event["item"]["id"] for event in events} == {events[0]["item_id"]}
    assert (events[3]["item"]["role"], events[3]["item"]["content"][0]["type"]) == ("user", "input_audio")
    assert [fault for _, event in line.told for fault in checker.check_openai_shape(event, "s")] == []
    assert line.model.session.responses[1].output[0]["content"][0]["transcript"] == "Are you still there?"


def test_the_answer_to_silence_begins_the_wait_anew() -> None:
    line = Line().hear(silence(25_000))
    first, second, third = (t_ms for t_ms, _ in line.timeouts)
    assert second - first == third - second
    assert 5000 + 1000 < second - first < 5000 + 1000 + 200


@pytest.mark.parametrize("before_ms", [1000, 4000, 6900])
def test_a_caller_who_speaks_in_time_is_not_taken_for_idle(before_ms: int) -> None:
    line = Line().hear(silence(before_ms) + SPEECH + silence(3000))
    assert line.all("input_audio_buffer.speech_started")
    assert line.timeouts == []


def test_who_talks_for_longer_than_the_time_is_not_idle() -> None:
    line = Line(create_response=False, interrupt_response=False).hear(silence(1000) + murmur(9000))
    assert line.timeouts == []


@pytest.mark.parametrize("change", [{"idle_timeout_ms": None}, {"idle_timeout_ms": 30_000}])
def test_a_wait_ends_with_the_setting_that_it_came_from(change: dict[str, Any]) -> None:
    line = Line().hear(silence(4000))
    line.tune(**change)
    assert line.hear(silence(8000)).timeouts == []


def test_an_answer_without_audio_begins_no_wait() -> None:
    assert Line(opening=(CallTool("look_up"),)).hear(silence(9000)).timeouts == []


def test_nobody_waits_who_was_not_asked_to() -> None:
    line = Line().hear(b"")
    line.tune(idle_timeout_ms=None)
    assert line.hear(silence(12_000)).timeouts == []


@pytest.mark.parametrize("value", [4999, 30_001])
def test_a_time_out_beyond_the_services_range_is_refused(value: int) -> None:
    line = Line()
    line.tune(idle_timeout_ms=value)
    line.hear(silence(20))
    (_, error), *_ = line.all("error")
    assert error["error"]["param"] == "session.audio.input.turn_detection.idle_timeout_ms"
