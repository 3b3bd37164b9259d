"""What is said of tools that take time: a filler, how far they are, and a promise that was not kept."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from attrs import frozen

from bridge.checks import choice, names_of, read_table, setting, text, whole

PROMISES: Final[Mapping[str, tuple[str, ...]]] = {
    "en": (
        "let me check", "let me look", "let me see if", "let me find", "let me pull", "let me get that",
        "i'll check", "i'll look", "i'll find out", "i will check", "i will look", "i'm checking", "i am checking",
        "i'm looking", "i am looking", "one moment", "just a moment", "one second", "just a second", "hold on",
        "bear with me", "give me a moment", "give me a second",
    ),
    "de": (
        "ich schaue", "ich schau", "ich sehe nach", "ich sehe kurz nach", "ich prüfe", "ich überprüfe", "ich suche",
        "lassen sie mich", "lass mich", "einen moment", "einen augenblick", "moment bitte", "kleinen moment",
    ),
    "fr": (
        "je vérifie", "je regarde", "je vais vérifier", "je vais regarder", "je cherche", "laissez-moi", "un instant",
        "un petit instant", "un moment", "ne quittez pas",
    ),
    "es": (
        "déjame", "déjeme", "permítame", "voy a comprobar", "voy a verificar", "voy a buscar", "voy a consultar",
        "un momento", "un segundo", "un momentito",
    ),
    "it": (
        "controllo subito", "verifico subito", "ora controllo", "ora verifico", "mi faccia controllare",
        "mi lasci controllare", "un momento", "un attimo", "un secondo",
    ),
    "pt": ("deixe-me", "deixa-me", "vou verificar", "vou consultar", "um momento", "um instante", "um minutinho"),
    "nl": ("ik kijk", "ik zoek", "even kijken", "laat me", "een moment", "een ogenblik", "momentje"),
}  # fmt: skip
"""How people say that they are about to look something up, by language; the agent's own are added to them."""

MODEL, SENTENCE, CLIP = "model", "sentence", "clip"

LAST_WORDS: Final = 160
"""Characters at the end of what was said in which a promise is looked for: two sentences."""


@frozen
class ToolSpeech:
    """What the caller hears while tools run. Of times 0 is never."""

    filler_after_ms: int = setting(0, whole(0, 60_000))
    filler: str = setting(MODEL, choice(MODEL, SENTENCE, CLIP))
    filler_sentence: str = setting("", text("what the agent says while a tool runs", empty=True))
    progress_every_ms: int = setting(4000, whole(0, 600_000))
    nudge_after_ms: int = setting(2500, whole(0, 60_000))
    promises: tuple[str, ...] = setting((), names_of('a list of words such as ["let me check"]'))


def read_tool_speech(raw: Any, at: str, faults: list[str], *, has_clip: bool) -> ToolSpeech:
    speech = read_table(ToolSpeech, raw, at=at, faults=faults)
    faults += _about(speech, at, has_clip=has_clip)
    return speech


def _about(speech: ToolSpeech, at: str, *, has_clip: bool) -> Iterator[str]:
    """Yield what its settings lack to do what they say."""
    if speech.filler == CLIP and not has_clip:
        yield f'[{at}] filler = "clip": there is none; name one in [{at.removesuffix("tool_speech")}filler] clip'
    if (speech.filler == SENTENCE) != bool(speech.filler_sentence):
        yield f'[{at}] filler_sentence: set it together with filler = "sentence"'
    if speech.filler != MODEL and not speech.filler_after_ms:
        yield f'[{at}] filler = "{speech.filler}": filler_after_ms is 0, which is never; set it, to 1500 for example'


def is_promise(words: str, languages: Collection[str], own: Collection[str] = ()) -> bool:
    """Say whether what was said ends in the promise to do something now; a question ends in none.

    >>> is_promise("Of course. Let me check that for you.", ["en"]), is_promise("Let me check: which day?", ["en"])
    (True, False)
    >>> is_promise("Einen Moment, ich schaue nach.", ["de-DE"]), is_promise("Einen Moment.", ["en"])
    (True, False)
    """
    end = words.strip().lower().replace("\u2019", "'")[-LAST_WORDS:]
    if not end or end.endswith("?"):
        return False
    spoken = [name.split("-")[0] for name in languages] or list(PROMISES)
    known = [*own, *(phrase for name in spoken for phrase in PROMISES.get(name, ()))]
    return any(re.search(rf"(?<!\w){re.escape(phrase.lower())}(?!\w)", end) for phrase in known)


def without_tool_speech(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what stands for this table in settings from before there was one: nothing was said."""
    return {} if "tool_speech" in settings else {"tool_speech": {"nudge_after_ms": 0, "progress_every_ms": 0}}
