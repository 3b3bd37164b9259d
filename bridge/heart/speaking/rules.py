"""An agent's speaking rules as the heart asks them: what its settings come to. Pure, int ms."""

from typing import Final

from attrs import frozen

from bridge.agents import Agent
from bridge.heart.speaking.speech import LONGEST_MS
from bridge.heart.speaking.words import (
    Phrase,
    count_of,
    is_backchannel,
    phrases_of,
    protected_share,
)

WORDS_MS: Final = 3000
"""How long the words of a speech are waited for after it stopped, unless the file says it: most come in a second."""


@frozen
class Rules:
    """When a speech counts, by the milliseconds of voice and by its words."""

    has_any: bool
    may_interrupt: bool
    least_ms: int
    """So much voice counts as an interruption; 0: any does at once."""
    min_words: int
    backchannels: frozenset[Phrase]
    notices: frozenset[Phrase]
    """What must be heard to its end."""
    is_greeting_protected: bool
    is_protected_from_keys: bool
    words_ms: int
    """How long words are waited for after a speech has stopped; 0 where none are written down."""
    resumes: bool
    """Whether a speech of which no words come is taken for noise, after which the agent goes on."""

    @classmethod
    def of(cls, agent: Agent) -> "Rules":
        """Return an agent's."""
        rules = agent.speaking
        by_words_alone = rules.min_words and not rules.min_speech_ms
        is_transcribed = bool(agent.transcription_model)
        return cls(
            has_any=rules.has_rules,
            may_interrupt=agent.turn_detection.interrupt_response,
            least_ms=LONGEST_MS if by_words_alone else rules.min_speech_ms,
            min_words=rules.min_words,
            backchannels=phrases_of(rules.backchannels_of(agent.languages)),
            notices=phrases_of(rules.protected),
            is_greeting_protected=rules.protect_greeting,
            is_protected_from_keys=not rules.keys_interrupt_protected,
            words_ms=(rules.resume_after_ms or WORDS_MS) if is_transcribed else 0,
            resumes=is_transcribed and rules.resume_after_ms > 0,
        )

    @property
    def may_go_on(self) -> bool:
        """Say whether the agent may go on after it was stopped: then what it had still to say is kept."""
        return self.words_ms > 0 and (self.resumes or bool(self.backchannels))

    def protected_share(self, words: str, *, is_whole: bool) -> float:
        """Return how much of what the agent says in these words must be heard, from its beginning."""
        return protected_share(words, self.notices, is_whole=is_whole) if self.notices else 0.0

    def is_backchannel(self, words: str, *, is_whole: bool) -> bool:
        """Say whether these words, or what they may still become, are not meant to interrupt."""
        return is_backchannel(words, self.backchannels, is_whole=is_whole)

    def are_enough(self, words: str) -> bool:
        """Say whether so many words interrupt, however short."""
        return 0 < self.min_words <= count_of(words)
