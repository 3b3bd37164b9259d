"""A message as its peer writes it, and as nobody should: drawn for tests that read one in two ways."""

import json
from collections.abc import Mapping
from typing import Any, Final

from hypothesis import strategies as st

ODD_VALUES: Final = (
    "null", "true", "0", "-1", "7", "1.0", "1.5", "1e3", "1e999", "-0", "2147483647", "2147483648", "9" * 30,
    '""', '"7"', '" 7 "', '"7.0"', '"1_0"', '"seven"', '"' + "9" * 5000 + '"', '"MZ1"', '"\\u004dZ1"',
    '"\\ud83d\\ude00"', '"\\ud800"', '"\\udc00x"', '"\U0001f600"', '"\\/\\/8="', '"//8="', '"//8"', '"//=="', '"/x=="',
    '"/==="', '"===="', '"=//8"', '"AA=A"', '"AAAA=="', '"//8=\\n"', '" //8="', '"//8=//8="', '"\\u002f\\u002f8="',
    '"é/8="', '"-_8="', "[]", "{}", "[[]]", '{"a":[{}]}', "[" * 99 + "]" * 99, "[" * 120 + "]" * 120,
    "[" * 5000 + "]" * 5000, '"\\x"', '"\t"', "nul", "01", "",
)  # fmt: skip
"""JSON values of every kind, and some that are none."""

ODD_KEYS: Final = (
    "event", "type", "media", "mark", "streamSid", "delta", "chunk", "payload", "obfuscation", "later", "",
    "ev\\u0065nt",
)  # fmt: skip

Fields = list[tuple[str, "str | Fields"]]


def fields_of(message: Mapping[str, Any]) -> Fields:
    """Return a message as a list of names and JSON texts, in which names may come twice."""
    return [
        (name, fields_of(value) if isinstance(value, dict) else json.dumps(value))
        for name, value in message.items()
    ]


def written(fields: Fields, space: str = "") -> str:
    """Return the JSON text."""
    pairs = (
        f'"{name}":{space}{value if isinstance(value, str) else written(value, space)}'
        for name, value in fields
    )
    return f"{{{space}{f',{space}'.join(pairs)}{space}}}"


@st.composite
def odd_messages(draw: st.DrawFn, messages: list[dict[str, Any]]) -> str:
    """Draw one of these as a text, as it is or with something odd about it here and there."""
    fields = fields_of(draw(st.sampled_from(messages)))
    for _ in range(draw(st.sampled_from([0, 1, 1, 1, 2, 3]))):
        _spoil(draw, fields)
    text = written(fields, draw(st.sampled_from(["", "", " ", "\n", "\r\n\t", "\x0b"])))
    if draw(st.integers(0, 9)) == 0:
        at, size = draw(st.integers(0, len(text))), draw(st.integers(0, 3))
        text = (
            text[:at]
            + draw(st.sampled_from(["", "}", "{}", "\x00", "\ud800", "é", '"', "\\"]))
            + text[at + size :]
        )
    return text


def _spoil(draw: st.DrawFn, fields: Fields) -> None:
    place = draw(st.integers(0, len(fields) - 1)) if fields else 0
    value = draw(st.sampled_from(ODD_VALUES))
    match draw(
        st.sampled_from(["change", "change", "change", "add", "twice", "drop", "inside", "inside", "order"])
    ):
        case "inside" if fields and not isinstance(fields[place][1], str):
            _spoil(draw, fields[place][1])
        case "add":
            fields.insert(place, (draw(st.sampled_from(ODD_KEYS)), value))
        case "twice" if fields:
            fields.insert(draw(st.integers(0, len(fields))), (fields[place][0], value))
        case "drop" if fields:
            del fields[place]
        case "order":
            fields[:] = draw(st.permutations(fields))
        case _ if fields:
            fields[place] = (fields[place][0], value)
