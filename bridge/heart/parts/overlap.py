"""A caller who speaks while the agent does: whether that interrupts it, by the agent's speaking rules. Pure, int ms.

Without rules any voice does, at once. With rules a speech is judged: the agent goes on until there was enough voice, or
enough words, and is then held; what the words turn out to be decides whether it was interrupted or goes on. The
model is told what was heard only when that is known: what it was told once can't be taken back.
"""

from typing import Final, assert_never

from attrs import define, field

from bridge.heart.decisions import Decisions
from bridge.heart.events import (
    CallerWords,
    SpeechStarted,
    SpeechStopped,
    TranscriptCame,
    TranscriptionFailed,
    TurnCommitted,
)
from bridge.heart.parts.agent_voice import AgentVoice
from bridge.heart.parts.barge_in import BargeIn
from bridge.heart.parts.farewell import Farewell
from bridge.heart.parts.protection import Protection
from bridge.heart.phone_stream import PhoneStream
from bridge.heart.playout import Playout
from bridge.heart.session import Session
from bridge.heart.speaking.rules import Rules
from bridge.heart.speaking.speech import ENDLESS_MS, LONGEST_MS, Speech
from bridge.heart.speaking.words import phrase_of
from bridge.heart.turns import Turns

NEARLY_SAID_MS: Final = 1000
"""Who says "yes" while the agent has so little left to say has answered it, and does not only listen."""

LEAST_WORD_MS: Final = 250
"""Where nothing is written down, what was shorter is taken for noise; the shortest "no" lasts as long."""

MOST_SPEECHES: Final = 8
"""Not decided on at once; and, of those that were, whose turn or words are still to come."""

HeardOfCaller = (
    SpeechStarted | SpeechStopped | TurnCommitted | CallerWords | TranscriptCame | TranscriptionFailed
)


