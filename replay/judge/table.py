"""What is compared between calls: numbers, and the labels by which calls are alike or not. Pure; it judges nothing."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from re import Match
from re import compile as pattern
from statistics import fmean
from typing import Any, Final, TypeAlias

import msgspec
from attrs import frozen

from replay.judge.free import words_of
from replay.judge.metrics import Measures, ToolUse

Labels: TypeAlias = dict[str, tuple[str, str]]
"""What a call did in each of its fields: a label that equal calls share, and how it is said to people."""

Values: TypeAlias = list[int] | list[float]
ONE: Final = ""
"""The field of a trait that has but one."""


@frozen
class Number:
    """A measure of calls; `allowed` is its key among the thresholds, which may be a share of the baseline's mean.

    `all_of` has one value a turn, a tool call, an interruption, or one for the whole call.
    """

    allowed: str
    title: str
    unit: str
    all_of: Callable[[Measures], Values]
    is_percent: bool = False
    is_better_up: bool = False

    def of(self, measures: Measures) -> float | None:
        """Return the call's mean."""
        values = self.all_of(measures)
        return fmean(values) if values else None


@frozen
class Trait:
    """What calls do alike or not; `is_of_caller`: only calls of the same caller are expected to be alike."""

    allowed: str
    title: str
    of: Callable[[Measures], Labels]
    is_of_caller: bool = True
    is_fine: Callable[[Measures], bool] = lambda measures: False


# ---------------------------------------------------------------- numbers


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _onsets(measures: Measures) -> list[float]:
    return _known(one.onset_to_silence_ms for one in measures.interruptions if one.is_meant)


def _free_words(measures: Measures) -> list[float]:
    found = [_texts(tool) for tool in measures.tools if tool.free and tool.name != HANG_UP]
    return [float(sum(len(words_of(text)) for text in texts.values())) for texts in found if texts]


