"""Who can be reached in the town that a call rings in, and how Twilio behaves where its pages leave it open. Values."""

from collections.abc import Mapping
from typing import Final, Literal, get_args

import attrs

from bridge.checks import Wrong, choice, flag, number, setting, whole
from replay.phone.script import Account, Caller, SignedBy

Result = Literal["answers", "busy", "no_answer", "failed", "canceled", "full"]
Delivery = Literal["once", "twice", "again", "late", "never"]
Verdict = Literal[
    "human", "machine_start", "machine_end_beep", "machine_end_silence", "machine_end_other", "fax", "unknown"
]

WAIT_MS: Final = whole(0, 600_000)
ACTIONS: Final = ("connect", "dial", "gather", "record", "enqueue", "refer", "redirect")
"""What sends a request whose delivery can be disturbed."""


@attrs.frozen
class FarEnd:
    """Somebody who can be dialled, and what they do: rung, they answer or not; answered, they follow their script."""

    script: Caller = attrs.field(factory=Caller, metadata={"check": None})
    result: Result = setting("answers", choice(*get_args(Result)))
    answers_after_ms: int = setting(2_000, WAIT_MS)  # or is busy, or is taken out of the queue
    answered_by: Verdict = setting(
        "human", choice(*get_args(Verdict))
    )  # what answering machine detection finds
    verdict_after_ms: int = setting(2_500, WAIT_MS)  # after the answer
    tells_verdict: bool = setting(True, flag)


def deliveries(value: object) -> Mapping[str, Delivery]:
    """Accept a table of verbs, each with how its request is delivered."""
    words = get_args(Delivery)
    if not isinstance(value, dict) or not all(
        key in ACTIONS and word in words for key, word in value.items()
    ):
        raise Wrong(f"a table of {', '.join(ACTIONS)}, each {' or '.join(words)}")
    return dict(value)


@attrs.frozen
class Behaviour:
    """What Twilio does that its pages do not promise, or promise not to do. By default all is as it should be."""

    speech_ms_per_character: int = setting(60, whole(0, 1000))  # how fast <Say> speaks
    pauses: bool = setting(True, flag)  # <Pause> takes as long as it says
    reentry_ms: int = setting(
        700, WAIT_MS
    )  # from the end of what was done off the stream to the next upgrade
    late_frames: int = setting(0, whole(0, 500))  # of the old stream's, after the bridge closed it
    actions: Mapping[str, Delivery] = attrs.field(factory=dict, metadata={"check": deliveries})
    action_late_ms: int = setting(5_000, WAIT_MS)  # how late is late, and when the same request comes again
    action_after_hang_up: bool = setting(
        False, flag
    )  # the caller is gone: asked all the same, the answer is ignored
    action_after_redirect: bool = setting(False, flag)  # Connect's is requested though REST gave new TwiML
    stream_parameters: bool = setting(False, flag)  # Connect's request tells of its stream
    dial_bridged: str = setting("right", choice("right", "wrong", "absent"))
    callbacks: str = setting("in_order", choice("in_order", "shuffled", "missing", "twice"))
    callback_seed: int = setting(1, whole(0, 2**31))
    recording: str = setting(
        "there", choice("there", "late", "absent", "never")
    )  # late: 404 for recording_late_ms
    recording_late_ms: int = setting(3_000, WAIT_MS)
    forgets_ended_calls: bool = setting(
        True, flag
    )  # REST says 20404 of them; else 21220 to what is asked of them
    calls_per_second: float = setting(1.0, number(0.1, 1000))
    refuse_calls: int = setting(0, whole(0, 1000))  # so many requests for a call are answered 429 first
    lost_answers: int = setting(
        0, whole(0, 1000)
    )  # so many calls are made, and their requests never answered
    call_error: int = setting(0, whole(0, 999_999))  # every request for a call fails with this code
    signed_by: SignedBy = setting("shared_key", choice(*get_args(SignedBy)))  # where the account has one
    upgrades_signed_by: SignedBy = setting("shared_key", choice(*get_args(SignedBy)))
    odd_parameters: bool = setting(False, flag)  # in each request: umlauts, one that comes twice


@attrs.frozen
class Town:
    """Everyone who can be reached, by number, `sip:…`, `client:NAME`, `queue:NAME` or `conference:NAME`."""

    far_ends: Mapping[str, FarEnd] = attrs.field(factory=dict)
    behaviour: Behaviour = Behaviour()

    def account(self, account: Account) -> Account:
        """Return an account as Twilio signs for it here."""
        behaviour = self.behaviour
        return attrs.evolve(
            account,
            signed_by=behaviour.signed_by,
            upgrades_signed_by=behaviour.upgrades_signed_by,
            odd_parameters=account.odd_parameters or behaviour.odd_parameters,
        )

    def far_end(self, place: str) -> FarEnd | None:
        """Return who is there; None where nobody is."""
        return self.far_ends.get(place)
