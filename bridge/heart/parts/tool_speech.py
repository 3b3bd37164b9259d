"""What is said of tools while nobody speaks: a filler, how far one is, a late result, a promise not kept. Pure, int ms.

None of it cuts anybody off: it waits until the caller has heard the agent out and had a moment to speak themselves.
"""

from collections.abc import Iterator
from operator import itemgetter
from typing import Final

from attrs import define

from bridge.agents import Agent
from bridge.heart.dead_air import DeadAir
from bridge.heart.decisions import NEVER, Alarm, Decisions
from bridge.heart.events import ResponseFinished, ToolReported
from bridge.heart.keys import Keys
from bridge.heart.parts.callee import Callee
from bridge.heart.parts.conversation import SYSTEM, Conversation
from bridge.heart.parts.excursions import Excursions
from bridge.heart.parts.farewell import Farewell
from bridge.heart.parts.filler import Filler
from bridge.heart.phone_stream import PhoneStream
from bridge.heart.prompts import filler_instructions, progress_instructions, promise_unkept
from bridge.heart.session import Session
from bridge.heart.tool_calls import ToolCalls
from bridge.heart.turns import Turns
from bridge.settings.tool_speech import CLIP, is_promise

PAUSE_MS: Final = 800
"""After the agent's last word: who was asked something begins to answer within it, and has the turn."""

MOST_ASKED: Final = 3
"""A result that three responses did not tell, each cut short, waits for the next turn: that response tells it."""

RESPONSES_AFTER_A_NUDGE: Final = 2
"""A model that promises again in answer to a nudge is not nudged again for it."""

_time_of = itemgetter(0)


