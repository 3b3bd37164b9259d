"""What Twilio tells of a call when its tape is complete: it is in the call's record, once, and in bounds."""

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from bridge.heart.effects import EndCall, LeaveStream
from bridge.heart.plans import Plan, TakeMessage
from bridge.indexing.worker import Indexing
from bridge.settings.places import Voicemail
from bridge.store.database import Store
from bridge.store.messages import KeepLate, Told
from bridge.tapes import tape
from bridge.tapes.forgotten import Forgotten
from bridge.tapes.header import Header, encode_header
from bridge.tapes.late import MOST_CHARACTERS, MOST_LATE, Late, keep_late
from bridge.tapes.reader import ending_on_disk, read_tape
from bridge.tapes.tape import decode, encode
from replay.tapes.scrub import Scrub

CALL = "CA" + "7" * 32
BEGAN = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
HUNG_UP = EndCall("caller", "hung up")
URL = "https://bridge.example.com/voice/front-desk"
THERE = {"CallSid": CALL, "RecordingUrl": "https://api.twilio.com/RE1", "RecordingStatus": "completed"}
WORDS = {"CallSid": CALL, "TranscriptionText": "Call me back, please.", "TranscriptionStatus": "completed"}


def told(form: dict[str, str], kind: str = "away/1/recording", after_seconds: int = 90) -> Late:
    http = {"method": "POST", "url": f"{URL}/{kind}", "form": form}
    return Late(CALL, "front-desk", (f"{CALL}-2", CALL), http, BEGAN + timedelta(seconds=after_seconds))


def a_call(data: Path, call_id: str = CALL, end: EndCall = HUNG_UP) -> Path:
    """Put the tape of a call there that left a message and is over."""
    header = Header(
        call_id=call_id, call_sid=CALL, account_sid="", agent="front-desk", started_at=BEGAN.isoformat()
    )
    lines = (
        tape.line_of(5000, LeaveStream(1, Plan(TakeMessage(Voicemail())))),
        tape.line_of(9000, end),
    )
    path = data / "tapes" / "2026-11-23" / f"{call_id}.jsonl.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(encode_header(header) + b"".join(map(encode, lines))))
    return path


def keep(data: Path, late: Late) -> dict[str, Any]:
    """Let the indexer keep it, and index the tape; return the call's rows."""
    reply = Indexing(data).reply_to(KeepLate(late))
    assert isinstance(reply, Told)
    assert reply.path is not None
    store = Store(data / "calls.duckdb")
    store.add([Path(reply.path)])
    (leg,) = store.query("select data from legs where part = 'excursion'")
    milestones = store.query("select name, t_ms, data from milestones order by position")
    return {"leg": leg["data"], "milestones": milestones, "calls": store.query("select * from calls")}


def test_a_message_that_is_told_of_after_the_end_is_in_the_record_and_changes_nothing_else(
    tmp_path: Path,
) -> None:
    a_call(tmp_path)
    keep(tmp_path, told(THERE))
    rows = keep(tmp_path, told(WORDS, after_seconds=100))
    assert "https://api.twilio.com/RE1" in rows["leg"]
    assert "Call me back, please." in rows["leg"]
    assert [(row["name"], row["t_ms"]) for row in rows["milestones"]] == [
        ("recording_told_after_the_end", 90_000), ("recording_told_after_the_end", 100_000),
    ]  # fmt: skip
    (call,) = rows["calls"]
    assert (call["duration_ms"], call["ended_by"], call["why"]) == (9000, "caller", "hung up")


def test_told_twice_is_told_once(tmp_path: Path) -> None:
    path = a_call(tmp_path)
    keep(tmp_path, told(THERE))
    before = path.read_bytes()
    rows = keep(tmp_path, told(THERE, after_seconds=4000))
    assert path.read_bytes() == before
    assert len(rows["milestones"]) == 1


