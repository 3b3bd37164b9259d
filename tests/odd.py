"""Tapes with something odd about each, made of a good one: damaged, of others, or not possible."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Final

TAPES = Path(__file__).parent / "tapes"
GOOD = TAPES / "interrupted.jsonl.gz"
LINES = gzip.decompress(GOOD.read_bytes()).splitlines(keepends=True)
MIDDLE = len(LINES) // 2
GOOD_ID = "CAf46413694d"

Write = Callable[[Path], object]


def packed(*lines: bytes) -> Write:
    return lambda path: path.write_bytes(gzip.compress(b"".join(lines)))


def with_line(line: bytes) -> Write:
    """The good call with a line more in its middle."""
    return packed(*LINES[:MIDDLE], line + b"\n", *LINES[MIDDLE:])


def with_header(old: bytes, new: bytes) -> Write:
    assert old in LINES[0]
    return packed(LINES[0].replace(old, new, 1), *LINES[1:])


def note(fields: bytes) -> Write:
    return with_line(b'{"t_ms":900,"leg":"note","from":"bridge","note":{' + fields + b"}}")


def damaged(path: Path) -> None:
    data = bytearray(GOOD.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 60] = bytes(60)
    path.write_bytes(data)


STARTED: Final = LINES[0].partition(b'"started_at":"')[2].partition(b'"')[0]

FILES: Final[dict[str, Write]] = {
    "cut off": lambda path: path.write_bytes(GOOD.read_bytes()[:20_000]),
    "damaged": damaged,
    "not compressed": lambda path: path.write_bytes(b"".join(LINES)),
    "empty": lambda path: path.write_bytes(b""),
    "nothing compressed": packed(),
    "a folder": lambda path: path.mkdir(),
    "gone": lambda path: path.symlink_to(path.with_name("nowhere")),
    "of others": packed(b"Dear Sir or Madam,\n"),
}  # fmt: skip
"""What can be odd about a file as such; nothing in it can be read, but perhaps its beginning."""

HEADERS: Final[dict[str, Write]] = {
    "a newer format": packed(b'{"tape":2,"calls":[]}\n', *LINES[1:]),
    "no date": with_header(STARTED, b"yesterday"),
    "a tool without a name": with_header(b'"name":', b'"title":'),
    "a header that is too deep": with_header(b'"settings":{', b'"settings":{"x":' + b"[" * 5000 + b"]" * 5000 + b","),
}  # fmt: skip

CONTENT: Final[dict[str, Write]] = {
    "late beyond 32 bits": with_line(b'{"t_ms":4294967296,"leg":"note","from":"clock","rang":true}'),
    "before it began": with_line(b'{"t_ms":-1,"leg":"note","from":"clock","rang":true}'),
    "no UTF-8": with_line(b'{"t_ms":900,"leg":"openai_ws","from":"openai","msg":{"type":"\xff\xfe"}}'),
    "a number for a line": with_line(b"5"),
    "an unknown leg": with_line(b'{"t_ms":900,"leg":"fax","from":"fax","msg":{}}'),
    "too deep": with_line(
        b'{"t_ms":900,"leg":"openai_ws","from":"openai","msg":' + b"[" * 700 + b"]" * 700 + b"}"
    ),
    "far too deep": with_line(b'{"t_ms":900,"leg":"x","from":"x","msg":' + b"[" * 99_999 + b"]" * 99_999 + b"}"),
    "a message that is no JSON": with_line(
        b'{"t_ms":900,"leg":"openai_ws","from":"openai","msg":{"type":"error","x":1e999}}'
    ),
    "a tool that said nothing": with_line(b'{"t_ms":900,"leg":"tool","from":"tool","tool":{"call_id":"c"}}'),
    "a tool with other keys": with_line(b'{"t_ms":900,"leg":"tool","from":"tool","tool":{"id":"c","output":""}}'),
    "a tool run by nobody": with_line(b'{"t_ms":900,"leg":"tool","from":"bridge","run":{"name":"x"}}'),
    "an end without why": with_line(b'{"t_ms":900,"leg":"note","from":"bridge","end":{"by":"caller"}}'),
    "stopped by nobody": with_line(b'{"t_ms":900,"leg":"note","from":"operator","stopped":{"why":"x"}}'),
    "closed without a code": with_line(b'{"t_ms":900,"leg":"twilio_ws","from":"twilio","close":{"reason":""}}'),
    "no base64": with_line(b'{"t_ms":900,"leg":"twilio_ws","from":"twilio","binary":"!"}'),
    "audio of nothing": with_line(b'{"t_ms":900,"leg":"twilio_ws","from":"bridge","audio":{"item":"i"}}'),
    "more audio than there is": with_line(
        b'{"t_ms":900,"leg":"twilio_ws","from":"bridge","audio":{"item":"i","part":0,"at":0,"bytes":99999999999}}'
    ),
    "more frames than there are": with_line(
        b'{"t_ms":900,"leg":"openai_ws","from":"bridge","append":[1,4000000]}'
    ),
    "one frame": with_line(b'{"t_ms":900,"leg":"openai_ws","from":"bridge","append":[1]}'),
    "a webhook of numbers": with_line(b'{"t_ms":900,"leg":"twilio_http","from":"twilio","http":{"form":{"From":5}}}'),
    "a note of no kind": note(b'"text":"x"'),
    "an account without numbers": note(b'"kind":"item","item_id":"i"'),
    "an account with words": note(
        b'"kind":"item","item_id":"i","content_index":0,"response_id":"r","generated_ms":"a second","sent_ms":0,'
        b'"heard_ms":0,"first_sent":0,"first_heard":0,"cut":false'
    ),
    "a milestone beyond 32 bits": note(b'"kind":"milestone","name":"x","at_ms":99999999999'),
    "a log line without words": note(b'"kind":"log"'),
    "shed without a number": note(b'"kind":"shed"'),
}  # fmt: skip

KINDS: Final = FILES | HEADERS | CONTENT


def put_odd(folder: Path, kind: str) -> Path:
    """Put one odd tape into a folder."""
    path = folder / f"CA_{kind.replace(' ', '_')}.jsonl.gz"
    folder.mkdir(parents=True, exist_ok=True)
    KINDS[kind](path)
    return path


def put_good(folder: Path) -> Path:
    """Put the good tape there."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{GOOD_ID}.jsonl.gz"
    path.write_bytes(GOOD.read_bytes())
    return path