@define
class Overlap:
    """Decides on what turn detection and transcription tell of the caller."""

    decisions: Decisions
    stream: PhoneStream
    session: Session
    turns: Turns
    playout: Playout
    voice: AgentVoice
    barge_in: BargeIn
    farewell: Farewell
    rules: Rules
    protection: Protection
    _speeches: dict[str, Speech] = field(factory=dict)
    """Those that are not decided on."""
    _set_aside: dict[str, None] = field(factory=dict)
    """Those that are no turn, and will be told to be one."""
    _wordless: dict[str, None] = field(factory=dict)
    """Those that were taken for noise, since no words came in time."""
    _session_number: int = 1
    _held_since: int = 0
    _why_held: str = ""

    # ------------------------------------------------------------ what is told of the caller

    def told(self, event: HeardOfCaller) -> None:
        """Take what the server tells of the caller's voice and words."""
        match event:
            case SpeechStarted():
                self._speech_started(event)
            case SpeechStopped():
                self._speech_stopped(event)
            case TurnCommitted():
                self._turn_committed(event.item_id)
            case CallerWords() | TranscriptCame():
                self.decisions.journal.counts["ignored"] += 1
                self._words_came(event)
            case TranscriptionFailed():
                self.decisions.journal.count(f"transcription failed: {event.code or 'no code'}")
            case _:
                assert_never(event)

    def _speech_started(self, event: SpeechStarted) -> None:
        now = self.decisions.now
        self.stream.last_voice = now
        self.turns.caller_began(now)
        if not (self.rules.has_any and self.stream.sid and self._is_saying):
            return self.barge_in.speech_started()
        self._speeches[event.item_id] = Speech(
            event.item_id,
            now,
            self.stream.meter.quiet_ms,
            self.stream.meter.voice_ms,
            self.stream.meter.before_ms,
            is_over_protected=self.protection.is_on,
            is_over_the_end=not self.turns.active and self.playout.plays_until(now) - now <= NEARLY_SAID_MS,
        )
        if len(self._speeches) > MOST_SPEECHES:
            self._answer_later(next(iter(self._speeches.values())))

    def _speech_stopped(self, event: SpeechStopped) -> None:
        now = self.decisions.now
        self.stream.last_voice = now
        self.turns.caller_paused()
        if (speech := self._speeches.get(event.item_id)) is not None:
            by_frames_ms = self.stream.meter.voice_ms - speech.voice_before_ms + speech.ahead_ms
            speech.voice_ms = max(by_frames_ms, speech.lasted_ms(now, self.stream.meter.quiet_ms))
            speech.stopped = now

    def _turn_committed(self, item_id: str) -> None:
        self.protection.turn_committed()
        if (speech := self._speeches.get(item_id)) is not None:
            speech.is_committed = True
            self.turns.caller_set_aside()
        elif item_id in self._set_aside:
            del self._set_aside[item_id]
            self.turns.caller_set_aside()
        else:
            self.turns.caller_ended()

    def _words_came(self, event: CallerWords | TranscriptCame) -> None:
        is_whole = isinstance(event, TranscriptCame)
        if (speech := self._speeches.get(event.item_id)) is not None:
            speech.words = "" if is_whole else speech.words
            speech.add(event.text)
            speech.is_written_down = is_whole
        elif isinstance(event, TranscriptCame) and event.item_id in self._wordless:
            self._words_came_late(event)

    def _words_came_late(self, event: TranscriptCame) -> None:
        """The caller has said something after all, over which the agent went on; or it was noise indeed."""
        del self._wordless[event.item_id]
        self.turns.is_perhaps_unanswered = self._wordless != {} and self.turns.is_perhaps_unanswered
        if not phrase_of(event.text) or self.rules.is_backchannel(event.text, is_whole=True):
            return
        self.decisions.journal.milestone("words_came_late")
        self.turns.caller_meant_it()
        if self._is_saying and not self.protection.is_on:
            self._interrupted()

    def key_pressed(self) -> None:
        """Whoever presses keys means it, but not even they interrupt what is protected, unless that is so set."""
        if self.rules.is_protected_from_keys and self.protection.is_on:
            return self.decisions.journal.milestone("barge_in_ignored", why="protected", by="a key")
        self._interrupted()

    # ------------------------------------------------------------ what is due

    @property
    def due(self) -> int | None:
        """When a speech is to be decided on if nothing more is told of it; None while none is to be."""
        if not self._speeches:
            return None
        due = min(map(self._due_of, self._speeches.values()))
        if self._has_more_to_say or self.farewell.is_pending:
            return due
        return min(due, self.playout.plays_until(self.decisions.now))

    def _due_of(self, speech: Speech) -> int:
        """Return when it is to be looked at again: what is protected ends before that, perhaps."""
        due, protected_until = self._known_at(speech), self.protection.until
        return min(due, protected_until) if protected_until > self.decisions.now else due

    def _known_at(self, speech: Speech) -> int:
        if speech.stopped is not None:
            return speech.stopped + self.rules.words_ms
        return self._meant_at(speech) if speech.has_counted else self._counts_at(speech)

    def _counts_at(self, speech: Speech) -> int:
        """Return when there will have been enough voice."""
        enough_at = speech.counts_at(self.rules.least_ms, self.stream.meter.quiet_ms)
        if not self.rules.may_interrupt:
            enough_at = speech.began + ENDLESS_MS
        return max(min(enough_at, speech.began + ENDLESS_MS), self.protection.until)

    def _meant_at(self, speech: Speech) -> int:
        """Return when it will have lasted so long that it is meant, whatever its words are."""
        return min(speech.counts_at(LONGEST_MS, self.stream.meter.quiet_ms), speech.began + ENDLESS_MS)

    def look(self) -> None:
        """Decide what has become plain, whichever event or time led to it."""
        if self._speeches:
            if self._session_number != self.session.number or not self.stream.sid:
                self._speeches.clear()  # nobody will tell more of them
                self._why_held = "lost"
            for speech in [*self._speeches.values()]:
                if speech.item_id in self._speeches:
                    self._judge(speech)
            if self.playout.is_held and not self._speeches:
                self._go_on()
        self._session_number = self.session.number
        self.turns.is_in_doubt = bool(self._speeches)

    def is_tried(self) -> bool:
        """The caller has waited in silence long enough: words that aren't there decide nothing any more.

        Say whether anything was decided by that.
        """
        stopped = [speech for speech in self._speeches.values() if speech.stopped is not None]
        for speech in stopped:
            speech.is_waited_for = False
        self.look()
        return stopped != []

    # ------------------------------------------------------------ deciding

    @property
    def _is_saying(self) -> bool:
        """Say whether there is something to interrupt."""
        return self._has_more_to_say or self.playout.is_playing(self.decisions.now)

    @property
    def _has_more_to_say(self) -> bool:
        """Say whether more will be heard than what plays now."""
        return self.playout.is_held or self._is_making or self.protection.is_greeting_to_come

    @property
    def _is_making(self) -> bool:
        """Say whether the model is still making what the caller hears."""
        active = self.turns.active
        is_open = any(ledger.is_open_in(active) for ledger in self.playout.unheard)
        return active != "" and is_open and not self.turns.is_cut(active)

    def _judge(self, speech: Speech) -> None:
        now = self.decisions.now
        if not self._is_saying and not self.farewell.is_pending:
            return self._take_as_turn(speech)
        if speech.stopped is None:
            if not speech.has_counted and self._counts_at(speech) <= now:
                self._count(speech)
            elif speech.has_counted and self._meant_at(speech) <= now:
                self._interrupted()
        elif not speech.has_counted and self._was_enough(speech):
            self._count(speech)
        if speech.item_id in self._speeches:
            self._judge_words(speech)

    def _was_enough(self, speech: Speech) -> bool:
        """Say whether a speech that has stopped was long enough, though we heard all of it too late to stop in time."""
        is_enough = self.rules.may_interrupt and speech.voice_ms >= self.rules.least_ms
        return is_enough and not speech.is_over_protected and not self.protection.is_on

    def _count(self, speech: Speech) -> None:
        """There was enough voice: stop, for good or until the words are known."""
        speech.has_counted = True
        is_meant = (
            max(speech.voice_ms, speech.lasted_ms(self.decisions.now, self.stream.meter.quiet_ms))
            >= LONGEST_MS
        )
        if not self.rules.may_go_on or not self._is_saying or is_meant:
            return self._interrupted()
        if not self.playout.is_held:
            self._held_since = self.decisions.now
            self.barge_in.hold()

    def _judge_words(self, speech: Speech) -> None:
        is_late = speech.stopped is not None and self._known_at(speech) <= self.decisions.now
        is_late = is_late or not speech.is_waited_for
        is_whole = speech.is_written_down or (is_late and speech.words != "")
        if not is_whole and not phrase_of(speech.words):
            return self._no_words_came(speech) if is_late else None
        is_backchannel = self.rules.is_backchannel(speech.words, is_whole=is_whole)
        if is_backchannel and not speech.is_over_the_end:
            return self._ignore(speech, "backchannel") if is_whole else None
        if not phrase_of(speech.words):
            return self._ignore(speech, "noise")
        is_meant = speech.has_counted or self.rules.are_enough(speech.words)
        if is_meant and not self.protection.is_on:
            return self._interrupted()
        return self._answer_later(speech) if is_whole else None

    def _no_words_came(self, speech: Speech) -> None:
        """It has stopped, and nothing of it was written down in time."""
        if not self.rules.words_ms:
            is_noise = speech.voice_ms < max(self.rules.least_ms, LEAST_WORD_MS)
            return self._ignore(speech, "noise") if is_noise else self._answer_later(speech)
        if self.rules.resumes and speech.is_over_the_end:
            return self._answer_later(speech, "unwritten")
        if self.rules.resumes:
            _remember(self._wordless, speech.item_id)
            self.turns.is_perhaps_unanswered = True
            return self._ignore(speech, "noise")
        return self._interrupted() if speech.has_counted else self._answer_later(speech)

    # ------------------------------------------------------------ what becomes of it

    def _interrupted(self) -> None:
        """The caller has the turn."""
        speeches, self._speeches = self._speeches, {}
        self.turns.is_in_doubt = False
        if any(speech.is_committed for speech in speeches.values()):
            self.turns.caller_meant_it()
        self.barge_in.interrupt()

    def _ignore(self, speech: Speech, why: str) -> None:
        """It was nothing that anybody waits for an answer to."""
        self._part_with(speech)
        if not speech.is_committed:
            _remember(self._set_aside, speech.item_id)
        self._note(speech, why)

    def _answer_later(self, speech: Speech, why: str = "short") -> None:
        """It does not interrupt, and is answered when the agent has finished."""
        self._part_with(speech)
        self._note(speech, "protected" if speech.is_over_protected else why)
        if speech.is_committed:
            self.turns.caller_meant_it()

    def _take_as_turn(self, speech: Speech) -> None:
        """The agent has finished: who speaks now, or has just spoken, waits for an answer."""
        self._part_with(speech)
        if speech.is_committed:
            self.turns.caller_meant_it()
        elif speech.stopped is None and self.turns.active:
            self.turns.is_in_doubt = False
            self.barge_in.interrupt()  # of the answer that is being made nothing was heard yet

    def _part_with(self, speech: Speech) -> None:
        del self._speeches[speech.item_id]

    def _note(self, speech: Speech, why: str) -> None:
        """Take down what it was; of an agent that was stopped for it, when it goes on."""
        if speech.has_counted and self.playout.is_held:
            self._why_held = why
            return
        speech_ms = speech.voice_ms or speech.lasted_ms(self.decisions.now, self.stream.meter.quiet_ms)
        self.decisions.journal.milestone("barge_in_ignored", why=why, speech_ms=speech_ms)

    def _go_on(self) -> None:
        """Nobody meant to interrupt: say the rest, from the word in which it was stopped."""
        paused_ms = self.decisions.now - self._held_since
        self.decisions.journal.milestone("false_interruption", why=self._why_held, paused_ms=paused_ms)
        self.playout.go_on()
        self.voice.follow_line()
        self.farewell.put_off()


def _remember(names: dict[str, None], name: str) -> None:
    names[name] = None
    if len(names) > MOST_SPEECHES:
        del names[next(iter(names))]
