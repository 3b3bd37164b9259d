"""The settings of a session that a server may refuse without refusing the call: left out, it has its own. Pure."""

import re
from collections.abc import Mapping
from typing import Any, Final

Session = Mapping[str, Any]

TRANSCRIPTION: Final = "audio.input.transcription"
TURN_DETECTION: Final = "audio.input.turn_detection"
OPTIONAL: Final = (
    f"{TRANSCRIPTION}.language",
    f"{TRANSCRIPTION}.languages",
    TRANSCRIPTION,
    "audio.input.noise_reduction",
    f"{TURN_DETECTION}.threshold",
    f"{TURN_DETECTION}.prefix_padding_ms",
    f"{TURN_DETECTION}.silence_duration_ms",
    f"{TURN_DETECTION}.eagerness",
    TURN_DETECTION,
    "audio.output.voice",
    "max_output_tokens",
    "tool_choice",
)
"""A field before what holds it. Everything else makes the call what it is: instructions, tools, audio formats."""

_NAMED: Final = re.compile(r"'(session\.[\w.\[\]]{1,100})'")


def without_refused(session: Session, param: str, message: str = "") -> tuple[Session, str] | None:
    """Return the session without the field that was refused, and that field; None if the call can't do without it.

    `param` is what the error names; where it names nothing, its message may.
    """
    if not param and (named := _NAMED.search(message)):
        param = named[1]
    path = param.removeprefix("session.")
    for field in OPTIONAL:
        if f"{path}.".startswith(f"{field}.") and (left := _without(session, field)) != session:
            return left, field
    # Turn detection beside some transcription models is refused: the other one of the two is what is wrong.
    if path.startswith("audio.input.") and (left := _without(session, TRANSCRIPTION)) != session:
        return left, TRANSCRIPTION
    return None


def _without(session: Session, field: str) -> Session:
    if field == TURN_DETECTION:
        return _changed(session, field.split("."), _plain)
    return _changed(session, field.split("."), lambda value: None)


def _plain(turn_detection: Session) -> Session | None:
    """Turn detection that any server has; who answers a turn is no matter of taste and stays."""
    flags = {name: turn_detection[name] for name in ("create_response", "interrupt_response")}
    return {"type": "server_vad", **flags}


def _changed(session: Session, path: list[str], change: Any) -> Session:
    """Return the session with the field at this path changed, or dropped if nothing is to stand there."""
    name, rest = path[0], path[1:]
    if session.get(name) is None:
        return session
    value = _changed(session[name], rest, change) if rest else change(session[name])
    kept = {key: one for key, one in session.items() if key != name}
    return kept if value is None else {key: value if key == name else one for key, one in session.items()}
