"""The session as it is agreed on: asked for, asked for again without what was refused, looked at when granted. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, get_args

from attrs import define, field

from bridge.agents import Agent
from bridge.heart.audio import AUDIO_FORMAT
from bridge.heart.effects import UpdateSession
from bridge.heart.events import (
    MODEL_LEG,
    AgentWords,
    ApprovalAsked,
    CallerWords,
    Event,
    LinkStalled,
    ModelErred,
    ModelEvent,
    RemoteToolEnded,
    SessionUpdated,
    SpeechEvent,
    SpeechStarted,
    SpeechStopped,
    ToolCalled,
    TurnCommitted,
)
from bridge.heart.session_settings import SessionSettings

FROM_MODEL: Final[frozenset[type[Event]]] = frozenset(
    {*get_args(SpeechEvent), *get_args(ModelEvent), ToolCalled, ApprovalAsked, RemoteToolEnded}
)
"""What only the model's leg tells."""

OF_A_TURN: Final = (SpeechStarted, SpeechStopped, TurnCommitted)
"""What the model may still tell of the caller's voice when they have left the stream: it belongs to nobody's turn."""

OF_A_SIDE_THAT_LEAVES: Final = (FROM_MODEL - {AgentWords, CallerWords}) | {LinkStalled}
"""What may be of nobody any more."""


@define
class Session:
    """What the model is asked to be, until it says that it is."""

    agent: Agent
    tools: Sequence[Mapping[str, Any]]
    is_ready: bool = False
    is_over: bool = False
    """The model is parted from, though the call goes on."""
    number: int = 1
    """Of the call's sessions, one after the other."""
    due: int = field(init=False)
    """When it has to be ready, in ms."""
    old_at: int | None = None
    """When it is old enough to be followed by another, in ms."""
    event_id: str = ""
    """Of the last message that asked for it; empty before the first."""
    _asked: SessionSettings = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._asked = SessionSettings(self.agent, self.tools)
        self.due = self.agent.limits.model_ready_ms

    def begin_anew(self) -> None:
        """Another session is to come; what was refused once is not asked for again."""
        self.number += 1
        self.is_ready, self.event_id, self.old_at = False, "", None

    @property
    def is_open(self) -> bool:
        """Say whether something can be said to the model and asked of it."""
        return self.is_ready and not self.is_over

    def is_told_of_nobody(self, event: Event, *, is_caller_here: bool) -> bool:
        """Say whether this is of a session that is over, or of a caller who is not on the stream."""
        if isinstance(event, LinkStalled):
            return self.is_over if event.leg == MODEL_LEG else not is_caller_here
        if self.is_over:
            return type(event) in FROM_MODEL
        return isinstance(event, OF_A_TURN) and not is_caller_here

    def ask(self, event_id: str) -> UpdateSession:
        """Return the message that asks for everything."""
        return self._update(event_id)

    def ask_without(self, refusal: ModelErred, event_id: str) -> tuple[UpdateSession, str] | None:
        """Return the message that asks for the rest, and what was left out; None if the call can't do without it."""
        found = self._asked.without(refusal.refused)
        if found is None:
            return None
        self._asked = found
        return self._update(event_id), found.left_out[-1]

    def _update(self, event_id: str) -> UpdateSession:
        self.event_id = event_id
        return UpdateSession(event_id, self._asked)

    def is_refused_by(self, error: ModelErred) -> bool:
        """Say whether this error is the answer to what was asked for."""
        return error.client_event_id != "" and error.client_event_id == self.event_id


def other_format(granted: SessionUpdated) -> str:
    """Return the audio format of a session that does not speak ours: played as ours, it would be loud noise."""
    told = (granted.input_format, granted.output_format)
    return next((name[:60] for name in told if name not in ("", AUDIO_FORMAT)), "")