@define
class ToolSpeech:
    """Decides when it is said; the words are the model's, but for a clip or a sentence that fills a silence."""

    agent: Agent
    decisions: Decisions
    conversation: Conversation
    session: Session
    stream: PhoneStream
    keys: Keys
    turns: Turns
    tool_calls: ToolCalls
    dead_air: DeadAir
    farewell: Farewell
    excursions: Excursions
    callee: Callee
    filler: Filler
    has_tools: bool
    """Whether the agent has any beside the ways off the line."""
    _has_result: bool = False
    _is_next_stale: bool = False
    """Whether a response is on its way that was asked for before the newest result was there."""
    _telling: str = ""
    """The response in which the model tells the results that it has."""
    _asked: int = 0
    """How often a response was asked for that was to tell them, and did not."""
    _asked_not_before: int = 0
    _progress: str = ""
    _progress_not_before: int = 0
    _running_since: int = 0
    _needs_filler: bool = False
    _has_promised: bool = False
    _has_called: bool = False
    _unnudged_responses: int = 0

    # ------------------------------------------------------------ what tools do

    def called(self) -> None:
        """The model called a tool: no promise is left open."""
        self._has_called, self._has_promised = True, False

    def began(self) -> None:
        """A tool runs, and the model waits for it."""
        if len(self.tool_calls.running) == 1:
            self._running_since = self.decisions.now
            self._needs_filler = self.agent.tool_speech.filler_after_ms > 0

    def reported(self, event: ToolReported) -> None:
        """Keep the newest of what tools tell of how far they are."""
        calls = self.tool_calls
        if event.call_id not in calls.running and event.call_id not in calls.late:
            return
        self.decisions.journal.counts["tool progress reported"] += 1
        if self.agent.tool_speech.progress_every_ms:
            self._progress = event.text

    def deliver(self, call_id: str, name: str, output: str) -> None:
        """Give the model a late result now; it speaks of it at the next turn boundary."""
        turns = self.turns
        self.tool_calls.untold[call_id] = name
        self._has_result, self._telling, self._asked = True, "", 0
        self._is_next_stale = turns.is_requested or turns.is_expected
        self.conversation.add_result(call_id, name, output)

    # ------------------------------------------------------------ what responses do

    def response_began(self, response_id: str, *, is_ours: bool) -> None:
        """Whoever has the results now speaks of them, unless it was asked to say something else alone."""
        self._has_called = self._has_promised = False
        self._unnudged_responses = max(0, self._unnudged_responses - 1)
        is_stale, self._is_next_stale = self._is_next_stale, False
        is_other = is_ours and bool(self.turns.prompt or self.tool_calls.running)
        if self.tool_calls.untold and not (is_stale or is_other or self.turns.is_cut(response_id)):
            self._has_result, self._telling = False, response_id

    def response_finished(self, event: ResponseFinished) -> None:
        """Take down what was told, and look for a promise in what was said."""
        is_whole = event.status in ("completed", "incomplete")
        if is_whole and self._telling and self._telling == event.response_id:
            self._told()
        self._asked_not_before = self.decisions.now + (PAUSE_MS << self._asked)
        if self._telling in ("", event.response_id):
            self._telling, self._has_result = "", bool(self.tool_calls.untold)
        self._has_promised = is_whole and self._is_promise()

    def _told(self) -> None:
        for call_id, name in self.tool_calls.untold.items():
            self.decisions.journal.milestone("tool_delivered", tool=name, call_id=call_id)
        self.tool_calls.untold.clear()
        self._asked = 0

    def _is_promise(self) -> bool:
        settings = self.agent.tool_speech
        if not settings.nudge_after_ms or not self.has_tools or self._unnudged_responses:
            return False
        if self._has_called or self.tool_calls.are_under_way:
            return False
        return is_promise(self.conversation.agents_last_words, self.agent.languages, settings.promises)

    # ------------------------------------------------------------ when it is said

    @property
    def first_alarm(self) -> Alarm:
        """Return what is to be said first; never while anybody speaks, or something is on its way."""
        is_anything = self._has_result or self._has_promised or self._progress or self._needs_filler
        if not is_anything or not self._is_quiet:
            return NEVER
        return min(self._alarms(), key=_time_of, default=NEVER)

    @property
    def _is_quiet(self) -> bool:
        if self.turns.is_under_way or self.keys.are_coming or self.farewell.is_near:
            return False
        return self.session.is_open and self.excursions.is_here and self.callee.is_open

    def _alarms(self) -> Iterator[Alarm]:
        settings, running = self.agent.tool_speech, self.tool_calls.running
        quiet_since = max(self.dead_air.sound_until, self.stream.last_voice)
        if self._has_result and not running and self._asked < MOST_ASKED:
            yield max(quiet_since + PAUSE_MS, self._asked_not_before), self._speak_of_result
        if self._progress and self.tool_calls.are_under_way:
            yield max(quiet_since + PAUSE_MS, self._progress_not_before), self._tell_progress
        if self._needs_filler and running:
            yield max(quiet_since, self._running_since) + settings.filler_after_ms, self._fill
        if self._has_promised:
            yield quiet_since + settings.nudge_after_ms, self._nudge

    def _speak_of_result(self) -> None:
        self._has_result = False
        self._asked += 1
        self.turns.owe()

    def _tell_progress(self) -> None:
        text, self._progress = self._progress, ""
        self._progress_not_before = self.decisions.now + self.agent.tool_speech.progress_every_ms
        self._needs_filler = False
        self.decisions.journal.milestone("tool_progress_told", text=text)
        self.turns.owe(progress_instructions(self.agent, text))

    def _fill(self) -> None:
        self._needs_filler = False
        self.decisions.journal.milestone("tool_filler", tool=next(iter(self.tool_calls.running.values())))
        if self.agent.tool_speech.filler != CLIP or not self.filler.play(
            self.agent.filler.clip, "a tool runs"
        ):
            self.turns.owe(filler_instructions(self.agent))

    def _nudge(self) -> None:
        self._has_promised, self._unnudged_responses = False, RESPONSES_AFTER_A_NUDGE
        self.decisions.journal.count("promised, and called no tool: nudged")
        self.decisions.journal.milestone("nudged")
        self.conversation.add_text(SYSTEM, promise_unkept())
        self.turns.owe()
