"""The twelve switches of the relay: what it does wrong, one at a time or several."""

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

Fault: TypeAlias = Literal[
    "claims_sent", "forgets_clear", "drops_first_frames", "leaves_model_open", "sends_before_start",
    "plays_late_deltas", "ignores_marks", "answers_tools_twice", "doubles_greeting", "ignores_signature",
    "blocks_on_tools", "loses_frames_under_load",
]  # fmt: skip

FIRST_FRAMES: Final = 50
CALLS_THAT_FIT: Final = 10
LOST_OF: Final = 10

FAULTS: Final[Mapping[Fault, str]] = {
    "claims_sent": "a truncation tells all that was sent as heard",
    "forgets_clear": "what Twilio still has is played on when the caller speaks",
    "drops_first_frames": "the caller's first second never reaches the model",
    "leaves_model_open": "the model's session outlives the call",
    "sends_before_start": "audio goes out on a stream that has no name yet",
    "plays_late_deltas": "what still comes of a cut response is sent on",
    "ignores_marks": "heard is what the clock says since an item came",
    "answers_tools_twice": "each tool's answer is sent twice",
    "doubles_greeting": "a second greeting is asked for when the first is over",
    "ignores_signature": "whoever rings is let in",
    "blocks_on_tools": "nothing is passed on while a tool runs, in either direction",
    "loses_frames_under_load": "with more than ten calls every tenth frame of a caller is lost",
}