NUMBERS: Final = (
    Number(
        "greeting_agreement", "opening as wanted", "share", lambda m: _known([m.greeting_agreement]), is_better_up=True
    ),
    Number("first_heard_ms", "first word heard", "ms", lambda m: _known([m.first_heard_ms])),
    Number("onset_to_silence_ms", "interrupted: speech to silence", "ms", _onsets),
    Number(
        "detected_to_silence_ms", "interrupted: detection to silence", "ms",
        lambda m: _known(one.detected_to_silence_ms for one in m.interruptions),
    ),
    Number("missed_interruptions", "interruptions not honoured", "a call", lambda m: [m.missed_interruptions]),
    Number(
        "false_interruptions", "false interruptions", "a call",
        lambda m: [sum(one.is_false for one in m.interruptions)],
    ),
    Number(
        "backchannel_interruptions", "interruptions by a backchannel", "a call",
        lambda m: [sum(one.is_backchannel for one in m.interruptions)],
    ),
    Number(
        "paused_ms", "paused before it went on", "ms a call",
        lambda m: [sum(one.went_on_after_ms or 0 for one in m.interruptions)],
    ),
    Number("talked_over_ms", "both at once", "ms a call", lambda m: [m.talked_over_ms]),
    Number("answers_to_nothing", "answers to nothing said", "a call", lambda m: [m.answers_to_nothing]),
    Number("words_lost", "words lost", "a call", lambda m: [m.words_lost]),
    Number("latency_ms", "answer heard after", "ms", lambda m: list(m.latencies_ms)),
    Number("tool_called_ms", "tool called after", "ms", lambda m: _known(tool.called_ms for tool in m.tools)),
    Number("tool_took_ms", "tool took", "ms", lambda m: _known(tool.took_ms for tool in m.tools)),
    Number(
        "unspoken_answers", "tool answers not spoken", "share",
        lambda m: [float(not tool.is_spoken) for tool in m.tools if tool.is_answered],
    ),
    Number("items_per_response", "output items a response", "items", lambda m: list(m.items_per_response)),
    Number("free_words_percent", "words of a free argument", "words", _free_words, is_percent=True),
    Number(
        "output_tokens_percent", "output tokens", "tokens",
        lambda m: [float(m.tokens["text_out"] + m.tokens["audio_out"])] if m.has_usage else [], is_percent=True,
    ),
    Number(
        "cost_percent", "cost of a call", "USD", lambda m: _known([m.cost_usd]) if m.has_usage else [],
        is_percent=True,
    ),
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


def _fields(tool: ToolUse) -> Iterator[tuple[str, Any]]:
    """Yield (field, value); what can't be read as JSON is one field."""
    if tool.arguments is None and tool.arguments_raw:
        yield "", tool.arguments_raw
    yield from fields_of(tool.arguments if tool.arguments is not None else {})


def _texts(tool: ToolUse) -> dict[str, str]:
    """Return the free arguments that are there, as text."""
    return {name: value for name, value in _fields(tool) if name in tool.free and isinstance(value, str)}


def _exact(tool: ToolUse) -> Iterator[tuple[str, Any]]:
    free = _texts(tool)
    return (pair for pair in _fields(tool) if pair[0] not in free)


def _merged(found: Iterable[tuple[str, str, str]]) -> Labels:
    """Return labels by field; a field that comes again in a call has all that it had, once each."""
    labels: Labels = {}
    for field, label, text in found:
        known = labels.get(field)
        if known is None:
            labels[field] = (label, text)
        elif label not in known[0].split(AND):
            labels[field] = (f"{known[0]}{AND}{label}", f"{known[1]}; {text}")
    return labels


AND: Final = "\n"
HANG_UP: Final = "hang_up"
"""Its reason is for the record: no caller hears it, and no program reads it."""


def _judged(measures: Measures) -> list[ToolUse]:
    return [tool for tool in measures.tools if tool.name != HANG_UP]


def _greeting(measures: Measures) -> Labels:
    return {} if measures.greeting is None else {ONE: (measures.greeting, f"\u201c{measures.greeting}\u201d")}


def _tools(measures: Measures) -> Labels:
    order = " \u2192 ".join(tool.name for tool in measures.tools) or "no tool"
    return {ONE: (order, order)}


def _forms(measures: Measures) -> Labels:
    """Return which exact arguments are there, and the form of each."""
    found: list[tuple[str, str, str]] = []
    for tool in _judged(measures):
        fields = list(_exact(tool))
        names = ", ".join(sorted({name.lstrip(".") for name, _ in fields}))
        found.append((tool.name, names, f"{tool.name}({names})"))
        found += [
            (f"{tool.name}{name}", _form(name, value), f"{tool.name}{name} = {_shown(value)}")
            for name, value in fields
        ]
    return _merged(found)


def _form(name: str, value: Any) -> str:
    return form_of(value) if name else "no JSON"


def _values(measures: Measures) -> Labels:
    return _merged(
        (f"{tool.name}{name}", _shown(value), f"{tool.name}{name} = {_shown(value)}")
        for tool in _judged(measures)
        for name, value in _exact(tool)
    )


def _free(measures: Measures) -> Labels:
    """Return the words of each free argument, which differ from call to call where a model is free indeed."""
    return _merged(
        (f"{tool.name}{name}", " ".join(words_of(text)), f"{tool.name}{name} = {_shown(text)}")
        for tool in _judged(measures)
        for name, text in (dict.fromkeys(tool.free, "") | _texts(tool)).items()
    )


def _ending(measures: Measures) -> Labels:
    ended = f"{measures.ended_by}: {measures.why}"
    return {ONE: (ended, ended)}


TRAITS: Final = (
    Trait(
        "max_greeting_change", "greeting", _greeting, is_of_caller=False,
        is_fine=lambda measures: measures.greeting_agreement == 1.0,
    ),
    Trait("max_tools_change", "which tools", _tools),
    Trait("max_format_change", "form of tool arguments", _forms),
    Trait("max_argument_change", "values of tool arguments", _values),
    Trait("max_free_argument_change", "free arguments of tools", _free),
    Trait("max_ending_change", "how calls ended", _ending),
)  # fmt: skip
