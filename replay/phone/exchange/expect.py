"""What a scenario expects of its call, and which of that did not come true. Pure."""

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from bridge.checks import Check, Wrong, choice, setting, whole
from replay.phone.instructions.verbs import name_of
from replay.phone.leg import CALLER
from replay.phone.report import CallReport

VERBS = (
    "connect", "redirect", "hangup", "reject", "say", "pause", "play", "dial", "gather", "record", "enqueue", "leave",
    "refer",
)  # fmt: skip
ENDS = ("caller", "bridge", "rest")
MS = whole(0, 600_000)


def _list(what: str, allowed: Callable[[str], bool] = bool) -> Check:
    def check(value: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(word, str) and allowed(word) for word in value):
            raise Wrong(f"a list, for example {what}")
        return tuple(value)

    return check


def _keys(value: Any) -> str:
    if not isinstance(value, str) or not set(value) <= set("0123456789*#ABCD"):
        raise Wrong('keys as a string, for example "12#"')
    return value


def _pressed(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise Wrong('a table of who and the keys they pressed, for example { "+15550199" = "1" }')
    return {str(who): _keys(keys) for who, keys in value.items()}


@attrs.frozen
class Hearing:
    """Words that somebody has to hear, and until when: ms on the caller's line."""

    text: str
    within_ms: int | None = None


def _hears(value: Any) -> dict[str, tuple[Hearing, ...]]:
    what = 'a table of who and what they hear, for example { caller = ["One moment"] }'
    if not isinstance(value, dict) or not all(isinstance(words, list) for words in value.values()):
        raise Wrong(what)
    return {str(who): tuple(_hearing(one, what) for one in words) for who, words in value.items()}


def _hearing(value: Any, what: str) -> Hearing:
    if isinstance(value, str):
        return Hearing(value)
    if (
        not isinstance(value, dict)
        or set(value) - {"text", "within_ms"}
        or not isinstance(value.get("text"), str)
    ):
        raise Wrong(f'{what}, or {{ text = "One moment", within_ms = 5000 }} in its place')
    return Hearing(value["text"], MS(value["within_ms"]) if "within_ms" in value else None)


@attrs.frozen
class Expect:
    """What must be true of the call afterwards; what is None is not looked at."""

    ended_by: str | None = setting(None, choice(*ENDS))
    close_code: int | None = setting(None, whole(1000, 4999))
    next_verb: str | None = setting(None, choice(*VERBS))
    first_audio_ms: int | None = setting(None, MS)
    max_gap_ms: int | None = setting(None, MS)
    min_clears: int | None = setting(None, whole(0, 10_000))
    verbs: tuple[str, ...] | None = setting(None, _list('["play", "connect"]', VERBS.__contains__))
    streams: int | None = setting(None, whole(0, 1000))
    dialled: tuple[str, ...] | None = setting(None, _list('["+15550199"]'))
    dial_status: tuple[str, ...] | None = setting(None, _list('["busy", "completed"]'))
    bridged: int | None = setting(None, whole(0, 100))  # how many dials became a conversation
    keys_heard: str | None = setting(None, _keys)  # played by TwiML into the caller's ear
    menu: tuple[str, ...] | None = setting(None, _list('["main", "tables"]'))
    gathered: tuple[str, ...] | None = setting(None, _list('["1928"]', lambda word: True))
    voicemails: int | None = setting(None, whole(0, 100))
    min_voicemail_ms: int | None = setting(None, MS)
    queues: tuple[str, ...] | None = setting(None, _list('["bridged"]'))
    referred: tuple[str, ...] | None = setting(None, _list('["sip:anna@example.com"]'))
    pressed: Mapping[str, str] | None = setting(None, _pressed)
    hears: Mapping[str, tuple[Hearing, ...]] | None = setting(None, _hears)


@attrs.frozen
class ExpectOfBoth:
    """What can be said of a call only by who knows the model's side, too; what is None is not looked at."""

    claims_within_ms: int | None = setting(None, MS)  # so far may what is claimed be from what was heard
    agent_heard: tuple[str, ...] | None = setting(
        None, _list('["Good evening"]')
    )  # words whose sound was heard whole
    agent_not_heard: tuple[str, ...] | None = setting(None, _list('["Goodbye"]'))
    session_closed_within_ms: int | None = setting(None, MS)  # after the stream's end
    answered_within_ms: int | None = setting(None, MS)  # from the caller's last word to the agent's first


def without_twiml(expect: Expect) -> Expect:
    """Return what can be expected of a bare media socket: nothing comes after its stream."""
    stream = ("ended_by", "close_code", "first_audio_ms", "max_gap_ms", "min_clears")
    return Expect(**{name: getattr(expect, name) for name in stream})


def unmet_off_stream(expect: Expect, report: CallReport) -> list[str]:
    """Return a sentence for each thing expected off the stream that did not come true."""
    equal: list[tuple[str, object, object]] = [
        ("verbs", expect.verbs, tuple(map(name_of, [*report.verbs_before, *report.next_verbs]))),
        ("streams", expect.streams, len(report.stream_sids)),
        ("dialled", expect.dialled, tuple(name for dial in report.dials for name in dial.numbers)),
        ("dial_status", expect.dial_status, tuple(dial.status for dial in report.dials)),
        ("bridged", expect.bridged, sum(dial.is_bridged for dial in report.dials)),
        ("keys_heard", expect.keys_heard, "".join(digit for _, digit in report.keys_heard)),
        ("menu", expect.menu, tuple(report.menu_path)),
        ("voicemails", expect.voicemails, len(report.recordings)),
        ("queues", expect.queues, tuple(report.queues)),
        ("referred", expect.referred, tuple(to for to, _ in report.referred)),
    ]
    unmet = [
        f"{name} is {_shown(found)}, not {_shown(wanted)}"
        for name, wanted, found in equal
        if wanted is not None and found != wanted
    ]
    if expect.gathered is not None and tuple(report.gathered) != expect.gathered:
        typed = ", ".join(f"{len(keys)} keys" for keys in report.gathered)  # never which: they may be a PIN
        unmet.append(f"gathered is {typed or 'nothing'}, and not what was expected")
    longest_ms = max((recording.ms for recording in report.recordings), default=0)
    if longest_ms < (expect.min_voicemail_ms or 0):
        unmet.append(
            f"the longest voicemail has {longest_ms} ms: at least {expect.min_voicemail_ms} are expected"
        )
    return unmet + _not_pressed(expect, report) + _not_heard(expect, report)


def _not_pressed(expect: Expect, report: CallReport) -> list[str]:
    unmet = []
    for who, wanted in (expect.pressed or {}).items():
        found = "".join(digit for leg in report.far_ends if leg.name == who for _, digit in leg.presses)
        if found != wanted:
            unmet.append(f"{who} pressed {_shown(found)}, not {_shown(wanted)}")
    return unmet


def _not_heard(expect: Expect, report: CallReport) -> list[str]:
    unmet = []
    for who, hearings in (expect.hears or {}).items():
        at_ms = 0
        for hearing in hearings:  # one after the other
            words = [one for one in report.words if one.to == who and one.at_ms >= at_ms]
            said = next((one for one in words if hearing.text in one.text), None)
            if said is None:
                unmet.append(f"{who} never heard {hearing.text!r}{_after(who, hearing, hearings)}")
                break
            at_ms = said.at_ms
            if hearing.within_ms is not None and at_ms > hearing.within_ms:
                unmet.append(f"{who} heard {hearing.text!r} at {at_ms} ms, not within {hearing.within_ms} ms")
    return unmet


def _after(who: str, hearing: Hearing, hearings: tuple[Hearing, ...]) -> str:
    index = hearings.index(hearing)
    before = f" after {hearings[index - 1].text!r}" if index else ""
    return f"{before} off the stream" if who == CALLER else before


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) or "nothing" if isinstance(value, tuple) else str(value) or "nothing"
