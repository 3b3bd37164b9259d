"""What the supervisor and its workers tell each other: the supervisor decides about calls, a worker carries them."""

from collections.abc import Mapping
from typing import Final, TypeAlias

from attrs import field, frozen

from bridge.agents import Agent
from bridge.calls.knowledge import Origin
from bridge.config import Secrets, Settings
from bridge.heart.effects import EndCall
from bridge.heart.parts.glance import Glance
from bridge.heart.wishes import Wish
from bridge.wire.requests import Request

Key: TypeAlias = tuple[str, str]
"""A call: its CallSid and its agent's name."""

# ---------------------------------------------------------------- to a worker


@frozen
class Begin:
    """The first message: what the configuration says, and how long a handshake may take."""

    settings: Settings
    secrets: Secrets
    handshake_seconds: float


@frozen
class Prepare:
    """Load another configuration, without using it yet; answer with `Told`, and what is wrong with it if it is."""

    number: int
    settings: Settings
    secrets: Secrets


@frozen
class Renew:
    """Use what was prepared for calls from now on; if nothing was, load this, use it, and say `Renewed`."""

    number: int
    settings: Settings
    secrets: Secrets


@frozen
class Carry:
    """A call was accepted: it begins now, with this agent and under this id; its one-time secrets are made of one."""

    key: Key
    call_id: str
    secret: str = field(repr=False)
    form: Mapping[str, str] = field(repr=False)
    url: str
    agent: Agent
    marks: tuple[str, ...]
    turn: int
    origin: Origin


@frozen
class Media:
    """A media socket, of which nothing is read yet; the file comes along. It is told of when it is `Over`."""

    number: int


@frozen
class Stop:
    """End a call, with a sentence for its caller if there is one, within the time that the agent has for a goodbye;
    `is_stuck`: without asking anybody."""

    key: Key
    by: str
    why: str
    say: str = ""
    is_stuck: bool = False
    within_ms: int = 0


@frozen
class Wished:
    """Somebody here asks something of a call; answer with `Told`, and why it is not done."""

    number: int
    key: Key
    wish: Wish


@frozen
class Listen:
    """Somebody here listens in on a call; answer with `Told`, and why not, or from then on with what is `Overheard`."""

    number: int
    key: Key
    who: str


@frozen
class ListenNoMore:
    """They have left."""

    number: int


@frozen
class Answer:
    """Answer a request about a call with `Answered`."""

    number: int
    key: Key
    request: Request


@frozen
class Peek:
    """Tell with `Peeked` what can be seen of the calls now: somebody looks."""

    number: int


@frozen
class Hush:
    """Keep no sound from now on, or keep it again when there is no reason."""

    why: str


@frozen
class Leave:
    """Write what is left and end."""


# ---------------------------------------------------------------- to the supervisor


@frozen
class Ready:
    """The worker can take calls."""


@frozen
class CanNotBegin:
    """The worker can't take calls: what its tools or its configuration lack. It ends."""

    fault: str


@frozen
class OnDisk:
    """The beginning of a call's tape is on the disk, or could not be put there: its webhook need wait no more."""

    key: Key


@frozen
class Streams:
    """A call has its media stream."""

    key: Key


@frozen
class Leaves:
    """The caller of a call has left its media stream, for so long at most."""

    key: Key
    bound_ms: int


@frozen
class Answered:
    """What Twilio is told."""

    number: int
    answer: str = field(repr=False)


@frozen
class Ends:
    """A call is over; its peers are being said goodbye to."""

    key: Key
    end: EndCall


@frozen
class Gone:
    """Nothing of a call is left but its tape."""

    key: Key


@frozen
class Taped:
    """A tape is complete on disk."""

    path: str


@frozen
class Overheard:
    """A block for a listener; nothing when nothing more will come."""

    number: int
    block: bytes = field(repr=False)


@frozen
class Over:
    """A media socket is closed."""

    number: int


@frozen
class Told:
    """The answer to a `Prepare`, with the fault that keeps the configuration from being used; to what somebody asks of
    a call, with why it is not done; or that there is none."""

    number: int
    fault: str = ""


@frozen
class Renewed:
    """A worker that had prepared nothing has caught up with this `Renew`."""

    number: int


@frozen
class Peeked:
    """What can be seen of each call that this worker carries, by its id."""

    number: int
    glances: Mapping[str, Glance] = field(repr=False)


MANY_FILES: Final = 65_536
"""As long as nobody has looked."""


@frozen
class Vitals:
    """What a process that carries calls looks like inside; numbers of messages and lines that wait, and counts.

    `phone` and `model` are of the worst call, and so is `most_lines`; `files_left` is what may still be opened; `lags`
    is how late its loop was and `pauses` how long its garbage collections took, in seconds; `is_late` says that it was
    too late for one more call; `deaths` is how many workers died. `generation` is whose workers take calls: it grows
    with each reload of code; `retiring` are workers of before, which have `retiring_calls`.
    """

    tapes: int = 0
    is_failing: bool = False
    shed: int = 0
    lost: int = 0
    phone: int = 0
    model: int = 0
    lines: int = 0
    most_lines: int = 0
    tasks: int = 0
    threads: int = 0
    memory_bytes: int = 0
    cpu_seconds: float = 0.0
    files_left: int = MANY_FILES
    workers: int = 1
    deaths: int = 0
    generation: int = 1
    retiring: int = 0
    retiring_calls: int = 0
    lags: tuple[float, ...] = ()
    pauses: tuple[float, ...] = ()
    is_late: bool = False
    is_full: bool = False


def together(all_of_them: list[Vitals]) -> Vitals:
    """Return many processes seen as one: counts add up, of the worst there is one."""
    return Vitals(
        tapes=sum(one.tapes for one in all_of_them),
        is_failing=any(one.is_failing for one in all_of_them),
        shed=sum(one.shed for one in all_of_them),
        lost=sum(one.lost for one in all_of_them),
        phone=max((one.phone for one in all_of_them), default=0),
        model=max((one.model for one in all_of_them), default=0),
        lines=sum(one.lines for one in all_of_them),
        most_lines=max((one.most_lines for one in all_of_them), default=0),
        tasks=sum(one.tasks for one in all_of_them),
        threads=sum(one.threads for one in all_of_them),
        memory_bytes=sum(one.memory_bytes for one in all_of_them),
        cpu_seconds=sum(one.cpu_seconds for one in all_of_them),
        files_left=min((one.files_left for one in all_of_them), default=MANY_FILES),
        workers=sum(one.workers for one in all_of_them),
        deaths=sum(one.deaths for one in all_of_them),
        generation=max((one.generation for one in all_of_them), default=1),
        retiring=sum(one.retiring for one in all_of_them),
        retiring_calls=sum(one.retiring_calls for one in all_of_them),
        lags=tuple(lag for one in all_of_them for lag in one.lags),
        pauses=tuple(pause for one in all_of_them for pause in one.pauses),
        is_late=any(one.is_late for one in all_of_them),
        is_full=any(one.is_full for one in all_of_them),
    )
