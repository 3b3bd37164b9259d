"""What somebody at the daemon asks of a live call: its answer, its lines on the tape, and who hears the call."""

import json
from base64 import b64encode

from attrs import evolve
from lone_calls import Broken, Watched, a_call

from bridge.agents import Agent
from bridge.calls.operating import OVER
from bridge.heart.call import Call
from bridge.heart.wishes import InstructionWhispered, TransferAsked
from bridge.tapes import tape
from bridge.tapes.tape import Line

WEBHOOK = Line(t_ms=0, leg=tape.HTTP, sender=tape.TWILIO, http={})
START = {
    "event": "start", "streamSid": "MZ1",
    "start": {
        "streamSid": "MZ1", "callSid": "CA1",
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
    },
}  # fmt: skip
WORD = InstructionWhispered("ada", "Offer her ten percent.")


def listened(heart: type[Call] = Call, *, listen_in: bool = True) -> Watched:
    """Return a call that has its stream."""
    call = a_call(evolve(Agent(), listen_in=listen_in), heart)
    call.live.begin(WEBHOOK)
    call.live._hear(call.live.phone, json.dumps(START))
    return call


def speak(call: Watched, frames: int) -> None:
    """Let the caller's frames come."""
    payload = b64encode(b"\x11" * 160).decode()
    for number in range(frames):
        media = {"chunk": str(number + 1), "payload": payload}
        call.live._hear(call.live.phone, json.dumps({"event": "media", "streamSid": "MZ1", "media": media}))


async def test_what_is_asked_and_what_was_answered_stand_on_the_tape_one_after_the_other() -> None:
    call = listened()
    assert await call.live.wish(TransferAsked("ada", "mars")) == "there is no such place; use one of: "
    asked = next(place for place, line in enumerate(call.lines) if line.asked is not None)
    rest = call.lines[asked:]
    assert rest[0].asked == {"wish": "transfer", "who": "ada", "place": "mars"}
    assert [line.told for line in rest if line.told is not None] == ["there is no such place; use one of: "]
    assert await call.live.wish(WORD) == ""


async def test_while_nobody_listens_there_is_nobody_to_pass_sound_on_to() -> None:
    call, heard = listened(), list[bytes]()
    assert call.live.ears is None
    first = await call.live.listen("ada", heard.append)
    second = await call.live.listen("bo", heard.append)
    speak(call, 5)
    assert len(heard) == 2
    first.leave()
    speak(call, 5)
    assert len(heard) == 3
    second.leave()
    second.leave()
    assert call.live.ears is None
    speak(call, 5)
    assert len(heard) == 3
    wishes = [line.asked["wish"] for line in call.lines if line.asked is not None]
    assert wishes == ["listen", "listen", "leave", "leave"]


async def test_who_may_not_listen_in_hears_nothing() -> None:
    call, heard = listened(listen_in=False), list[bytes]()
    seat = await call.live.listen("ada", heard.append)
    speak(call, 10)
    assert "listen_in" in seat.refusal
    assert (heard, call.live.ears) == ([], None)


async def test_a_listener_is_told_when_the_call_is_over_and_leaves_it_without_a_word() -> None:
    call, heard = listened(), list[bytes]()
    seat = await call.live.listen("ada", heard.append)
    call.live.stop("operator", "enough")
    assert heard[-1:] == [b""]
    lines = len(call.lines)
    seat.leave()
    assert len(call.lines) == lines
    assert await call.live.wish(WORD) == OVER
    assert (await call.live.listen("ada", heard.append)).refusal == OVER


async def test_a_heart_that_breaks_over_a_wish_ends_its_call_and_nobody_elses_page() -> None:
    call = a_call(Agent(), Broken)
    assert await call.live.wish(WORD) == OVER
    assert call.live.end is not None
