"""Composed calls: a caller put together from known parts, so that every turn and pause in it is known exactly. Pure.

The agent and the caller take turns. What is spoken are recordings (`material`), what disturbs it is made
(`noises`), all of it in the band of a telephone line, as µ-law at 8 kHz. The same recipe, seed and number
give the same bytes wherever numpy is the same. What it is not: a conversation. Its words make no sense together, its
callers have many voices, and nobody speaks at the same time as the agent, so it says nothing about barge-ins.
"""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Final

import numpy as np
from attrs import define, field, frozen

from bridge.heart.audio import BYTES_PER_MS, FRAME_BYTES, SILENCE, bytes_of, ms_of
from replay.sound.clips import clip
from replay.vad.compose import noises
from replay.vad.compose.material import ComposeError, Piece
from replay.vad.compose.noises import Noise
from replay.vad.compose.recipe import PauseDistribution, Random, Range, Recipe, fit_pauses
from replay.vad.compose.sound import Samples, gain_of, samples_of, ulaw_of
from replay.vad.truth.truth import Span, Truth, Turn

__all__ = [
    "ComposeError",
    "ComposedCall",
    "PauseDistribution",
    "Recipe",
    "compose",
    "composed_calls",
    "fit_pauses",
]

CAUTION_MS: Final = 300
"""Noises keep away from speech by so much, so that each is either answered by a detector or not."""

PAUSE_BEFORE_MUSIC_MS: Final = 500
LONGEST_MS: Final = 3500 * 1000
"""A call on tape can last 59 minutes; the rest is for its beginning and end."""


# ---------------------------------------------------------------- what comes of it


@frozen
class ComposedCall:
    """One composed call: both sides as µ-law of the same length, whole frames of 20 ms, and the truth about it.

    Turns and pauses are exact to the 10 ms frames of their recordings: a piece begins and ends with the first and
    last frame within 30 dB of its loudest. Echo and other people's voices are noise: nothing is unsure. events: the
    noises that were put in, each with its kind (cough, click, dtmf, music). agent_words: what the agent says in each
    of `truth.agent`. level_dbfs, noise, snr_db: what was drawn for the call; no SNR without noise.
    """

    seed: int
    number: int
    audio: bytes = field(repr=False)
    agent_audio: bytes = field(repr=False)
    truth: Truth = field(repr=False)
    events: tuple[tuple[str, Span], ...] = field(repr=False)
    agent_words: tuple[str, ...] = field(repr=False)
    level_dbfs: float
    noise: Noise
    snr_db: float | None

    @property
    def call_id(self) -> str:
        """Return the id of the call: that of its sound."""
        return f"CA{sha256(self.audio + self.agent_audio).hexdigest()[:32]}"


def compose(recipe: Recipe, seed: int, number: int = 0) -> ComposedCall:
    """Return the call of that number in the series that recipe and seed stand for. Raises `ComposeError`.

    >>> call = compose(Recipe(turns=(2, 2), pieces=(1, 1)), seed=1)
    >>> len(call.truth.turns), len(call.audio) == len(call.agent_audio), len(call.audio) % 160
    (2, True, 0)
    """
    if seed < 0 or number < 0:
        raise ComposeError(f"seed {seed}, call {number}: use 0 or more")
    rng = np.random.default_rng((seed, number))
    script = _Script(recipe, rng)
    script.write()
    level_dbfs = _drawn(recipe.level_dbfs, rng)
    noise = recipe.noises[rng.integers(len(recipe.noises))]
    snr_db = None if noise == "none" else _drawn(recipe.snr_db, rng)
    caller = _speech(script, level_dbfs)
    if snr_db is not None:
        caller += noises.bed(noise, len(caller), rng) * gain_of(level_dbfs - snr_db)
    _add_disturbances(caller, script, level_dbfs)
    agent = _agent_audio(script)
    if recipe.echo_loss_db is not None:
        _add_echo(caller, script, recipe)
    return ComposedCall(
        seed, number, ulaw_of(caller), agent, script.truth(), script.events(), script.agent_words(),
        level_dbfs, noise, snr_db,
    )  # fmt: skip


def composed_calls(
    recipe: Recipe, seed: int, *, calls: int = 0, minutes: float = 0
) -> Iterator[ComposedCall]:
    """Yield so many calls of a series, or, if `minutes` are asked for, as many as last so long together."""
    number, length_ms = 0, 0
    while number < calls or length_ms < minutes * 60_000:
        call = compose(recipe, seed, number)
        number, length_ms = number + 1, length_ms + call.truth.length_ms
        yield call


