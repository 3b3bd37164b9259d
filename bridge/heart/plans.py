"""What Twilio is to do with a caller who leaves the stream: words first, then one step. Values, pure; int ms.

Every step has a bound: a caller who is not back by then is not coming back.
"""

from collections.abc import Iterator
from typing import ClassVar, Final, TypeAlias

from attrs import frozen

from bridge.agents import Agent
from bridge.settings.places import Place, Voicemail

CHARACTER_MS: Final = 100
"""What a character of Twilio's speech takes at most; a slow voice says twelve in a second."""

RING_GRACE_SECONDS: Final = 5
"""Twilio lets a place ring so much longer than it is told: https://www.twilio.com/docs/voice/twiml/dial#timeout"""

WHISPER_SECONDS: Final = 30
"""What the person who answers may take for a summary and a key."""

SLACK_SECONDS: Final = 15
NOTICE_SECONDS: Final = 30
QUEUE_SECONDS: Final = 3600
PAUSES_MS: Final = {"w": 500, "W": 1000}
KEY_MS: Final = 500


@frozen
class Dial:
    """Ring a place; whoever answers a warm one hears the summary, and takes the call or doesn't."""

    kind: ClassVar[str] = "dial"
    place: Place
    summary: str = ""

    @property
    def bound_ms(self) -> int:
        """Return how long it may take until somebody has taken the call."""
        return (self.place.ring_seconds + RING_GRACE_SECONDS + WHISPER_SECONDS) * 1000

    @property
    def talk_ms(self) -> int:
        """Return how long it may take from there to its end."""
        return (self.place.talk_seconds + NOTICE_SECONDS) * 1000


@frozen
class PressDigits:
    """Press keys for the other side of this call: 0-9 A-D * #, and w and W for pauses."""

    kind: ClassVar[str] = "digits"
    digits: str

    @property
    def bound_ms(self) -> int:
        """Return their length, and a little."""
        return sum(PAUSES_MS.get(key, KEY_MS) for key in self.digits) + SLACK_SECONDS * 1000


@frozen
class CollectDigits:
    """Ask the caller for so many keys, off the stream."""

    kind: ClassVar[str] = "collect"
    say: str
    count: int
    seconds: int

    @property
    def bound_ms(self) -> int:
        """Return what pressing them slowly takes, and a little."""
        return (self.seconds * self.count + NOTICE_SECONDS) * 1000 + len(self.say) * CHARACTER_MS


@frozen
class TakeMessage:
    """Record what the caller has to say."""

    kind: ClassVar[str] = "voicemail"
    voicemail: Voicemail

    @property
    def bound_ms(self) -> int:
        """Return the longest message, and a little."""
        said_ms = len(self.voicemail.say) * CHARACTER_MS
        return (self.voicemail.max_seconds + NOTICE_SECONDS) * 1000 + said_ms


@frozen
class JoinQueue:
    """Put the caller into a queue of Twilio's."""

    kind: ClassVar[str] = "queue"
    name: str

    @property
    def bound_ms(self) -> int:
        """Return how long anybody waits in one."""
        return QUEUE_SECONDS * 1000


@frozen
class GoTo:
    """Go on with TwiML of somebody else's; from there nobody comes back."""

    kind: ClassVar[str] = "redirect"
    url: str


@frozen
class HangUp:
    """End the call."""

    kind: ClassVar[str] = "hang_up"


Excursion: TypeAlias = Dial | PressDigits | CollectDigits | TakeMessage | JoinQueue
"""A step that the caller comes back from."""

Step: TypeAlias = Excursion | GoTo | HangUp


@frozen
class Plan:
    """What Twilio does next: it says these words, then takes this one step."""

    step: Step
    say: tuple[str, ...] = ()

    @property
    def said_ms(self) -> int:
        """Return how long the words take at most."""
        return sum(map(len, self.say)) * CHARACTER_MS


# ---------------------------------------------------------------- the failure plan


def failure_plans(agent: Agent, cause: str) -> tuple[Plan, ...]:
    """Return what is tried one after the other for a caller whom the model can't answer; none without a plan.

    The last of them ends the call: it is the failure sentence where the file names no other end.
    """
    steps = agent.failure.steps_for(cause)
    return tuple(_plans(agent, steps)) if steps else ()


def _plans(agent: Agent, steps: tuple[str, ...]) -> Iterator[Plan]:
    said: tuple[str, ...] = ()
    for text in steps:
        kind, _, rest = text.partition(":")
        if kind == "say":
            said = (*said, rest)
            continue
        plan = _plan_of(agent, text, said)
        if plan is None:
            continue
        yield plan
        said = ()
        if isinstance(plan.step, GoTo | HangUp):
            return
    yield Plan(HangUp(), said or (agent.failure_sentence.text,))


def _plan_of(agent: Agent, text: str, said: tuple[str, ...]) -> Plan | None:
    """Return the plan that a text of the file stands for; None for a place that this agent hasn't got."""
    kind, _, rest = text.partition(":")
    match kind:
        case "dial":
            return plan_to(agent.transfer[rest], said) if rest in agent.transfer else None
        case "voicemail":
            return Plan(TakeMessage(agent.voicemail or Voicemail()), said)
        case "queue":
            return Plan(JoinQueue(rest), said)
        case "https":
            return Plan(GoTo(text), said)
        case "hang_up":
            return Plan(HangUp(), said)
    return None


def plan_to(place: Place, said: tuple[str, ...] = (), summary: str = "") -> Plan:
    """Return the plan that brings a caller to a place, announced if it is to be: a queue is waited in, others ring."""
    step = JoinQueue(place.queue) if place.queue else Dial(place, summary)
    return Plan(step, (*said, place.say) if place.say else said)
