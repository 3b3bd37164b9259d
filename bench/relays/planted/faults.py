"""The twelve switches of the relay: what it does wrong, one at a time or several."""

from typing import Final, Literal, TypeAlias, get_args

Fault: TypeAlias = Literal[
    "claims_sent", "forgets_clear", "drops_first_frames", "leaves_model_open", "sends_before_start",
    "plays_late_deltas", "ignores_marks", "answers_tools_twice", "doubles_greeting", "ignores_signature",
    "blocks_on_tools", "loses_frames_under_load",
]  # fmt: skip
"""claims_sent: a truncation tells all that was sent as heard; forgets_clear: what Twilio still has is played on;
drops_first_frames: the caller's first second never reaches the model; leaves_model_open: the session outlives the call;
sends_before_start: audio goes out on a stream that has no name yet; plays_late_deltas: what comes of a cut response is
sent on; ignores_marks: heard is what the clock says since an item came; answers_tools_twice: each output is sent twice;
doubles_greeting: a second one is asked for when the first is over; ignores_signature: whoever comes is let in;
blocks_on_tools: nothing of the model is looked at while a tool runs; loses_frames_under_load: with more than four calls
every tenth frame of a caller is lost."""

FAULTS: Final[tuple[Fault, ...]] = get_args(Fault)

FIRST_FRAMES: Final = 50
CALLS_THAT_FIT: Final = 4
LOST_OF: Final = 10
