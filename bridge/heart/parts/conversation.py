"""What was said in a call so far: told to the model's session as it happens, and to the next session when that one is
lost. Whatever the model is to know of the conversation beside the caller's own voice goes through here. Pure.
"""

from collections.abc import Iterator
from itertools import count
from typing import Final, TypeAlias

from attrs import define, evolve, field

from bridge.heart.audio import ms_of
from bridge.heart.decisions import Decisions
from bridge.heart.effects import AddCall, AddText, AddTurn, AnswerTool, TruncateItem
from bridge.heart.events import AgentWords, Event, ToolCalled, TranscriptCame, TurnCommitted
from bridge.heart.playout import Ledger, Part
from bridge.heart.prompts import only_heard
from bridge.heart.session import Session
from bridge.text.heard import spoken_part

MOST_ENTRIES: Final = 300
"""Turns and tools that a next session is told; of a longer call its beginning is left out."""

OF_THE_CONVERSATION: Final = frozenset({TurnCommitted, TranscriptCame, ToolCalled})
"""What the session tells of it, beside the agent's words, which the call takes down as they pass."""

TOLD_AGAIN: Final = "again_"
"""What the ids of items begin with that a session is told of the one before."""

LATE: Final = "late_"
"""What the ids begin with under which a late result is told: it is the answer of another call of the same tool."""

MOST_CHARACTERS: Final = 20_000
"""Of one part of a turn, of a tool's answer, of its arguments: twenty minutes of speech. A model may speak for ever,
and a tool answer ten megabytes: one session reads that, and no second one."""

MOST_PARTS: Final = 20
NOT_WRITTEN_DOWN: Final = "(The caller spoke; what they said was not written down.)"
CALLER, AGENT, SYSTEM = "user", "assistant", "system"


@define
class _Turn:
    """Something that was said: by whom, in which session, and its parts' words with what of each was heard."""

    role: str
    session: int
    words: dict[int, str] = field(factory=dict)
    heard: dict[int, tuple[int, int]] = field(factory=dict)
    """Of a part that was cut off: the ms heard, and the ms there were."""
    keys: str = ""

    def add(self, index: int, text: str, *, is_whole: bool) -> None:
        """Add words to a part, or put them in place of what it has."""
        if index in self.words or len(self.words) < MOST_PARTS:
            before = "" if is_whole else self.words.get(index, "")
            self.words[index] = (before + text)[:MOST_CHARACTERS]

    @property
    def text(self) -> str:
        """Return what of it was heard, in words."""
        parts = (
            spoken_part(words, *self.heard[index]) if index in self.heard else words
            for index, words in sorted(self.words.items())
        )
        return " ".join(part for part in parts if part)


@define
class _Called:
    """A tool that was called, and what it answered if it has."""

    call: ToolCalled
    output: str | None = None


_Entry: TypeAlias = _Turn | _Called


