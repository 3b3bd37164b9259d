"""What the caller has heard, has still to hear, and will never hear, item by item: the heard ledger.

The model generates far faster than anybody can listen, so its audio waits here and is sent a little ahead of
playback. Twilio's marks say what was played; between marks the line's clock is the estimate. Time is int ms.
"""

from collections import deque
from collections.abc import Iterator
from typing import Final, TypeAlias

from attrs import define, field
from msgspec import Struct
from msgspec.structs import replace

from bridge.heart.audio import FRAME_BYTES, bytes_of, ms_of, next_pause
from bridge.heart.speaking.kept_sound import KeptSound, Stretch
from bridge.heart.speaking.waiting_sound import WaitingSound

CHUNK_MS: Final = 100
"""One message and one mark per 100 ms: large enough not to sound choppy, small enough to tell what was heard.
A short lead makes them shorter: half of it, or the next one would come after the last was played. A model that
speaks in smaller pieces is waited for while the caller has still enough to hear, and marks don't come more often.
"""

MOST_WAITING_MS: Final = 300_000
"""Five minutes of audio not yet sent: more means that the model runs away."""

CLIP: Final = "clip_"
"""What the ids begin with of what we play ourselves: a clip is no item of the model's."""

Part: TypeAlias = tuple[str, int]
"""One audio part of an item: (item_id, content_index)."""


@define
class Ledger:
    """One part's account, in bytes of µ-law; the times are ms on the call's clock, -1 for never."""

    item_id: str
    content_index: int
    response_id: str
    generated: int = 0
    sent: int = 0
    heard: int = 0
    first_sent: int = -1
    first_heard: int = -1
    is_complete: bool = False
    is_cut: bool = False

    @property
    def is_settled(self) -> bool:
        """Say whether nothing more can be heard of it."""
        return self.is_cut or (self.is_complete and self.heard == self.generated)

    @property
    def is_clip(self) -> bool:
        """Say whether it is a clip of ours, of which the model knows nothing."""
        return self.item_id.startswith(CLIP)

    def is_open_in(self, response_id: str) -> bool:
        """Say whether the model may have more of it, in this response."""
        return self.response_id == response_id and not self.is_complete


class Piece(Struct, frozen=True, gc=False):
    """What to send: bytes of one part from `start` on, and the mark that follows them. Either may be empty."""

    part: Part
    start: int
    audio: bytes
    mark: str


class _Sent(Struct, frozen=True, gc=False):
    mark: str
    part: Part
    end: int
    size: int
    sent_at: int


