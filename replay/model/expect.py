"""What a model's scenario expects of its clients, and which of that did not come true. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from bridge.checks import Wrong, names_of, setting, whole
from replay.model.session import Session
from replay.model.wire import Message


def _outputs(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(words, str) for words in value.values()):
        raise Wrong('a table of tools and words of their results, for example { check_table = "free" }')
    return dict(value)


def _bounds(value: Any) -> tuple[int, int]:
    match value:
        case [int(least), int(most)] if 0 <= least <= most:
            return least, most
    raise Wrong("the least and the most in ms, for example [1500, 2500]")


def _codes(value: Any) -> tuple[str, ...]:
    return names_of('a list of codes, for example ["invalid_value"], or [] for none')(value)  # type: ignore[no-any-return]


@attrs.frozen
class Expect:
    """What must be true of a model's sessions afterwards; what is None is not looked at."""

    sessions: int | None = setting(None, whole(0, 1000))
    errors: tuple[str, ...] | None = setting(None, _codes)  # that the client has earned, in order
    outputs: Mapping[str, str] | None = setting(
        None, _outputs
    )  # each of these tools is answered once, with the words
    declares: tuple[str, ...] | None = setting(None, names_of('a list of tools, for example ["check_table"]'))
    claimed_ms: tuple[int, int] | None = setting(
        None, _bounds
    )  # each answer that is cut was heard for so long
    truncations: int | None = setting(None, whole(0, 1000))
    typed: tuple[str, ...] | None = setting(None, names_of('a list of words, for example ["It is Friday."]'))


def unmet(expect: Expect, sessions: Sequence[Session]) -> list[str]:
    """Return a sentence for each thing that did not come true."""
    claims = [ms for session in sessions for ms in session.truncations.values()]
    equal: list[tuple[str, object, object]] = [
        ("sessions", expect.sessions, len(sessions)),
        ("truncations", expect.truncations, len(claims)),
        ("errors", expect.errors, tuple(code for session in sessions for code in session.wire.errors)),
    ]
    sentences = [
        f"{name} is {_shown(found)}, not {_shown(wanted)}"
        for name, wanted, found in equal
        if wanted is not None and wanted != found
    ]
    if expect.claimed_ms is not None:
        least, most = expect.claimed_ms
        wrong = [ms for ms in claims if not least <= ms <= most]
        if wrong or not claims:
            told = ", ".join(f"{ms} ms" for ms in wrong) or "nothing"
            sentences.append(f"{told} was claimed as heard, not {least} to {most} ms")
    return sentences + _without_tools(expect, sessions) + _without_words(expect, sessions)


def _without_tools(expect: Expect, sessions: Sequence[Session]) -> list[str]:
    declared = {tool.get("name") for session in sessions for tool in session.settings["tools"]}
    sentences = [
        f"{name} is not declared: {_shown(tuple(sorted(map(str, declared))))}"
        for name in expect.declares or ()
        if name not in declared
    ]
    for name, words in (expect.outputs or {}).items():
        outputs = _outputs_of(name, sessions)
        if len(outputs) != 1:
            sentences.append(f"{name} was answered {len(outputs)} times, not once")
        elif words not in outputs[0]:
            sentences.append(f"{name} was answered {outputs[0]!r}, without {words!r}")
    return sentences


def _outputs_of(name: str, sessions: Sequence[Session]) -> list[str]:
    outputs = []
    for items in (session.items for session in sessions):
        calls = {
            item["call_id"] for item in items if item["type"] == "function_call" and item["name"] == name
        }
        outputs += [str(item["output"]) for item in items if _answers(item, calls)]
    return outputs


def _answers(item: Message, calls: set[str]) -> bool:
    return item["type"] == "function_call_output" and item["call_id"] in calls


def _without_words(expect: Expect, sessions: Sequence[Session]) -> list[str]:
    typed = [
        str(part.get("text"))
        for session in sessions
        for item in session.items
        if item.get("role") in ("user", "system")
        for part in item["content"]
        if part["type"] == "input_text"
    ]
    return [
        f"the client never typed {words!r}"
        for words in expect.typed or ()
        if not any(words in one for one in typed)
    ]


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) or "nothing" if isinstance(value, tuple) else str(value)