@define
class Conversation:
    """One call's, in the order in which its turns and tools began."""

    decisions: Decisions
    session: Session
    _entries: dict[str, _Entry] = field(factory=dict)
    _texts: Iterator[int] = field(factory=lambda: count(1))
    _results: Iterator[int] = field(factory=lambda: count(1))

    # ------------------------------------------------------------ what the session tells

    def follow(self, event: Event) -> None:
        """Remember what was said, as the session tells of it."""
        match event:
            case TurnCommitted(item_id):
                self._turn(item_id, CALLER)
            case TranscriptCame(item_id, text):
                self._turn(item_id, CALLER).words[0] = text[:MOST_CHARACTERS]
            case AgentWords(item_id, index, text, is_whole):
                self._turn(item_id, AGENT).add(index, text, is_whole=is_whole)
            case ToolCalled(call_id=call_id):
                self._remember(_of_tool(call_id), _Called(_bounded(event)))

    def take_down(self, event: AgentWords) -> None:
        """Remember what the agent said, unless that is of a session which is over; it decides nothing."""
        if self.session.is_over:
            self.decisions.journal.counts["told of nobody here"] += 1
            return
        self.decisions.journal.counts["ignored"] += 1
        self.follow(event)

    def _turn(self, item_id: str, role: str) -> _Turn:
        key = f"item {item_id}"
        found = self._entries.get(key)
        if isinstance(found, _Turn):
            return found
        turn = _Turn(role, self.session.number)
        self._remember(key, turn)
        return turn

    def _remember(self, key: str, entry: _Entry) -> None:
        self._entries.setdefault(key, entry)
        if len(self._entries) > MOST_ENTRIES:
            del self._entries[self._first_to_forget()]

    def _first_to_forget(self) -> str:
        """Return the oldest entry, but for a tool that has not answered: a session that was not told of it would refuse
        its answer."""
        keys = (key for key, entry in self._entries.items() if not _is_pending(entry))
        return next(keys, next(iter(self._entries)))

    def words_of(self, part: Part) -> str:
        """Return the words of a part of the agent's, as far as they are known."""
        turn = self._entries.get(f"item {part[0]}")
        return turn.words.get(part[1], "") if isinstance(turn, _Turn) else ""

    def latest(self, most: int) -> list[tuple[str, str]]:
        """Return the latest turns that have words, with who said them; which keys were pressed is nobody's to see."""
        found = list[tuple[str, str]]()
        for entry in reversed(self._entries.values()):
            if isinstance(entry, _Turn) and entry.role != SYSTEM and not entry.keys and (words := entry.text):
                found.append(("caller" if entry.role == CALLER else "agent", words))
                if len(found) == most:
                    break
        return found[::-1]

    # ------------------------------------------------------------ what the session is told

    def add_text(self, role: str, text: str, keys: str = "") -> None:
        """Tell it in words what can't be heard."""
        self._remember(f"text {next(self._texts)}", _Turn(role, self.session.number, {0: text}, keys=keys))
        if self.session.is_open:
            self.decisions.say(AddText(self.decisions.new_id(), role, text, keys))

    def answer_tool(self, call_id: str, output: str) -> None:
        """Tell it what came of a tool; a session that is still to come is told with all else."""
        called = self._entries.get(_of_tool(call_id))
        if isinstance(called, _Called):
            called.output = output[:MOST_CHARACTERS]
        elif self.session.number > 1:
            return self.decisions.journal.count("a tool answered that the session was not told of")
        if self.session.is_open:
            self.decisions.say(AnswerTool(self.decisions.new_id(), call_id, output))

    def add_result(self, call_id: str, name: str, output: str) -> None:
        """Tell it the result of a tool that it was told to wait for: as a second call of it, and what that answered.

        So it stays what a tool has said, and becomes no message of anybody's. Of a call that was made too long ago
        to be remembered the arguments are left out.
        """
        called = self._entries.get(_of_tool(call_id))
        arguments = called.call.arguments if isinstance(called, _Called) else "{}"
        again = ToolCalled("", LATE + call_id, name, arguments)
        self._remember(_of_tool(again.call_id), _Called(again))
        if self.session.is_open:
            item_id = f"{LATE}{next(self._results)}"
            self.decisions.say(
                AddCall(self.decisions.new_id(), item_id, again.call_id, again.name, again.arguments)
            )
        self.answer_tool(again.call_id, output)

    @property
    def agents_last_words(self) -> str:
        """Return what the agent said last, unless something else has come since."""
        last = next(reversed(self._entries.values()), None)
        return last.text if isinstance(last, _Turn) and last.role == AGENT else ""

    def truncate(self, ledger: Ledger) -> None:
        """Tell it how much of a part of its own was heard."""
        if not ledger.is_clip:
            self._truncate(
                (ledger.item_id, ledger.content_index), ms_of(ledger.heard), ms_of(ledger.generated)
            )

    def truncate_unheard(self, part: Part) -> None:
        """Tell it that nothing of a part was heard."""
        self._truncate(part, 0, 0)

    def _truncate(self, part: Part, heard_ms: int, generated_ms: int) -> None:
        item_id, index = part
        turn = self._entries.get(f"item {item_id}")
        if isinstance(turn, _Turn):
            turn.heard[index] = (heard_ms, generated_ms)
        if not self.session.is_open:
            return
        if isinstance(turn, _Turn) and turn.session != self.session.number:
            return self.add_text(SYSTEM, only_heard(turn.text))
        self.decisions.say(TruncateItem(self.decisions.new_id(), item_id, index, heard_ms))

    # ------------------------------------------------------------ what the next session is told

    def tell_again(self) -> None:
        """Tell a new session all of it, under ids of ours: what was heard of the agent, and what is still awaited."""
        for number, entry in enumerate(list(self._entries.values()), 1):
            self._tell(entry, f"{TOLD_AGAIN}{self.session.number}_{number}")

    def _tell(self, entry: _Entry, item_id: str) -> None:
        say, new_id = self.decisions.say, self.decisions.new_id
        if isinstance(entry, _Called):
            call = entry.call
            say(AddCall(new_id(), item_id, call.call_id, call.name, call.arguments))
            if entry.output is not None:
                say(AnswerTool(new_id(), call.call_id, entry.output))
        elif entry.keys or entry.role == SYSTEM:
            say(AddText(new_id(), entry.role, entry.text, entry.keys, item_id))
        elif text := entry.text or (NOT_WRITTEN_DOWN if entry.role == CALLER else ""):
            say(AddTurn(new_id(), item_id, entry.role, text))


def _bounded(event: ToolCalled) -> ToolCalled:
    """Return a call whose arguments can be told again: half of a JSON text would be none."""
    return event if len(event.arguments) <= MOST_CHARACTERS else evolve(event, arguments="{}")


def _is_pending(entry: _Entry) -> bool:
    return isinstance(entry, _Called) and entry.output is None


def _of_tool(call_id: str) -> str:
    return f"tool {call_id}"
