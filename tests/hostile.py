"""A recorded call in which everybody says what shall break out of a page: markup, scripts, letters that turn text."""

from pathlib import Path
from typing import Any, Final

import msgspec

from bridge.tapes.header import decode_header, encode_header
from bridge.tapes.reader import Tape, read_tape

TAPES = Path(__file__).parent / "tapes"

HOSTILE: Final = (
    "</script><script>window.owned=1</script></title></style><!--<img src=x onerror=window.owned=2>"
    "<svg/onload=window.owned=3>\"'`><a href=javascript:window.owned=4>here</a>{{7*7}}${7*7}{%raw%}"
    "\x1b]0;owned\x07\x9b31m\u202egnorts\u2066\u2028\u200b&lt;script&gt;]]>"
)
THEIRS: Final = frozenset({
    "transcript", "delta", "text", "output", "message", "reason", "CallerName", "why", "error", "arguments", "name",
    "kind_of", "end", "caller", "place",
})  # fmt: skip
"""Fields in which a caller, a model, a tool or another server says what it likes."""

NAMES_OF_OURS: Final = frozenset({"name"})


def hostile_tape(name: str = "interrupted") -> Tape:
    """Return a recorded call with hostile text wherever somebody else chose the words; its ids and kinds stay."""
    tape = read_tape(TAPES / f"{name}.jsonl.gz")
    header = msgspec.json.decode(encode_header(tape.header))
    header |= {key: header[key] + HOSTILE for key in ("from", "to", "agent", "model", "code")}
    lines = [msgspec.json.encode(_spoiled(msgspec.json.decode(line))) + b"\n" for line in tape.lines]
    return Tape(tape.path, decode_header(msgspec.json.encode(header)), lines, is_torn=False)


def _spoiled(line: dict[str, Any]) -> dict[str, Any]:
    if "note" in line and line["note"].get("kind") == "milestone":
        return line
    if line.get("msg", {}).get("type") == "response.output_audio.delta":
        return line  # its delta is sound
    return _hostile(line, "")


def _hostile(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        return {name: _hostile(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [_hostile(inner, key) for inner in value]
    return value + HOSTILE if key in THEIRS and isinstance(value, str) else value
