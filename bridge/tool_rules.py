"""How a tool is run, where it says more than its types do; and when two calls of it are the same. Values, pure."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from attrs import asdict, frozen

from bridge.text.validity import valid, valid_json


@frozen
class ToolRule:
    """What a tool says of how it is run: all of it off is a tool that the model waits for."""

    late: bool = False
    """The model is told at once that it is under way, and gets the result when that comes."""
    once: bool = False
    """In one call it is run once with the same arguments, however often the model calls it."""
    cancellable: bool = False
    """It is cancelled when the caller interrupts or the call ends; every other tool runs on."""

    def __str__(self) -> str:
        return ", ".join(name for name, is_so in asdict(self).items() if is_so)


NO_RULE: Final = ToolRule()


def canonical(arguments: str, parameters: Mapping[str, Any]) -> str:
    """Return a tool's arguments as the one text that stands for all ways of writing them.

    Keys are in order and what was left out stands there with its default; space between, and whether 2 was written
    as 2.0, makes no difference. Everything else does: "anna" is not "Anna". What is no object is itself.

    >>> schema = {"properties": {"day": {"type": "string"}, "people": {"type": "integer", "default": 2}}}
    >>> canonical('{"people": 2.0, "day": "Friday"}', schema) == canonical('{"day":"Friday"}', schema)
    True
    """
    try:
        given = msgspec.json.decode(valid_json(valid(arguments)).strip() or "{}")
    except (ValueError, RecursionError):
        return arguments
    if not isinstance(given, dict):
        return arguments
    known = parameters.get("properties")
    schemas = known.items() if isinstance(known, Mapping) else ()
    defaults = {
        name: schema["default"]
        for name, schema in schemas
        if isinstance(schema, Mapping) and "default" in schema
    }
    return msgspec.json.encode(_plain(defaults | given), order="deterministic").decode("utf-8")


def _plain(value: Any) -> Any:
    """Return a value with each number that is whole as an int."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value


def idempotency_key(call: str, tool: str, arguments: str) -> str:
    """Return what names one call of a tool to whoever does the work, the same for the same canonical arguments."""
    return hashlib.sha256(msgspec.json.encode([call, tool, arguments])).hexdigest()[:32]
