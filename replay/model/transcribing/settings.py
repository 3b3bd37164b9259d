"""The session object of a session that only writes down: it hears and never speaks.

Clients open one with ?intent=transcription. Nobody has published the service's words for a response that is asked of
one, or for an update of the other kind: they are ours.
"""

import copy
from typing import Any, Final

from replay.model.checks import check_keys
from replay.model.settings import INPUT, checked_audio, checked_kind_of_session, new_session
from replay.model.wire import Message, RefusedError

KIND: Final = "transcription"
TAKES_NO_TURNS: Final = ("gpt-live-transcribe",)
"""Models that take turn detection beside them in sessions of the other kind alone."""
_KNOWN: Final = {"type": None, "audio": {"input": INPUT}, "include": None}
_ANSWERS: Final = ("create_response", "interrupt_response", "idle_timeout_ms")
"""Turn detection has these for the answers that it leads to, and here there are none."""


def new_transcription(session_id: str, expires_at: int) -> Message:
    """The session object of session.created; expires_at in epoch seconds."""
    spoken = new_session(session_id, "", expires_at)["audio"]["input"]
    return {
        "type": KIND,
        "object": "realtime.transcription_session",
        "id": session_id,
        "expires_at": expires_at,
        "audio": {"input": {**spoken, "turn_detection": _without_answers(spoken["turn_detection"])}},
        "include": None,
    }


def updated_transcription(session: Message, change: Any) -> Message:
    """The session after an update, as a new object; raises RefusedError when any part is wrong."""
    checked_kind_of_session(change, KIND)
    check_keys(change, _KNOWN, "session")
    after = copy.deepcopy(session)
    after.update({key: value for key, value in change.items() if key != "audio"})
    heard, now = (change.get("audio") or {}).get("input") or {}, after["audio"]["input"]
    model = (heard.get("transcription", now["transcription"]) or {}).get("model")
    if model in TAKES_NO_TURNS and heard.get("turn_detection"):
        path = "session.audio.input.turn_detection"
        raise RefusedError("invalid_value", f"Turn detection is not supported with '{model}'.", path)
    now.update(checked_audio(heard, now, "session.audio.input"))
    now["turn_detection"] = None if model in TAKES_NO_TURNS else _without_answers(now["turn_detection"])
    return after


def check_may_answer(session: Message) -> None:
    """Raise RefusedError for a session in which no response can be made."""
    if session["type"] == KIND:
        raise RefusedError("invalid_value", "A transcription session makes no responses.", "type")


def _without_answers(detection: Message | None) -> Message | None:
    return detection and {key: value for key, value in detection.items() if key not in _ANSWERS}
