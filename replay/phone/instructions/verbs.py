"""The verbs of TwiML as values: what a document asks for, with defaults, and absolute URLs. They do nothing."""

from collections.abc import Mapping
from typing import Literal

import attrs

ANY_KEY = "1234567890*#"

NounKind = Literal["number", "sip", "client", "queue", "conference"]


@attrs.frozen
class Stream:
    """A media stream to open: an absolute wss URL without a query, and what `start` will carry."""

    url: str
    parameters: Mapping[str, str] = attrs.field(factory=dict)
    name: str | None = None
    status_callback: str | None = None
    status_method: str = "POST"
    dropped_query: str = ""


@attrs.frozen
class Connect:
    """Blocks until the stream ends, then `action` is requested; without one the next verb runs."""

    stream: Stream
    action: str | None = None
    method: str = "POST"


@attrs.frozen
class Redirect:
    """Go on with the TwiML found at url."""

    url: str
    method: str = "POST"


@attrs.frozen
class Hangup:
    """The call ends."""


@attrs.frozen
class Reject:
    """The call is refused before it is answered."""

    reason: str = "rejected"


@attrs.frozen
class Say:
    """Twilio speaks this text to whoever is on the line."""

    text: str
    language: str | None = None
    loop: int = 1


@attrs.frozen
class Pause:
    """Silence, in seconds."""

    length_s: int = 1


@attrs.frozen
class Play:
    """A recording, or keys pressed towards whoever is on the line."""

    url: str = ""
    digits: str = ""
    loop: int = 1


Prompt = Say | Play | Pause


@attrs.frozen(kw_only=True)
class Gather:
    """Keys are collected, while and after the prompts are played; without any the next verb runs."""

    prompts: tuple[Prompt, ...] = ()
    action: str | None = None
    method: str = "POST"
    num_digits: int | None = None
    timeout_s: int = 5
    finish_on_key: str = "#"
    action_on_empty_result: bool = False


@attrs.frozen(kw_only=True)
class Record:
    """A message is recorded until silence, a key, the length or a hang-up ends it."""

    action: str | None = None
    method: str = "POST"
    max_length_s: int = 3600
    timeout_s: int = 5
    finish_on_key: str = ANY_KEY
    plays_beep: bool = True
    callback: str | None = None
    callback_events: tuple[str, ...] = ("completed",)


@attrs.frozen(kw_only=True)
class Noun:
    """Whom a <Dial> rings, and what is asked on that leg once it was answered."""

    kind: NounKind = "number"
    to: str
    url: str | None = None
    method: str = "POST"
    status_callback: str | None = None
    status_callback_method: str = "POST"
    status_callback_events: tuple[str, ...] = ("completed",)
    send_digits: str = ""
    machine_detection: str = ""
    amd_status_callback: str | None = None

    @property
    def place(self) -> str:
        """The name under which a scenario scripts who is there: `+15550199`, `client:anna`, `queue:support`."""
        return self.to if self.kind in ("number", "sip") else f"{self.kind}:{self.to}"


@attrs.frozen(kw_only=True)
class Dial:
    """Whoever is on the line is connected to somebody else."""

    nouns: tuple[Noun, ...]
    action: str | None = None
    method: str = "POST"
    caller_id: str | None = None
    timeout_s: int = 30
    time_limit_s: int = 14_400
    hangup_on_star: bool = False
    is_sequential: bool = False
    is_recorded: bool = False
    recording_callback: str | None = None

    @property
    def numbers(self) -> tuple[str, ...]:
        """Whom it rings, by the names under which a scenario has them."""
        return tuple(noun.place for noun in self.nouns)


@attrs.frozen(kw_only=True)
class Enqueue:
    """Whoever is on the line waits until somebody takes them out of the queue, or they leave it."""

    queue: str
    action: str | None = None
    method: str = "POST"
    wait_url: str | None = None  # None: Twilio's music; "": silence
    wait_method: str = "POST"


@attrs.frozen
class Leave:
    """In the document of a queue: out of it."""


@attrs.frozen
class Refer:
    """The caller's SIP side is told to call somebody else."""

    to: str
    action: str | None = None
    method: str = "POST"


Verb = (
    Connect
    | Redirect
    | Hangup
    | Reject
    | Say
    | Pause
    | Play
    | Gather
    | Record
    | Dial
    | Enqueue
    | Leave
    | Refer
)


def name_of(verb: Verb) -> str:
    """Return the verb's name as scenarios and reports write it."""
    return type(verb).__name__.lower()
