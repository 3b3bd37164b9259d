"""What to make of a call: whether it went as its scenario says, and a load of calls in numbers. Pure."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import attrs

from replay.phone.exchange.expect import Expect, unmet_off_stream, without_twiml
from replay.phone.instructions.verbs import Verb, name_of
from replay.phone.leg import Leg
from replay.phone.report import CallReport
from replay.phone.scenario import Scenario

AUDIBLE_GAP_MS = 40  # two frames: from here on a hole in speech is heard as one


@attrs.frozen
class Verdict:
    """One call, judged. It went as told when there are no complaints."""

    call_sid: str
    complaints: tuple[str, ...]
    was_connected: bool  # a stream was started, or TwiML ended the call in order without one
    ended_by: str | None
    first_audio_ms: int | None  # from `start`
    gaps_ms: tuple[int, ...]
    clears: int
    warnings: int

    @property
    def went_as_told(self) -> bool:
        """Whether nothing was wrong with it."""
        return not self.complaints


def judge(report: CallReport, scenario: Scenario, *, has_twiml: bool) -> Verdict:
    """Hold a call against its scenario; without TwiML there is nothing behind the stream to look at."""
    complaints = [report.error] if report.error else []
    complaints += [f"in vain, until {missed.at_ms} ms: {missed.step}" for missed in report.missed]
    if report.unreached and not report.error:
        count, first = len(report.unreached), report.unreached[0]
        complaints.append(f"over before the caller came to {count} of the words and keys, the first: {first}")
    complaints += [f"warning {warned.code}, {warned.count} x: {warned.text}" for warned in report.warnings]
    expect = scenario.expect if has_twiml else without_twiml(scenario.expect)
    complaints += _unmet(expect, report)
    return Verdict(
        report.call_sid,
        tuple(complaints),
        report.started_ms is not None or report.error is None,
        report.ended_by,
        report.first_audio_ms,
        tuple(report.gaps_ms),
        len(report.clears),
        sum(warned.count for warned in report.warnings),
    )


def _unmet(expect: Expect, report: CallReport) -> list[str]:
    verbs = [name_of(verb) for verb in report.next_verbs]
    equal = [
        ("ended_by", expect.ended_by, report.ended_by),
        ("close_code", expect.close_code, report.close_code),
        ("next_verb", expect.next_verb, verbs[0] if verbs else None),
    ]
    unmet = [
        f"{name} is {_word(found)}, not {_word(wanted)}"
        for name, wanted, found in equal
        if wanted is not None and found != wanted
    ]
    return unmet + _out_of_bounds(expect, report) + unmet_off_stream(expect, report)


def _out_of_bounds(expect: Expect, report: CallReport) -> list[str]:
    first, longest, clears = report.first_audio_ms, max(report.gaps_ms, default=0), len(report.clears)
    unmet = []
    if expect.first_audio_ms is not None and (first is None or first > expect.first_audio_ms):
        came = "never came" if first is None else f"came after {first} ms"
        unmet.append(f"the first audio {came}, not within {expect.first_audio_ms} ms")
    if expect.max_gap_ms is not None and longest > expect.max_gap_ms:
        unmet.append(f"a gap of {longest} ms inside an answer: {expect.max_gap_ms} ms are allowed")
    if expect.min_clears is not None and clears < expect.min_clears:
        unmet.append(f"{clears} clears came: at least {expect.min_clears} are expected")
    return unmet


def _word(value: object) -> str:
    return "nothing" if value is None else str(value)


# ---------------------------------------------------------------- for machines


def as_json(report: CallReport, verdict: Verdict) -> dict[str, Any]:
    """One call with everything that was measured, timeline included."""
    marks = report.marks
    return {
        "call_sid": report.call_sid,
        "stream_sids": report.stream_sids,
        "went_as_told": verdict.went_as_told,
        "complaints": verdict.complaints,
        "webhook_status": report.webhook_status,
        "upgrade_status": report.upgrade_status,
        "refused": report.refused and attrs.asdict(report.refused),
        "ended_by": report.ended_by,
        "close": {"code": report.close_code, "reason": report.close_reason},
        "verbs_before": _verbs(report.verbs_before),
        "next_verbs": _verbs(report.next_verbs),
        "first_audio_ms": report.first_audio_ms,
        "gaps": report.gaps,
        "clears": report.clears,
        "marks": {
            "sent": len(marks),
            "played": sum(mark.echoed_ms is not None and not mark.cleared for mark in marks),
            "cleared": sum(mark.cleared for mark in marks),
        },
        "frames": {
            "sent": report.frames_sent,
            "not_read": report.frames_lost,
            "missing": report.frames_missing,
            "unheard": report.frames_unheard,
        },
        "warnings": report.warnings,
        **off_stream(report),
        "events": report.events,
    }


def _verbs(verbs: Sequence[Verb]) -> list[dict[str, Any]]:
    return [{"verb": name_of(verb), "is": verb} for verb in verbs]


def off_stream(report: CallReport) -> dict[str, Any]:
    """What happened beside the streams: who was rung, what was said, recorded and pressed. No key of a <Gather>."""
    return {
        "far_ends": [_far_end(leg) for leg in report.far_ends],
        "dials": report.dials,
        "words": report.words,
        "keys_heard": report.keys_heard,
        "menu": report.menu_path,
        "gathered": [len(keys) for keys in report.gathered],
        "recordings": [
            {"sid": one.sid, "ms": one.ms, "ended_by": one.ended_by, "status": one.status}
            for one in report.recordings
        ],
        "queues": report.queues,
        "referred": report.referred,
        "asked": [
            {"verb": one.verb, "url": one.url, "status": one.status, "at_ms": one.at_ms}
            for one in report.asked
        ],
        "callbacks": report.callbacks,
    }


def _far_end(leg: Leg) -> dict[str, Any]:
    return {
        "place": leg.name,
        "call_sid": leg.call_sid,
        "rang_ms": leg.rang_ms,
        "answered_ms": leg.answered_ms,
        "ended_ms": leg.ended_ms,
        "ended_by": leg.ended_by,
        "pressed": leg.presses,
        "keys_heard": leg.actor.keys_heard,
        "menu": leg.actor.menu_path,
    }


def brief_json(verdict: Verdict) -> dict[str, Any]:
    """One call of many."""
    return {**attrs.asdict(verdict), "went_as_told": verdict.went_as_told}


# ---------------------------------------------------------------- many calls


@attrs.frozen
class Summary:
    """Many calls in numbers; times in ms, None when there was nothing to measure."""

    calls: int
    as_told: int
    not_connected: int
    first_audio_p50_ms: int | None
    first_audio_p95_ms: int | None
    first_audio_max_ms: int | None
    gaps: int  # longer than AUDIBLE_GAP_MS
    calls_with_gaps: int
    longest_gap_ms: int
    clears: int
    warnings: int
    ended_by: dict[str, int]


def summarise(verdicts: Sequence[Verdict]) -> Summary:
    """Many calls in numbers."""
    firsts = sorted(verdict.first_audio_ms for verdict in verdicts if verdict.first_audio_ms is not None)
    audible = [[gap for gap in verdict.gaps_ms if gap > AUDIBLE_GAP_MS] for verdict in verdicts]
    return Summary(
        calls=len(verdicts),
        as_told=sum(verdict.went_as_told for verdict in verdicts),
        not_connected=sum(not verdict.was_connected for verdict in verdicts),
        first_audio_p50_ms=percentile(firsts, 50),
        first_audio_p95_ms=percentile(firsts, 95),
        first_audio_max_ms=firsts[-1] if firsts else None,
        gaps=sum(map(len, audible)),
        calls_with_gaps=sum(map(bool, audible)),
        longest_gap_ms=max((gap for gaps in audible for gap in gaps), default=0),
        clears=sum(verdict.clears for verdict in verdicts),
        warnings=sum(verdict.warnings for verdict in verdicts),
        ended_by=dict(Counter(verdict.ended_by or "nobody" for verdict in verdicts)),
    )


def percentile(ordered: Sequence[int], percent: int) -> int | None:
    """The smallest value that so many percent do not exceed (nearest rank); None for no values."""
    if not ordered:
        return None
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]
