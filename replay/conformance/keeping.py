"""Both sides of each call as files: the messages in order, and the sound, the caller left and the agent right."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from replay.conformance.both_sides import BothSides
from replay.sound.sound_files import write_stereo


def keep_calls(calls: Sequence[BothSides], folder: Path) -> None:
    """Write NAME.jsonl and NAME.wav of each call. Raises `OSError`."""
    folder.mkdir(parents=True, exist_ok=True)
    for call in calls:
        path = folder / call.name.replace(" ", "-")
        lines = sorted(_lines(call), key=lambda line: line["at_ms"])
        path.with_suffix(".jsonl").write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
        write_stereo(path.with_suffix(".wav"), call.report.said, call.report.heard)


def _lines(call: BothSides) -> Iterator[dict[str, Any]]:
    """Yield each line of both sides; of what the model and its client said, the messages, their audio left out."""
    for event in call.report.events:
        yield {"at_ms": event.t_ms, "side": "phone", "what": event.kind, "detail": str(event.detail)}
    for arrival in call.report.line.arrivals:
        at_ms = call.line_ms(arrival.at_ms)
        yield {"at_ms": at_ms, "side": "phone", "what": "media", "ms": arrival.length_ms}
    for mark in call.report.marks:
        at_ms = call.line_ms(mark.sent_ms)
        yield {
            "at_ms": at_ms,
            "side": "phone",
            "what": "mark",
            "name": mark.name,
            "echoed_ms": mark.echoed_ms,
        }
    for log in call.sessions:
        for told in log.told:
            where = {"at_ms": call.ms(told), "side": "model", "session": log.number}
            yield {**where, "from": told.who, "what": told.kind, "msg": told.what}
