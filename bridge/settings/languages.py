"""Languages as each peer wants them: two letters for the model's ears, with a region for Twilio's voices. Pure."""

import re
from collections.abc import Iterable
from typing import Any, Final

from attrs import frozen

from bridge.checks import Check, Wrong, nearest

_CODES: Final = (
    "aa ab ae af ak am an ar as av ay az ba be bg bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el "
    "en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it "
    "iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt "
    "my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl "
    "sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo "
    "za zh zu"
)
ISO_639_1: Final = frozenset(_CODES.split())
"""What a transcription model takes. It takes no region: connected with one, it has been seen to write nothing down."""

TAG: Final = re.compile(r"([a-zA-Z]{2})([-_][a-zA-Z0-9]{2,8}){0,3}")
SEVERAL: Final = ("gpt-transcribe", "gpt-live-transcribe")
"""Transcription models that take a list of languages."""

NO_MODELS: Final = ("none", "off", "no", "false", "null")
"""What people write to have nothing written down; the service would be asked for a model of that name."""

MOST_LANGUAGES: Final = 20

OF_TWILIO: Final = (
    "en-US", "en-GB", "en-AU", "en-IN", "de-DE", "es-ES", "es-MX", "es-US", "fr-FR", "fr-CA", "it-IT", "pt-BR",
    "pt-PT", "nl-NL", "pl-PL", "da-DK", "sv-SE", "nb-NO", "fi-FI", "tr-TR", "ru-RU", "ja-JP", "ko-KR", "cmn-CN",
    "hi-IN", "ar-XA", "af-ZA", "am-ET", "bg-BG", "bn-IN", "ca-ES", "cmn-TW", "cs-CZ", "el-GR",
)  # fmt: skip
"""What <Say> can be told to speak, the usual region of a language first: two letters alone are refused.
https://www.twilio.com/docs/voice/twiml/say/text-speech"""

ALSO_CALLED: Final = {"zh": "cmn-CN", "zh-cn": "cmn-CN", "zh-tw": "cmn-TW", "no": "nb-NO"}
VOICE: Final = re.compile(
    r"man|woman|alice|Polly\.[A-Z][A-Za-z]{1,30}(-(Neural|Generative))?|Google\.[A-Za-z0-9-]{5,60}"
)
MOST_SPOKEN: Final = 4096
"""Characters that <Say> takes."""


@frozen
class Sentence:
    """What Twilio shall say to a caller, and how; without a language it is what Twilio has of itself: en-US."""

    text: str
    language: str = ""
    voice: str = ""


def language(value: Any) -> str | tuple[str, ...]:
    """Accept a language, a list of them, or nothing: then it is detected."""
    if value == "":
        return ""
    several = value if isinstance(value, list) and value else [value]
    usable = len(several) <= MOST_LANGUAGES and all(
        isinstance(one, str) and TAG.fullmatch(one) for one in several
    )
    if not usable or any(spoken_code(one) not in ISO_639_1 for one in several):
        raise Wrong('a language code such as "en" or "en-US", a list of them, or "": then it is detected')
    return tuple(several) if isinstance(value, list) else str(value)


def spoken_codes(tags: Iterable[str]) -> list[str]:
    """Return the codes of several languages, each once."""
    return list(dict.fromkeys(map(spoken_code, tags)))


def spoken_code(tag: str) -> str:
    """Return what a transcription model is told of a language."""
    return tag[:2].lower()


def all_of(value: str | tuple[str, ...]) -> tuple[str, ...]:
    """Return an agent's languages; none if they are to be detected."""
    return ((value,) if value else ()) if isinstance(value, str) else value


def transcription_model(value: Any) -> str:
    """Accept the name of a model, or nothing: then nothing is written down of what callers say."""
    if not isinstance(value, str) or value.strip().lower() in NO_MODELS or (value and not value.strip()):
        raise Wrong('the name of a model, or "" for none: then nothing that callers say is written down')
    return value


def twilio_language(value: Any) -> str:
    """Accept a language that Twilio speaks, or nothing."""
    if value != "" and value not in OF_TWILIO:
        raise Wrong(f"a language that Twilio speaks; {nearest(str(value), OF_TWILIO)}")
    return str(value)


def twilio_voice(value: Any) -> str:
    """Accept the name of a voice of Twilio's by its form, or nothing."""
    if value != "" and not (isinstance(value, str) and VOICE.fullmatch(value)):
        raise Wrong(
            'a voice of Twilio\'s, for example "Polly.Vicki-Neural" or "Google.de-DE-Neural2-F"; "" is its own'
        )
    return str(value)


def sayable(what: str, *, empty: bool = False) -> Check:
    """Accept a sentence that is not too long for <Say>."""

    def check(value: Any) -> str:
        if not isinstance(value, str) or not (empty or value.strip()):
            raise Wrong(what)
        if len(value) > MOST_SPOKEN:
            raise Wrong(f"at most {MOST_SPOKEN} characters: Twilio says no more; these are {len(value)}")
        return value

    return check


def said_by_twilio(languages: tuple[str, ...]) -> str:
    """Return how Twilio calls the first of an agent's languages; nothing if it speaks it not, or none is known."""
    if not languages:
        return ""
    tag = languages[0].replace("_", "-").lower()
    named = ALSO_CALLED.get(tag) or next((code for code in OF_TWILIO if code.lower() == tag), "")
    short = spoken_code(tag)
    return (
        named
        or ALSO_CALLED.get(short)
        or next((code for code in OF_TWILIO if code.startswith(f"{short}-")), "")
    )
