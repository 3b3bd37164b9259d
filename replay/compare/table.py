"""What is compared between calls: numbers, and the labels by which calls are alike or not. Pure; it judges nothing."""

from collections.abc import Callable, Iterator, Mapping
from re import Match
from re import compile as pattern
from statistics import fmean
from typing import Any, Final, TypeAlias

import msgspec
from attrs import frozen

from replay.compare.metrics import Measures, ToolUse

Labels: TypeAlias = dict[str, str]
"""What a call did, by a label that equal calls share; the value says it to people."""


@frozen
class Number:
    """A measure of calls; `allowed` is its key among the thresholds, which may be a share of the baseline's mean."""

    allowed: str
    title: str
    unit: str
    of: Callable[[Measures], float | None]
    is_percent: bool = False
    is_better_up: bool = False


@frozen
class Trait:
    """What calls do alike or not; `is_of_caller`: only calls of the same caller are expected to be alike."""

    allowed: str
    title: str
    of: Callable[[Measures], Labels]
    is_of_caller: bool = True
    is_fine: Callable[[Measures], bool] = lambda measures: False


# ---------------------------------------------------------------- numbers


def _mean(values: list[int] | list[float]) -> float | None:
    return fmean(values) if values else None


def _onset_to_silence(measures: Measures) -> float | None:
    meant = [one for one in measures.interruptions if not one.is_false]
    return _mean([one.onset_to_silence_ms for one in meant if one.onset_to_silence_ms is not None])


def _detected_to_silence(measures: Measures) -> float | None:
    found = [one.detected_to_silence_ms for one in measures.interruptions]
    return _mean([value for value in found if value is not None])


def _unspoken(measures: Measures) -> float | None:
    return _mean([float(not tool.is_spoken) for tool in measures.tools if tool.is_answered])


def _output_tokens(measures: Measures) -> float | None:
    return float(measures.tokens["text_out"] + measures.tokens["audio_out"]) if measures.has_usage else None


def _cost(measures: Measures) -> float | None:
    return measures.cost_usd if measures.has_usage else None


NUMBERS: Final = (
    Number("greeting_agreement", "opening as wanted", "share", lambda m: m.greeting_agreement, is_better_up=True),
    Number("first_heard_ms", "first word heard", "ms", lambda m: m.first_heard_ms),
    Number("onset_to_silence_ms", "interrupted: speech to silence", "ms", _onset_to_silence),
    Number("detected_to_silence_ms", "interrupted: detection to silence", "ms", _detected_to_silence),
    Number("missed_interruptions", "interruptions not honoured", "a call", lambda m: m.missed_interruptions),
    Number(
        "false_interruptions", "false interruptions", "a call", lambda m: sum(one.is_false for one in m.interruptions)
    ),
    Number("words_lost", "words lost", "a call", lambda m: m.words_lost),
    Number("latency_ms", "answer heard after", "ms", lambda m: _mean(list(m.latencies_ms))),
    Number(
        "tool_called_ms", "tool called after", "ms",
        lambda m: _mean([tool.called_ms for tool in m.tools if tool.called_ms is not None]),
    ),
    Number(
        "tool_took_ms", "tool took", "ms", lambda m: _mean([t.took_ms for t in m.tools if t.took_ms is not None])
    ),
    Number("unspoken_answers", "tool answers not spoken", "share", _unspoken),
    Number("items_per_response", "output items a response", "items", lambda m: _mean(list(m.items_per_response))),
    Number("output_tokens_percent", "output tokens", "tokens", _output_tokens, is_percent=True),
    Number("cost_percent", "cost of a call", "USD", _cost, is_percent=True),
)  # fmt: skip


# ---------------------------------------------------------------- traits

CHUNK: Final = pattern(r"[^\W\d_]+(?:[ \-'][^\W\d_]+)+|[^\W\d_]+|\d+")


def form_of(value: Any) -> str:
    """Return the form of an argument: its type, and for text how it is put together.

    "19:00" and "8:30" have one form, "7 pm" has another; "2026-11-27" and "27.11.2026" have two. Capitals count in
    single words only: what several words say is content, not form.
    """
    if isinstance(value, str):
        return f"text {CHUNK.sub(_chunk, value)}".strip()
    if isinstance(value, bool):
        return "true or false"
    if value is None:
        return "null"
    return "number" if isinstance(value, int | float) else type(value).__name__


def _chunk(found: Match[str]) -> str:
    part = found[0]
    if part.isdigit():
        return (
            "9" * len(part) if len(part) > 2 else "9"
        )  # 9:00 and 19:00 are written alike, 27 and 2026 are not
    if not part.isalpha():
        return "words"
    return "WORD" if part.isupper() and len(part) > 1 else "Word" if part[:1].isupper() else "word"


def fields_of(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (path, value) for everything in arguments that is no object or list itself."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from fields_of(part, f"{name}.{key}")
    elif isinstance(value, list):
        for part in value:
            yield from fields_of(part, f"{name}[]")
    else:
        yield name, value


def _shown(value: Any) -> str:
    text = msgspec.json.encode(value).decode("utf-8")
    return text if len(text) <= 60 else f"{text[:57]}..."


def _fields(tool: ToolUse) -> Iterator[tuple[str, str, str]]:
    """Yield (field, form, value as text); what can't be read as JSON is one field of its own form."""
    if tool.arguments is None and tool.arguments_raw:
        yield "", "no JSON", _shown(tool.arguments_raw)
    for name, value in fields_of(tool.arguments if tool.arguments is not None else {}):
        yield name, form_of(value), _shown(value)


def _greeting(measures: Measures) -> Labels:
    return {} if measures.greeting is None else {measures.greeting: f"\u201c{measures.greeting}\u201d"}


def _tools(measures: Measures) -> Labels:
    order = " \u2192 ".join(tool.name for tool in measures.tools) or "no tool"
    return {order: order}


def _forms(measures: Measures) -> Labels:
    labels: Labels = {}
    for tool in measures.tools:
        found = list(_fields(tool))
        names = ", ".join(sorted({name.lstrip(".") for name, _, _ in found}))
        labels[f"{tool.name}({names})"] = f"{tool.name}({names})"
        labels |= {
            f"{tool.name}{name}: {form}": f"{tool.name}{name} = {value}" for name, form, value in found
        }
    return labels


def _values(measures: Measures) -> Labels:
    found = [f"{tool.name}{name} = {value}" for tool in measures.tools for name, _, value in _fields(tool)]
    return dict(zip(found, found, strict=True))


def _ending(measures: Measures) -> Labels:
    ended = f"{measures.ended_by}: {measures.why}"
    return {ended: ended}


TRAITS: Final = (
    Trait(
        "max_greeting_change", "greeting", _greeting, is_of_caller=False,
        is_fine=lambda measures: measures.greeting_agreement == 1.0,
    ),
    Trait("max_tools_change", "which tools", _tools),
    Trait("max_format_change", "form of tool arguments", _forms),
    Trait("max_argument_change", "values of tool arguments", _values),
    Trait("max_ending_change", "how calls ended", _ending),
)  # fmt: skip