def _drawn(between: Range, rng: Random) -> float:
    return round(float(rng.uniform(*between)), 2)


# ---------------------------------------------------------------- who speaks when


@define
class _Script:
    """Writes what happens when, in ms; nothing sounds yet."""

    recipe: Recipe
    rng: Random
    now_ms: int = 0
    turns: list[Turn] = field(factory=list)
    said: list[tuple[int, Piece]] = field(factory=list)
    """(when its first audible frame comes, the piece)"""
    agent: list[tuple[Span, str]] = field(factory=list)
    """(when, the name of the clip)"""
    disturbances: list[tuple[str, Span, Samples, float]] = field(factory=list)
    """(kind, when, samples, level): the level is relative to the caller's but for music, whose is in dBFS"""
    _free: list[Span] = field(factory=list)
    """When noises may come."""

    def write(self) -> None:
        """Write the call from its beginning to its end. Raises `ComposeError` for one that is too long."""
        least, most = self.recipe.turns
        count = int(self.rng.integers(least, most + 1))
        music_before = int(self.rng.integers(count))
        words, sentences = self.recipe.short_replies(), self.recipe.sentences()
        self._wait(self._drawn_ms((500, 1500)))
        for number in range(count):
            self._agent_speaks()
            if number == music_before and self.recipe.music_seconds:
                self._play_music()
            self._wait(self._drawn_ms(self.recipe.reaction_ms))
            self._caller_speaks(self._pieces(words, sentences))
            self._wait(self._drawn_ms(self.recipe.answer_ms))
        self._agent_speaks("agent_goodbye")
        self._wait(1000)
        frames = -(-bytes_of(self.now_ms) // FRAME_BYTES)
        self.now_ms = ms_of(frames * FRAME_BYTES)
        if self.now_ms > LONGEST_MS:
            raise ComposeError(
                f"a call of {self.now_ms // 1000} s: a tape holds {LONGEST_MS // 1000}; use fewer turns or less music"
            )
        self._disturb()

    def _drawn_ms(self, between: Range) -> int:
        return round(_drawn(between, self.rng))

    def _wait(self, ms: int) -> None:
        """Let some time pass in which the caller is quiet; noises may come in it, and while the agent speaks."""
        if ms:
            self._add_free(Span(self.now_ms, self.now_ms + ms))
        self.now_ms += ms

    def _add_free(self, span: Span) -> None:
        if self._free and self._free[-1].end_ms == span.start_ms:
            span = Span(self._free.pop().start_ms, span.end_ms)
        self._free.append(span)

    def _agent_speaks(self, name: str = "") -> None:
        names = self.recipe.agent_clips
        if not name:
            name = names[self.rng.integers(1, len(names))] if self.agent and len(names) > 1 else names[0]
        start_ms = self.now_ms
        self._wait(clip(name).ms)
        self.agent.append((Span(start_ms, self.now_ms), name))

    def _play_music(self) -> None:
        self._wait(PAUSE_BEFORE_MUSIC_MS)
        span = Span(self.now_ms, self.now_ms + round(self.recipe.music_seconds * 1000))
        samples = noises.music(bytes_of(span.length_ms), self.rng)
        self.disturbances.append(("music", span, samples, _drawn(self.recipe.music_dbfs, self.rng)))
        self.now_ms = span.end_ms

    def _pieces(self, words: tuple[Piece, ...], sentences: tuple[Piece, ...]) -> list[Piece]:
        """Draw what a turn consists of: a word; or a sentence, and after it words and sentences alike."""
        if self.rng.random() < self.recipe.short_share:
            return [words[self.rng.integers(len(words))]]
        least, most = self.recipe.pieces
        kinds = [sentences, *((words, sentences)[coin] for coin in self.rng.integers(2, size=most - 1))]
        count = int(self.rng.integers(least, most + 1))
        return [kind[self.rng.integers(len(kind))] for kind in kinds[:count]]

    def _caller_speaks(self, pieces: Sequence[Piece]) -> None:
        speech: list[Span] = []
        for number, piece in enumerate(pieces):
            if number:
                self.now_ms += self.recipe.pauses.draw_ms(self.rng)
            self.said.append((self.now_ms, piece))
            speech += [Span(self.now_ms + one.start_ms, self.now_ms + one.end_ms) for one in piece.speech]
            self.now_ms = speech[-1].end_ms
        self.turns.append(Turn.of_speech(speech, " ".join(piece.text for piece in pieces)))

    # ------------------------------------------------------------ what disturbs it

    def _disturb(self) -> None:
        """Draw the noises, and where in the caller's silences they come."""
        minutes, recipe = self.now_ms / 60_000, self.recipe
        self._free = [
            Span(one.start_ms + CAUTION_MS, one.end_ms - CAUTION_MS)
            for one in self._free if one.length_ms > 2 * CAUTION_MS
        ]  # fmt: skip
        for _ in range(int(self.rng.poisson(recipe.coughs_per_minute * minutes))):
            self._place("cough", noises.cough(self.rng), float(self.rng.uniform(-6, 3)))
        for _ in range(int(self.rng.poisson(recipe.clicks_per_minute * minutes))):
            self._place("click", noises.click(self.rng), float(self.rng.uniform(0, 9)))
        for _ in range(int(self.rng.poisson(recipe.keys_per_minute * minutes))):
            name = noises.KEYS[self.rng.integers(len(noises.KEYS))]
            self._place(
                "dtmf", noises.key(name, int(self.rng.integers(60, 250))), float(self.rng.uniform(0, 6))
            )

    def _place(self, kind: str, samples: Samples, level_db: float) -> None:
        """Put a noise where there is room for it, anywhere as likely; nowhere if there is none."""
        length_ms = -(-len(samples) // BYTES_PER_MS)
        rooms = [max(0, one.length_ms - length_ms) for one in self._free]
        if not sum(rooms):
            return
        place = int(self.rng.integers(sum(rooms)))
        number = int(np.searchsorted(np.cumsum(rooms), place, side="right"))
        free = self._free.pop(number)
        start_ms = free.start_ms + place - sum(rooms[:number])
        span = Span(start_ms, start_ms + length_ms)
        sides = ((free.start_ms, start_ms), (span.end_ms, free.end_ms))
        self._free += [Span(begin, end) for begin, end in sides if begin < end]
        self.disturbances.append((kind, span, samples, level_db))

    # ------------------------------------------------------------ what is known of it

    def truth(self) -> Truth:
        """Return what the caller really does in it."""
        return Truth(tuple(self.turns), "composed", self.now_ms, tuple(span for span, _ in self.agent))

    def events(self) -> tuple[tuple[str, Span], ...]:
        """Return the noises in it, in order."""
        found = [(kind, span) for kind, span, _, _ in self.disturbances]
        return tuple(sorted(found, key=lambda one: one[1]))

    def agent_words(self) -> tuple[str, ...]:
        """Return what the agent says each time."""
        return tuple(clip(name).text for _, name in self.agent)


# ---------------------------------------------------------------- how it sounds


def _speech(script: _Script, level_dbfs: float) -> Samples:
    """Return the caller's speech as it is said, (samples of the call,)."""
    caller, gain = np.zeros(bytes_of(script.now_ms)), gain_of(level_dbfs)
    for at_ms, piece in script.said:
        _add(caller, at_ms - piece.lead_ms, piece.samples * gain)
    return caller


def _add(call: Samples, at_ms: int, samples: Samples) -> None:
    """Add a sound to the call; what would come before its beginning or after its end is left out."""
    start = bytes_of(at_ms)
    samples = samples[max(0, -start) : len(call) - start]
    call[max(0, start) : max(0, start) + len(samples)] += samples


def _add_disturbances(caller: Samples, script: _Script, level_dbfs: float) -> None:
    for kind, span, samples, level in script.disturbances:
        _add(caller, span.start_ms, samples * gain_of(level if kind == "music" else level + level_dbfs))


def _agent_audio(script: _Script) -> bytes:
    """Return the agent's side: its clips as they are, and silence between them."""
    agent = bytearray(SILENCE * bytes_of(script.now_ms))
    for span, name in script.agent:
        agent[bytes_of(span.start_ms) : bytes_of(span.end_ms)] = clip(name).audio
    return bytes(agent)


def _add_echo(caller: Samples, script: _Script, recipe: Recipe) -> None:
    gain = gain_of(-(recipe.echo_loss_db or 0))
    for span, name in script.agent:
        _add(caller, span.start_ms + recipe.echo_delay_ms, samples_of(clip(name).audio) * gain)