def test_it_is_bounded_in_lines_and_in_length(tmp_path: Path) -> None:
    path = a_call(tmp_path)
    for number in range(MOST_LATE + 5):
        keep_late(tmp_path / "tapes", told({**WORDS, "TranscriptionText": f"{number} " * MOST_CHARACTERS}))
    lines = list(map(decode, read_tape(path).lines))
    assert len(lines) == 2 + MOST_LATE
    texts = [line.http["form"]["TranscriptionText"] for line in lines if line.http]
    assert {len(text) for text in texts} == {MOST_CHARACTERS}


OTHERS = {
    "an excursion that never was": told(THERE, "away/2/recording"),
    "another agent's": evolve(told(THERE), agent="night"),
    "another call": evolve(told(THERE), call_ids=("CA" + "8" * 32,), call_sid="CA" + "8" * 32),
}


@pytest.mark.parametrize("late", OTHERS.values(), ids=list(OTHERS))
def test_what_is_about_another_call_is_on_no_tape(tmp_path: Path, late: Late) -> None:
    path = a_call(tmp_path)
    before = path.read_bytes()
    assert Indexing(tmp_path).reply_to(KeepLate(late)) == Told(None)
    assert path.read_bytes() == before


def test_of_another_account_it_is_not_kept(tmp_path: Path) -> None:
    path = a_call(tmp_path)
    header, rest = gzip.decompress(path.read_bytes()).split(b"\n", 1)
    path.write_bytes(
        gzip.compress(header.replace(b'"account_sid":""', b'"account_sid":"AC1"') + b"\n" + rest)
    )
    assert keep_late(tmp_path / "tapes", told({**THERE, "AccountSid": "AC2"})) is None
    assert keep_late(tmp_path / "tapes", told({**THERE, "AccountSid": "AC1"})) == path


def test_the_later_call_under_a_call_sid_has_it(tmp_path: Path) -> None:
    first, second = a_call(tmp_path), a_call(tmp_path, f"{CALL}-2")
    assert keep_late(tmp_path / "tapes", told(THERE)) == second
    assert len(read_tape(first).lines) == 2


def test_a_call_that_we_made_is_found_by_the_call_sid_in_its_record(tmp_path: Path) -> None:
    path = a_call(tmp_path, "out-1")
    Store(tmp_path / "calls.duckdb").add([path])
    assert Indexing(tmp_path).reply_to(KeepLate(told(THERE))) == Told(str(path))


def test_of_a_call_that_was_cut_off_the_last_excursion_may_be_on_no_disk(tmp_path: Path) -> None:
    path = a_call(tmp_path, end=EndCall("bridge", "crashed"))
    back = told({"CallSid": CALL, "DialCallStatus": "busy"}, "away/2/back")
    assert keep_late(tmp_path / "tapes", told(THERE, "away/3/back")) is None
    assert keep_late(tmp_path / "tapes", back) == path


def test_a_tape_that_is_still_written_waits(tmp_path: Path) -> None:
    path = a_call(tmp_path)
    path.rename(path.with_suffix(""))
    assert keep_late(tmp_path / "tapes", told(THERE)) is None


def test_how_the_call_ended_is_read_as_before(tmp_path: Path) -> None:
    a_call(tmp_path)
    keep_late(tmp_path / "tapes", told({**THERE, "end": "{}", '"end":': '{"by":"nobody"}'}))
    found = ending_on_disk(tmp_path / "tapes", CALL)
    assert found is not None
    assert found.ending is not None
    assert found.ending["by"] == "caller"


# ---------------------------------------------------------------- forgetting, redacting


def test_a_call_that_was_erased_does_not_come_back_with_it(tmp_path: Path) -> None:
    path = a_call(tmp_path)
    keep(tmp_path, told(WORDS))
    Forgotten.in_folder(tmp_path).add([CALL])
    assert keep_late(tmp_path / "tapes", told(THERE)) == path
    assert not path.exists()


def test_a_redacted_tape_says_nothing_of_it(tmp_path: Path) -> None:
    path = a_call(tmp_path)
    late = evolve(told(WORDS), told={"say": "Sorry.", "step": "dial", "to": "sales"})
    keep_late(tmp_path / "tapes", late)
    redacted = b"".join(Scrub().lines(read_tape(path)))
    assert b"Call me" not in redacted
    assert b"Sorry" not in redacted
    assert b'"dial"' in redacted
