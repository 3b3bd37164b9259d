"""Where a caller was, out of a tape's lines."""

from taped import line_of, milestone

from bridge.heart.effects import EndCall, LeaveStream, ReturnToStream
from bridge.heart.events import PhoneLeft, StreamStarted, StreamStopped
from bridge.heart.plans import Dial, Plan, TakeMessage
from bridge.settings.places import Place, Voicemail
from bridge.store.legs import Legs
from bridge.tapes import tape
from bridge.tapes.tape import HTTP, TWILIO, Line

SALES = Plan(Dial(Place("sales", number="+15550100111")))


def start(t_ms: int, sid: str = "MZ1") -> Line:
    return line_of(t_ms, StreamStarted(sid, "CA1", "audio/x-mulaw", 8000, 1))


def folded(*lines: Line) -> Legs:
    legs = Legs()
    for line in lines:
        legs.take(line)
    return legs


def test_a_call_without_excursions_is_one_stream() -> None:
    for last, outcome in (
        (line_of(900, StreamStopped("MZ1")), "hung_up"), (line_of(900, PhoneLeft(1006, "")), "lost"),
        (line_of(900, PhoneLeft(1000, "")), "hung_up"), (tape.line_of(900, EndCall("tool", "bye")), "ended"),
    ):  # fmt: skip
        (row,) = folded(start(40), start(41), last, line_of(950, PhoneLeft(1000, ""))).rows
        assert (row["part"], row["number"], row["began_ms"], row["ended_ms"]) == ("stream", 1, 40, 900)
        assert row["outcome"] == outcome


def test_a_stream_that_starts_while_the_caller_is_away_is_none() -> None:
    left, back = tape.line_of(500, LeaveStream(1, SALES)), tape.line_of(800, ReturnToStream(2))
    rows = folded(start(40), left, start(600, "MZ8"), back, start(900, "MZ9")).rows
    assert [(row["part"], row["number"], row["began_ms"]) for row in rows] == [
        ("stream", 1, 40), ("excursion", 1, 500), ("stream", 2, 900),
    ]  # fmt: skip


def test_who_took_the_call_and_when_is_in_the_row_of_the_dial() -> None:
    told = {"DialCallSid": "CA8", "DialCallStatus": "completed"}
    rows = folded(
        start(40),
        tape.line_of(500, LeaveStream(1, SALES)),
        milestone(900, "far_end", excursion=1, what="answered"),
        milestone(901, "taken", excursion=1, to="sales"),
        milestone(999, "taken", excursion=7, to="anna"),
        milestone(60_000, "excursion_ended", excursion=1, outcome="completed", seconds=59, data=told),
    ).rows
    dial = rows[-1]
    assert (dial["part"], dial["place"], dial["taken_ms"], dial["seconds"]) == ("dial", "sales", 901, 59)
    assert dial["data"]["DialCallSid"] == "CA8"


def test_what_an_odd_note_says_of_an_end_is_left_out() -> None:
    left = tape.line_of(500, LeaveStream(1, SALES))
    for seconds, data in ((2**40, "x"), ("long", None), (-1, [])):
        odd = milestone(900, "excursion_ended", excursion=1, outcome=7, seconds=seconds, data=data)
        (row,) = folded(left, odd).rows
        assert (row["outcome"], row["seconds"], row["data"]) == ("7", None, {})


def test_what_is_told_of_a_message_later_is_in_its_row() -> None:
    form = {"RecordingStatus": "completed", "RecordingUrl": "https://api/RE1", "CallSid": "CA1"}
    http = {"method": "POST", "url": "https://b.example.com/voice/a/away/1/recording", "form": form}
    rows = folded(
        tape.line_of(500, LeaveStream(1, Plan(TakeMessage(Voicemail())))),
        tape.line_of(900, EndCall("caller", "hung up")),
        Line(t_ms=2000, leg=HTTP, sender=TWILIO, http=http),
    ).rows
    assert rows[0]["data"] == {"RecordingStatus": "completed", "RecordingUrl": "https://api/RE1"}
