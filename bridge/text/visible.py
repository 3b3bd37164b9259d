"""Text that strangers wrote, as it may be shown to people: callers, models, tools and other servers choose it. Pure."""

import re
from typing import Any, Final

UNSEEN: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # what steers a terminal; a line's end begins a line that looks like ours
    "\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # turns text round, or hides
    "\U000e0000-\U000e007f\ud800-\udfff]"
)
"""What is not seen and does something. The joiners U+200C and U+200D stay: emoji and words of Persian have them."""


def visible(text: str) -> str:
    """Return text on one line, with escapes for whatever could steer a terminal or pass for another text."""
    return UNSEEN.sub(lambda found: _escaped(ord(found[0])), text)


def all_visible(value: Any) -> Any:
    """Return a value of lists and objects with every text in it `visible`."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        return {all_visible(key): all_visible(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [all_visible(inner) for inner in value]
    return value


def visible_json(document: str) -> str:
    """Return a JSON document that says the same, and can be looked at: JSON itself has an escape for everything."""
    return UNSEEN.sub(lambda found: found[0] if found[0] == "\n" else _escaped_in_json(found[0]), document)


def _escaped(code: int) -> str:
    match code:
        case 0x09 | 0x0A | 0x0D:
            return {0x09: "\\t", 0x0A: "\\n", 0x0D: "\\r"}[code]
        case _ if code < 0x100:
            return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _escaped_in_json(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
