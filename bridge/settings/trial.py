"""A trial: two turn detections on an agent's calls, so that what callers really got can be compared. Pure."""

import re
from hashlib import sha256
from typing import Any, Final

from attrs import evolve, frozen

from bridge.checks import Wrong, read_table, setting, shown
from bridge.settings.turn_detection import ANSWERING, ServerVad, TurnDetection, read_turn_detection

CONTROL: Final = "control"
VARIANT: Final = "variant"
ARMS: Final = (CONTROL, VARIANT)
"""What a call may have: the agent's own turn detection, or the trial's."""

NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


def _name(value: Any) -> str:
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise Wrong('a name of a-z, 0-9, "-" and "_", for example "shorter-silence": reports ask for it')
    return value


def _share(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
        raise Wrong(
            "a number more than 0 and less than 1, or leave the table out: "
            "where all calls have the same, nothing is compared"
        )
    return float(value)


def _table(raw: Any) -> Any:
    return raw  # read in `read_trial`, where its faults can be placed


@frozen
class Trial:
    """The other turn detection of an agent, and the share of its calls that have it."""

    name: str = setting("", _name)
    share: float = setting(0.5, _share)
    turn_detection: TurnDetection = setting(ServerVad(), _table)

    def arm(self, call_id: str) -> str:
        """Return the arm of a call: the same whoever asks, and as good as drawn from one call to the next.

        >>> Trial("a", 0.5).arm("CA1") == Trial("a", 0.5).arm("CA1")
        True
        """
        # With the name in it, the next trial deals the same callers anew.
        drawn = int.from_bytes(sha256(f"{self.name}/{call_id}".encode()).digest()[:8], "big")
        return VARIANT if drawn < self.share * 2**64 else CONTROL


def read_trial(raw: Any, own: TurnDetection, at: str, faults: list[str]) -> Trial | None:
    """Return the trial beside an agent's own turn detection; what that does beside detecting turns, both arms do."""
    if raw is None:
        return None
    trial = read_table(Trial, raw, at=at, faults=faults)
    if not isinstance(raw, dict):
        return None
    if "name" not in raw:
        faults.append(f'[{at}] name: every trial has its own; add one, for example name = "shorter-silence"')
    table = raw.get("turn_detection")
    if table is None:
        faults.append(f"[{at}] turn_detection: nothing is tried; add a table [{at}.turn_detection]")
        return None
    tried = _read_tried(table, own, f"{at}.turn_detection", faults)
    are_as_written = not any(_is_about_turns(fault, at) for fault in faults)
    if tried == own and are_as_written:
        faults.append(
            f"[{at}.turn_detection]: the same as the agent's own turn_detection; change a key in one of them"
        )
    return evolve(trial, turn_detection=tried)


def _is_about_turns(fault: str, at: str) -> bool:
    """Say whether a fault is in one of the two tables that are compared: then a default stands in for what is meant."""
    agent = at.removesuffix(".trial")
    return fault.startswith((f"[{at}.turn_detection]", f"[{agent}.turn_detection]"))


def _read_tried(raw: Any, own: TurnDetection, at: str, faults: list[str]) -> TurnDetection:
    if isinstance(raw, dict):
        answering = [key for key in raw if key in ANSWERING]
        faults += [
            f"[{at}] {key} = {shown(key, raw[key])}: both arms have that of the agent's turn_detection: leave it out"
            for key in answering
        ]
        raw = {key: value for key, value in raw.items() if key not in answering}
    tried = evolve(
        read_turn_detection(raw, at, faults, without=ANSWERING),
        create_response=own.create_response,
        interrupt_response=own.interrupt_response,
    )
    if isinstance(tried, ServerVad) and isinstance(own, ServerVad):
        return evolve(tried, idle_timeout_ms=own.idle_timeout_ms)
    return tried
