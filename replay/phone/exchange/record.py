"""<Record>: a message, from the beep until silence, a key, the length or a hang-up; and where it can be fetched."""

import secrets

import trio

from replay.phone.exchange.program import Outcome, Program
from replay.phone.instructions.verbs import Record
from replay.phone.leg import Leg
from replay.phone.line import BYTES_PER_MS, SILENCE
from replay.phone.report import Recording
from replay.sound import tones

KEY = "key"


async def record(program: Program, verb: Record) -> Outcome:
    """Record whoever is on the line, and tell what came of it."""
    leg = program.leg
    leg.forget_keys()
    with leg.while_there():
        if verb.plays_beep:
            leg.line.sound(tones.beep())
            await leg.played()
        program.report.note("recording", who=leg.name)
    began_ms = program.floor.now_ms
    digits, ended_by = await _listen(program, leg, verb, began_ms)
    said = bytes(leg.line.said[began_ms * BYTES_PER_MS :])
    recording = keep(program, said, ended_by)
    program.nursery.start_soon(tell, program, recording, verb.callback, verb.callback_events)
    return Outcome(
        [
            ("RecordingSid", recording.sid),
            ("RecordingUrl", recording.url),
            ("RecordingDuration", str(round(recording.ms / 1000))),
            ("Digits", "hangup" if ended_by == "hang_up" else digits),
        ]
    )


async def _listen(program: Program, leg: Leg, verb: Record, began_ms: int) -> tuple[str, str]:
    """The key that ended it, if one did, and what ended it."""
    leg.last_spoke_ms = max(leg.last_spoke_ms, began_ms)
    with leg.while_there():
        while True:
            now_ms = await program.floor.tick()
            if (key := leg.key_pressed()) is not None and key in verb.finish_on_key:
                return key, KEY
            if now_ms - began_ms >= verb.max_length_s * 1000:
                return "", "length"
            if verb.timeout_s and now_ms - leg.last_spoke_ms >= verb.timeout_s * 1000:
                return "", "silence"
    return "", "hang_up"


def keep(program: Program, audio: bytes, ended_by: str) -> Recording:
    """Keep a recording, trimmed of the silence around it."""
    audio = audio.strip(SILENCE)
    is_absent = not audio or program.town.behaviour.recording == "absent"
    sid = "RE" + secrets.token_hex(16)
    url = f"{program.api_url}/2010-04-01/Accounts/{program.courier.account.account_sid}/Recordings/{sid}"
    made = Recording(sid, url, audio, ended_by, "absent" if is_absent else "completed", trio.current_time())
    program.report.recordings.append(made)
    program.report.note("recorded", ms=made.ms, ended_by=ended_by, status=made.status)
    return made


async def tell(program: Program, recording: Recording, url: str | None, events: tuple[str, ...]) -> None:
    """Tell that a recording is there, or that there is none, when it is so."""
    behaviour = program.town.behaviour
    if behaviour.recording == "late":
        await trio.sleep(behaviour.recording_late_ms / 1000)
    if url is None or behaviour.recording == "never" or recording.status not in events:
        return
    courier = program.courier
    form = [
        ("AccountSid", courier.account.account_sid),
        ("CallSid", courier.call_sid),
        ("RecordingSid", recording.sid),
        ("RecordingUrl", recording.url),
        ("RecordingStatus", recording.status),
        ("RecordingDuration", str(round(recording.ms / 1000))),
        ("RecordingChannels", "1"),
        ("RecordingSource", "RecordVerb"),
    ]
    program.report.callbacks.append((f"recording {recording.status}", await courier.tell(url, form)))
