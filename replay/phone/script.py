"""What a caller does, as plain values: the steps of a call, and the ways in which a call can go wrong.
Nothing here acts; `actor` walks the steps and `ring` makes the call."""

from collections.abc import Mapping
from typing import Literal

import attrs

from replay.phone.instructions.verbs import Stream
from replay.phone.network import Network

Signature = Literal["right", "wrong", "https", "none"]
SignedBy = Literal["shared_key", "token", "mixed", "unknown_key"]


@attrs.frozen
class SharedKey:
    """A key that requests are signed with in place of the account's token, as Twilio's console knows it."""

    key_id: str
    secret: str = attrs.field(repr=False)
    algorithm: str = "HMAC_SHA256"


@attrs.frozen
class Account:
    """The Twilio account that rings: invented, and never good for the real service."""

    account_sid: str = "AC0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"
    auth_token: str = attrs.field(default="golden-test-auth-token-000000000", repr=False)
    number: str = "+15550100100"
    caller: str = "+15550123456"
    shared_key: SharedKey | None = None
    signed_by: SignedBy = "shared_key"
    """What requests are signed with, where the account has a shared key; in a rotation both are on their way."""
    upgrades_signed_by: SignedBy = "shared_key"
    odd_parameters: bool = False
    repeated_parameters: bool = True
    """Among the odd ones is a name that comes twice, at which servers fail that read a form into a dictionary."""
    """Requests carry parameters with umlauts, empty ones, one that comes twice: legal, and not yet seen."""


@attrs.frozen
class Say:
    """Speak µ-law audio at 8000 bytes a second; over when the last byte was sent."""

    audio: bytes = attrs.field(repr=lambda audio: f"<{len(audio) // 8} ms>")
    text: str = ""


@attrs.frozen
class Wait:
    """Say nothing for so long."""

    ms: int


@attrs.frozen
class WaitForAgent:
    """Until the agent is heard, after the caller's own last words."""

    timeout_ms: int = 15_000


@attrs.frozen
class WaitForQuiet:
    """Until the agent was heard after the caller's own last words, and then nothing was for ms."""

    ms: int = 600
    timeout_ms: int = 20_000


@attrs.frozen
class InterruptAfter:
    """Until the agent has been heard for ms within one utterance; the next step then interrupts it.

    With quiet_ms, also until nothing was heard for so long after it: the utterance was shorter than ms."""

    ms: int
    timeout_ms: int = 20_000
    quiet_ms: int | None = None


@attrs.frozen
class Press:
    """Press one key."""

    digit: str = attrs.field(validator=attrs.validators.in_(tuple("0123456789*#ABCD")))


@attrs.frozen
class HangUp:
    """End the call as a caller does: `stop`, then the socket closes with 1000."""


@attrs.frozen
class DropSocket:
    """The connection breaks: a TCP reset, no `stop`, no close frame."""


@attrs.frozen
class LoseStream:
    """The connection breaks between Twilio and the bridge, and the caller stays on their line: Connect is over."""


@attrs.frozen
class StopReading:
    """Read nothing more, but go on sending: back-pressure on the bridge."""


@attrs.frozen
class GoSilent:
    """Send no message any more (media, marks, keys) and keep the socket: a peer that died unnoticed."""


@attrs.frozen
class SendRaw:
    """Send these words as they are: text as a text message, bytes as a binary one."""

    data: str | bytes


@attrs.frozen
class WaitForEnd:
    """Until the bridge ends the call. While it has the caller off the stream, the time-out stands still."""

    timeout_ms: int = 15_000


@attrs.frozen
class WaitForStream:
    """Until the agent is on the line: what Twilio itself says before the first stream was listened to."""

    timeout_ms: int = 60_000


@attrs.frozen
class WaitForReturn:
    """Until the call that left its stream is in another one."""

    timeout_ms: int = 60_000


@attrs.frozen
class Level:
    """One level of a menu: what it says, which keys lead to which level, and for how long it waits for them."""

    prompt: Say
    keys: Mapping[str, str]  # one key or several; DONE goes on with the script, HANGS_UP hangs up
    wait_ms: int = 5_000
    tries: int = 3  # the prompt is said so often, then the menu hangs up


@attrs.frozen
class Menu:
    """Talk as a telephone menu does: say a prompt, listen for keys, go to the next level. It hears nothing else."""

    levels: Mapping[str, Level] = attrs.field(repr=lambda levels: str([*levels]))
    first: str


DONE, HANGS_UP = "done", "hang_up"

Wish = (
    WaitForAgent | WaitForQuiet | InterruptAfter | WaitForEnd | WaitForStream | WaitForReturn
)  # steps that may be missed
Act = (
    Say | Press | HangUp | DropSocket | LoseStream | StopReading | GoSilent | SendRaw
)  # steps that the socket sees
Step = Wish | Act | Wait | Menu


@attrs.frozen(kw_only=True)
class Caller:
    """One caller: the steps, then patience_ms for the bridge to end the call, then they hang up. Patience begins anew
    when the bridge ends a stream.

    The rest is what can be wrong with a call; the defaults are a call as it should be."""

    steps: tuple[Step, ...] = ()
    patience_ms: int = 10_000
    answer_delay_ms: int = 100  # between the webhook's answer and the upgrade
    start_delay_ms: int = 0  # between `connected` and `start`
    first_timestamp_ms: int = 57  # the live service does not begin at 0
    webhook_twice: bool = False  # Twilio's retry: same CallSid, same token; the second answer counts
    webhook_signature: Signature = "right"
    signature: Signature = "right"  # of the media socket's upgrade; "https" signs the https:// URL
    trailing_slash: bool = False  # the upgrade is signed over the URL with a slash appended
    token_override: str | None = None  # instead of the <Parameter> named token
    stream_override: Stream | None = None  # another call's, with its <Parameter>s, in place of its own
    call_sid_override: str | None = None  # in `start`
    account_sid_override: str | None = None  # in `start`
    media_before_start: bool = False
    two_starts: bool = False
    max_pending: int = 150  # messages kept for a bridge that reads too slowly (31930); 3 s, unpublished
    max_messages: int = 100_000  # taken from a bridge in one stream; half an hour of 20 ms each has 90 000
    second_socket: bool = False  # another socket with the same `start`, while the first is live
    shuffle: int | None = None  # a seed for the order of stop, close and callbacks when the call ends
    network: Network = Network()  # between the caller, Twilio and the bridge
