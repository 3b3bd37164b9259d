"""Tapes made by hand of calls under semantic_vad: what the server said and when it came, and what is true beside."""

from attrs import evolve

from bridge.agents import Agent
from bridge.heart.audio import SILENCE, bytes_of
from bridge.settings.turn_detection import SemanticVad
from bridge.tapes.header import Header, encode_header, settings_of
from replay.simulation.rehearsal import Rehearsal
from replay.tapes.rewrite import write_tape

STARTED_MS = 100
LIMITS = {
    "max_call_seconds": 3540,
    "quiet_seconds": 3540,
    "answer_timeout_ms": 60_000,
    "max_turn_seconds": 3540,
}
MUTE = {"create_response": False, "interrupt_response": False}


def write_semantic(folder, name, length_ms, server, labels, detection=None):
    """Write a tape and its labels. server: (audio_start_ms, audio_end_ms, when its stop came) of each turn it heard, in
    ms of the audio; labels: (start_ms, end_ms, label).
    """
    detection = detection or {"type": "semantic_vad", "eagerness": "high"}
    header = Header(
        call_id=name, call_sid=name, account_sid=f"AC{'0' * 32}", agent="front-desk",
        started_at="2026-11-23T09:00:00.000+00:00", model="gpt-realtime", code="by hand",
        settings=settings_of(evolve(Agent(), turn_detection=SemanticVad()))
        | {"turn_detection": detection | MUTE, "limits": LIMITS},
    )  # fmt: skip
    rehearsal = Rehearsal(header)
    rehearsal.opens()
    rehearsal.streams(STARTED_MS, SILENCE * bytes_of(length_ms), name, header.account_sid)
    for number, (start_ms, stop_ms, came_ms) in enumerate(server):
        item = {"item_id": f"item_{number}"}
        rehearsal.model(
            STARTED_MS + start_ms + 300, "input_audio_buffer.speech_started", audio_start_ms=start_ms, **item
        )
        if stop_ms is not None:
            rehearsal.model(
                STARTED_MS + came_ms, "input_audio_buffer.speech_stopped", audio_end_ms=stop_ms, **item
            )
    write_tape(folder / f"{name}.jsonl.gz", [encode_header(header), *rehearsal.run()])
    lines = [f"{start / 1000:.3f}\t{end / 1000:.3f}\t{label}" for start, end, label in labels]
    (folder / f"{name}.labels.txt").write_text("\n".join(lines) + "\n")
    return folder / f"{name}.jsonl.gz"