@define
class Playout:
    """The agent's voice on its way to the caller's ear."""

    lead_ms: int = 300
    keeps_sent: bool = False
    """Whether what was stopped may go on: then what was sent last is kept."""
    is_held: bool = False
    """The caller hears nothing, and it isn't known yet whether they will hear the rest."""
    _ledgers: dict[Part, Ledger] = field(factory=dict)
    first_response: str = ""
    """The first of which there was something to hear."""
    _closed: dict[Part, None] = field(factory=dict)
    _waiting: WaitingSound = field(factory=WaitingSound)
    _sent: deque[_Sent] = field(factory=deque)
    _kept: KeptSound = field(factory=KeptSound)
    _given_up: dict[Part, None] = field(factory=dict)
    """Parts of which not all will be sent, though what was sent may still be heard."""
    _unmarked_bytes: int = 0
    _marks: int = 0
    played_until: int = 0
    """When Twilio will have played everything sent, or had, by our clock."""
    _last_echo: int = 0
    _deadline: int | None = None
    _is_due_anew: bool = False
    """Something changed since `_deadline` was worked out: it is asked for with every frame of the caller's."""
    may_be_settled: bool = False
    """Something was heard, finished or cut since the accounts were looked through, as they are as often."""

    # ------------------------------------------------------------ in

    def takes(self, part: Part) -> bool:
        """Say whether audio of this part may still be played: not once its account is closed."""
        return part not in self._closed

    def refuse(self, part: Part) -> bool:
        """Close a part of which nothing may be played; say whether it is one nothing was known of."""
        is_new = part not in self._closed and part not in self._ledgers
        self._closed[part] = None
        self.complete(part)
        return is_new

    def add(self, part: Part, response_id: str, audio: bytes) -> Ledger:
        """Queue generated audio behind everything queued before; return the part's account."""
        ledger = self._ledgers.get(part)
        if ledger is None:
            ledger = self._ledgers[part] = Ledger(part[0], part[1], response_id)
            self.first_response = self.first_response or response_id
        if audio:
            self._waiting.add(Stretch(part, ledger.generated, audio))
            ledger.generated += len(audio)
            self._is_due_anew = True
        return ledger

    def complete(self, part: Part) -> None:
        """Note that the model has finished this part."""
        if part in self._ledgers:
            self._ledgers[part].is_complete = True
            self._is_due_anew = self.may_be_settled = True

    def break_off(self, response_id: str) -> None:
        """Note that the model will finish nothing of a response: what there is of it will be played."""
        for ledger in self._ledgers.values():
            if ledger.is_open_in(response_id):
                ledger.is_complete = self._is_due_anew = self.may_be_settled = True

    @property
    def is_clip(self) -> bool:
        """Say whether what is to be heard is a clip: one is never behind the model's words, nor they behind it."""
        return any(ledger.is_clip for ledger in self._ledgers.values())

    @property
    def is_full(self) -> bool:
        """Say whether no more audio should be accepted."""
        return ms_of(len(self._waiting)) >= MOST_WAITING_MS

    # ------------------------------------------------------------ out

    @property
    def deadline(self) -> int | None:
        """When the next piece is due, or None when nothing waits and everything sent has its mark."""
        if self._is_due_anew:
            self._deadline, self._is_due_anew = self._due_at(), False
        return self._deadline

    def _due_at(self) -> int | None:
        if self.is_held:
            return None
        if self._waiting:
            return self.played_until + self._next_ms() - self.lead_ms
        if not self._unmarked_bytes:
            return None
        has_ended = self._ledgers[self._sent[-1].part].is_complete
        return self.played_until - self.lead_ms if has_ended else self.played_until + CHUNK_MS

    def _next_ms(self) -> int:
        """Return how much room the next piece waits for: a whole chunk's, while more may come to be joined."""
        if not self._ledgers[self._waiting.last_part].is_complete:
            return self._chunk_ms
        return min(self._chunk_ms, ms_of(len(self._waiting)))

    @property
    def _chunk_ms(self) -> int:
        return min(CHUNK_MS, self.lead_ms // 2)

    def due(self, now: int) -> Iterator[Piece]:
        """Yield the pieces to send now, keeping Twilio at most `lead_ms` ahead of playback."""
        while (deadline := self.deadline) is not None and deadline <= now:
            self._is_due_anew = True
            yield self._next(now) if self._waiting else self._bare_mark()

    def _next(self, now: int) -> Piece:
        stretch = self._waiting.take(bytes_of(self._chunk_ms))
        part, start, audio = stretch.part, stretch.start, stretch.audio
        ledger = self._ledgers[part]
        ledger.sent = max(ledger.sent, start + len(audio))
        self._unmarked_bytes += len(audio)
        mark = self._new_mark() if self._is_worth_a_mark(ledger) else ""
        if ledger.first_sent < 0:
            ledger.first_sent = now
        self._sent.append(_Sent(mark, part, start + len(audio), len(audio), now))
        if self.keeps_sent:
            self._kept.add(stretch)
        self.played_until = max(self.played_until, now) + ms_of(len(audio))
        return Piece(part, start, audio, mark)

    def _is_worth_a_mark(self, ledger: Ledger) -> bool:
        """Say whether what was just sent begins its part, ends it, or is a chunk since the last mark."""
        is_last = ledger.is_complete and ledger.sent == ledger.generated
        return ledger.first_sent < 0 or is_last or self._unmarked_bytes >= bytes_of(self._chunk_ms)

    def _bare_mark(self) -> Piece:
        """Return a mark for what was sent without one: nothing more comes of it, or hasn't for a while."""
        last = self._sent.pop()
        self._sent.append(replace(last, mark=self._new_mark()))
        return Piece(last.part, last.end, b"", self._sent[-1].mark)

    def _new_mark(self) -> str:
        self._marks += 1
        self._unmarked_bytes = 0
        return f"m{self._marks}"

    def stop_at_pause(self) -> None:
        """Play no further than the next pause of the voice in what waits; without one all of it, but for a clip."""
        pause = 0 if self.is_clip else next_pause(self._waiting.audio)
        if pause is None:
            return
        for part in self._waiting.parts:
            self.complete(part)
        self._given_up.update(dict.fromkeys(self._waiting.keep(pause)))

    # ------------------------------------------------------------ heard

    def reached(self, mark: str, now: int) -> list[Ledger] | None:
        """Account for an echoed mark; return the parts whose first audio it proves heard.

        None when the mark is not waited for: marks come back after a `clear` too, and prove nothing.
        """
        if not mark or mark not in [sent.mark for sent in self._sent]:
            return None
        begun = []
        while self._sent:
            sent = self._sent.popleft()
            ledger = self._ledgers[sent.part]
            ledger.heard = max(ledger.heard, sent.end)
            self.may_be_settled = self.may_be_settled or ledger.is_settled
            if ledger.first_heard < 0:
                ledger.first_heard = max(sent.sent_at, now - ms_of(sent.size))
                begun.append(ledger)
            if sent.mark == mark:
                break
        self._last_echo = now
        return begun

    @property
    def is_idle(self) -> bool:
        """Say whether everything was heard: nothing waits to be sent, no mark is missing."""
        return not self._waiting and not self._sent

    def heard_by(self, grace_ms: int) -> int | None:
        """Return when everything is taken for heard, whose marks may be so late, or never come; None while some of it
        is not sent yet."""
        if self._waiting:
            return None
        return self.played_until + grace_ms if self._sent else 0

    def is_playing(self, now: int) -> bool:
        """Say whether the caller hears something now, by our clock: marks may never come back."""
        return len(self._waiting) > 0 or self.played_until > now

    def plays_until(self, now: int) -> int:
        """Return when everything generated so far will have been played, by our clock."""
        return max(self.played_until, now) + ms_of(len(self._waiting))

    def sounds_until(self, now: int) -> int:
        """Return when the last sound of what waits will have been played; now, where nothing but silence does."""
        sounding = self._waiting.sounding
        return max(self.played_until, now) + ms_of(sounding) if sounding else now

    @property
    def ends_at(self) -> int:
        """Return when what there is has been played, or was, by our clock."""
        return self.played_until + ms_of(len(self._waiting))

    def is_speaking(self, response_id: str) -> bool:
        """Say whether the caller has still something to hear of what was generated, or of this response's parts."""
        return not self.is_idle or any(ledger.is_open_in(response_id) for ledger in self._ledgers.values())

    def cut(self, now: int, response_id: str = "") -> list[Ledger]:
        """Drop everything unheard, as a `clear` does; return the parts that lost audio, in order of playing.

        The unfinished parts of a response that is cut off lose what the model had not yet delivered.
        """
        lost = self._estimate_heard(now)
        lost.update(dict.fromkeys(self._waiting.parts))
        lost.update((part, None) for part, ledger in self._ledgers.items() if ledger.is_open_in(response_id))
        self._forget_sent(now)
        self._waiting.clear()
        self.is_held = False
        for part in lost:
            self._ledgers[part].is_cut = True
        return [ledger for part, ledger in self._ledgers.items() if part in lost]

    def _forget_sent(self, now: int) -> None:
        self._sent.clear()
        self._kept.clear()
        self._unmarked_bytes = 0
        self.played_until = now
        self._is_due_anew = self.may_be_settled = True

    def _estimate_heard(self, now: int) -> dict[Part, None]:
        """Credit the time since the last proof to the audio sent after it; return the parts not wholly heard.

        The last frame is never credited before its mark came back: a clock can't prove that a part was heard.
        """
        credit = self._credit(now)
        lost: dict[Part, None] = {}
        for sent in self._sent:
            ledger = self._ledgers[sent.part]
            played = min(credit, sent.size)
            credit -= played
            if played:
                ledger.heard = max(ledger.heard, sent.end - sent.size + played)
                ledger.first_heard = sent.sent_at if ledger.first_heard < 0 else ledger.first_heard
            if played < sent.size:
                lost[sent.part] = None
        return lost

    def _credit(self, now: int) -> int:
        """Return how many bytes of what was sent since the last proof count as played."""
        if not self._sent:
            return 0
        elapsed = bytes_of(now - max(self._last_echo, self._sent[0].sent_at))
        return max(0, min(elapsed, self._sent_bytes - FRAME_BYTES))

    @property
    def _sent_bytes(self) -> int:
        return sum(sent.size for sent in self._sent)

    @property
    def unheard(self) -> list[Ledger]:
        """Return the accounts of what is still to be heard, in order of playing."""
        return [ledger for ledger in self._ledgers.values() if not ledger.is_settled]

    # ------------------------------------------------------------ stopped, and going on

    def hold(self, now: int, *, of_sentence: bool = False) -> None:
        """Stop as a `clear` does, and keep what was not heard, from the start of the word in which it was stopped, or
        of the sentence."""
        unheard = self._sent_bytes - self._credit(now)
        self._estimate_heard(now)
        kept = self._kept.again(unheard, of_sentence=of_sentence)
        self._waiting.put_back(stretch for stretch in kept if self._is_open(stretch.part))
        self._forget_sent(now)
        self.is_held = True

    def _is_open(self, part: Part) -> bool:
        return part in self._ledgers and not self._ledgers[part].is_settled

    def go_on(self) -> None:
        """Play what was kept, and what has come since."""
        self.is_held, self._is_due_anew = False, True

    # ------------------------------------------------------------ accounts

    def settled(self) -> list[Ledger]:
        """Take out the accounts that are closed: nothing more of them can be heard."""
        if not self.may_be_settled:
            return []
        self.may_be_settled = False
        done = [part for part, ledger in self._ledgers.items() if ledger.is_settled]
        self._closed.update(dict.fromkeys(done))
        return [self._ledgers.pop(part) for part in done]

    def close(self, now: int) -> list[Ledger]:
        """End all playing and take out every account that is left."""
        self.cut(now)
        for part, ledger in self._ledgers.items():
            ledger.is_cut = ledger.is_cut or part in self._given_up
        left = list(self._ledgers.values())
        self._ledgers.clear()
        return left
