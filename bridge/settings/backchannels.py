"""What listeners say to show that they listen, by language: none of it is meant to interrupt. Data."""
# ruff: noqa: RUF001  letters of all these languages

from collections.abc import Iterable, Mapping
from typing import Final

from bridge.settings.languages import spoken_codes

BACKCHANNELS: Final[Mapping[str, tuple[str, ...]]] = {
    language: tuple(phrase.strip() for phrase in phrases.split(","))
    for language, phrases in {
        "en": "mhm, mm-hmm, mm, hm, uh-huh, aha, ah, oh, yeah, yep, yup, yes, ok, okay, right, sure, alright, "
        "all right, i see, got it, i know, of course, good, great, fine, cool",
        "de": "mhm, mm, hm, aha, ah, ach, ach so, oh, ja, jaja, jo, joa, genau, ok, okay, gut, klar, alles klar, "
        "stimmt, richtig, verstehe, ich verstehe, na klar, sehr gut, in ordnung",
        "fr": "mhm, mm, hm, ah, ah bon, ah oui, oui, ouais, ok, okay, d'accord, bien, très bien, bien sûr, voilà, "
        "je vois, je comprends, c'est ça, entendu, exactement",
        "es": "mhm, mm, hm, ajá, ah, ah ya, sí, ya, ok, okay, vale, bien, muy bien, claro, claro que sí, de acuerdo, "
        "entiendo, ya veo, exacto, perfecto, bueno",
        "it": "mhm, mm, hm, ah, aha, sì, ok, okay, va bene, bene, certo, capito, ho capito, capisco, giusto, esatto, "
        "d'accordo, perfetto",
        "pt": "mhm, mm, hm, aham, ah, ah sim, sim, tá, tá bom, ok, okay, certo, claro, pois, pois é, entendi, "
        "percebi, está bem, exato, isso",
        "nl": "mhm, mm, hm, aha, ah, oh, ja, jaja, ok, oké, goed, prima, precies, klopt, juist, ik snap het, "
        "ik begrijp het, natuurlijk",
        "pl": "mhm, mm, hm, aha, ah, no tak, tak, ok, okej, dobrze, dobra, jasne, rozumiem, racja, właśnie",
        "sv": "mhm, mm, hm, aha, jaha, ah, ja, jo, okej, ok, bra, precis, just det, visst, jag förstår",
        "da": "mhm, mm, hm, aha, ah, ja, jo, okay, ok, godt, fint, præcis, nemlig, selvfølgelig, jeg forstår",
        "nb": "mhm, mm, hm, aha, ah, ja, jo, okei, ok, bra, fint, nettopp, akkurat, selvfølgelig, jeg forstår",
        "fi": "mhm, mm, hm, aha, ahaa, joo, juu, niin, kyllä, okei, ok, hyvä, selvä, ymmärrän, aivan",
        "tr": "hı hı, hm, mm, aha, evet, tamam, peki, anladım, tabii, doğru, güzel, olur",
        "ja": "はい, うん, うんうん, ええ, ああ, へえ, なるほど, そうですか, そうですね, そうなんですね, わかりました",
        "ko": "네, 예, 응, 음, 아, 그래요, 그렇군요, 알겠습니다, 맞아요",
        "zh": "嗯, 嗯嗯, 哦, 啊, 对, 对对, 对对对, 是, 是的, 好, 好的, 行, 可以, 明白, 知道了, 没错",
    }.items()
}
"""Nothing in it says no, asks, or wants something. Whoever says "yes" to a question that was just asked answers it,
whatever stands here: what is said as the agent ends is never taken for one of these."""


def known_of(languages: Iterable[str]) -> tuple[str, ...]:
    """Return what listeners say in these languages; in all, if none is named. The same is said in Norwegian `no`."""
    codes = ["nb" if code in ("no", "nn") else code for code in spoken_codes(languages)] or [*BACKCHANNELS]
    return tuple(dict.fromkeys(phrase for code in codes for phrase in BACKCHANNELS.get(code, ())))


def unknown_of(languages: Iterable[str]) -> list[str]:
    """Return the languages of which nothing stands here."""
    return [tag for tag in languages if not known_of([tag])]
