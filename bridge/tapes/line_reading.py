"""A tape's lines read many at a time: checked, so that nothing behind it has to think of odd ones; or checked and
understood at once. Pure.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from operator import itemgetter
from types import GenericAlias
from typing import Any, Final, get_type_hints

import msgspec
from msgspec import UNSET, UnsetType

from bridge.errors import TapeError
from bridge.heart.events import AgentWords, CallerSpoke, ClockRang, Event, MarkReached, ModelSpoke
from bridge.tapes.lines import (
    MOST,
    Append,
    Audio,
    Ms,
    check_append,
    check_note,
    check_tool,
    check_webhook,
)
from bridge.tapes.tape import MODEL, NOTE, PHONE, Leg, Line, decode, event_of
from bridge.text.nesting import MOST_DEEP, is_too_deep
from bridge.wire import realtime, twilio

# ---------------------------------------------------------------- checked


class _ReadToItsEnd(Line, omit_defaults=True, kw_only=True, gc=False):
    """A line with its message read too, to see whether that can be done."""

    msg: Any = None


def _nested(levels: int) -> Any:
    """Return the type of JSON that is nested no more deeply than this."""
    plain: Any = str | int | float | bool | None
    value = plain
    for _ in range(levels):
        value = plain | GenericAlias(dict, (str, value)) | GenericAlias(list, value)
    return value


_AudioAlone: Any = msgspec.defstruct(
    "_AudioAlone", get_type_hints(Audio, include_extras=True).items(), forbid_unknown_fields=True, gc=False
)
_Usual: Any = msgspec.defstruct(
    "_Usual",
    [("t_ms", Ms), ("leg", Leg), ("sender", str), ("msg", _nested(6), None), ("append", Append | None, None),
     ("audio", _AudioAlone | None, None), ("rang", bool | None, None),
     ("note", GenericAlias(dict, (str, _nested(4))) | None, None)],
    forbid_unknown_fields=True, gc=False, rename={"sender": "from"},
)  # fmt: skip
"""A message, audio, an alarm or a note, with nothing unknown in its line and nothing deeply nested. What fits
is a line that can be used, but for what `check_append` and `check_note` say; what doesn't has to be looked at."""


_checker = msgspec.json.Decoder(_ReadToItsEnd)
_usual_decoder = msgspec.json.Decoder(_Usual)


def checked(line: bytes) -> Line:
    """Return a line of a tape that was not read as a whole. Raises `TapeError`."""
    check_lines([line], first=0)
    return decode(line)


def check_lines(lines: Sequence[bytes], *, first: int) -> None:
    """Make sure that all of these can be used, message and all; `first` is the number of the first in its file.

    Raises `TapeError`. It costs half a microsecond a line, and saves every other reader from odd content.
    """
    for start in range(0, len(lines), AT_ONCE):
        some = lines[start : start + AT_ONCE]
        if not _are_usual(some):
            _check_each(some, first + start)


AT_ONCE: Final = 64
"""Lines that are checked together, which takes half as long as one by one."""


def _are_usual(lines: Sequence[bytes]) -> bool:
    """Say whether nothing is odd about any of these; if not, each has to be looked at."""
    try:
        for line in (found := _read_together(_usual_decoder, lines)):
            if line.append is not None:
                check_append(line.append)
            elif line.note is not None:
                check_note(line.note)
    except TapeError:
        return False
    return bool(found)


def _read_together(decoder: msgspec.json.Decoder[Any], lines: Sequence[bytes]) -> list[Any]:
    """Return what stands in these, each a line by itself; nothing if one may be something else.

    Where every line begins with { and ends with }, no value goes on in the next one: JSON has } before { only between
    values. So as many values as lines are one in each.
    """
    try:
        begin, end = bytes(map(_first, lines)), bytes(map(_last, lines))
        found = decoder.decode_lines(b"".join(lines))
    except (IndexError, msgspec.DecodeError, UnicodeError, RecursionError):
        return []
    count = len(lines)
    return found if len(found) == count and begin == b"{" * count and end == b"}" * count else []


_first, _last = itemgetter(0), itemgetter(-2)  # the last is the line's end


def _check_each(lines: Sequence[bytes], first: int) -> None:
    for number, raw in enumerate(lines, first):
        try:
            if not raw.isspace():
                _check(_checker.decode(raw), raw)
        except (msgspec.DecodeError, UnicodeError, RecursionError, TapeError) as error:
            raise TapeError(f"line {number}: {error}: {raw[:80]!r}") from None


def _check(line: Line, raw: bytes) -> None:
    has_more = line.text is None and len(raw) > 2 * MOST_DEEP  # in a text nothing is nested
    if has_more and raw.count(b"[") + raw.count(b"{") > MOST_DEEP and is_too_deep(raw.decode("utf-8")):
        raise TapeError("nested too deeply")
    if line.note is not None:
        check_note(line.note)
    elif line.append is not None:
        check_append(line.append)
    elif line.tool is not None:
        check_tool(line.tool)
    elif line.http is not None:
        check_webhook(line.http)


# ---------------------------------------------------------------- understood


OF_TWILIO: Final = {"stream_sid": "streamSid", "sequence_number": "sequenceNumber"}


def _on_the_wire(name: str) -> str:
    return OF_TWILIO.get(name, name)


class _Mark(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    name: str


_Part: Any = _nested(5)


class _Message(msgspec.Struct, forbid_unknown_fields=True, gc=False, rename=_on_the_wire):
    """A message of either side's: what says something by itself, and whatever else may stand in the others."""

    event: str = ""
    stream_sid: str = ""
    sequence_number: str = ""
    media: twilio.Frame | None = None
    mark: _Mark | None = None
    type: str = ""
    event_id: str | None = None
    response_id: str = ""
    item_id: str = ""
    output_index: int = 0
    content_index: int = -1
    delta: str | None = None
    obfuscation: str = ""
    call_id: str = ""
    name: str = ""
    arguments: str = ""
    transcript: str | None = None
    previous_item_id: str | None = None
    audio_start_ms: int = 0
    audio_end_ms: int = 0
    item: _Part = None
    part: _Part = None
    response: _Part = None
    session: _Part = None
    rate_limits: _Part = None
    usage: _Part = None


_Hot: Any = msgspec.defstruct(
    "_Hot",
    [("t_ms", Ms), ("leg", Leg), ("sender", str), ("msg", _Message | UnsetType, UNSET),
     ("append", Append | None, None), ("audio", _AudioAlone | None, None), ("rang", bool | None, None),
     ("note", GenericAlias(dict, (str, _nested(4))) | None, None)],
    forbid_unknown_fields=True, gc=False, rename={"sender": "from"},
)  # fmt: skip
"""What nearly all of a tape consists of. What fits here fits above too."""


_hot_decoder = msgspec.json.Decoder(_Hot)


def read_lines(blocks: Iterable[Sequence[bytes]]) -> Iterator[tuple[bytes, Any]]:
    """Yield each line of these with its `t_ms`, `leg`, `sender` and `rang`, and with what `heard` needs.

    They are checked as they come, but for what only the heart says: that is known to be right where it says it again.
    None may be blank. Raises `TapeError`, without the number of the line.
    """
    return chain.from_iterable(
        _read_some(lines[start : start + AT_ONCE])
        for lines in blocks
        for start in range(0, len(lines), AT_ONCE)
    )


def _read_some(lines: Sequence[bytes]) -> Iterator[tuple[bytes, Any]]:
    found = _read_together(_hot_decoder, lines)
    return zip(lines, found or map(checked, lines), strict=True)


def heard(line: Any, raw: bytes) -> Event | None:
    """Return what the heart is told by an input that was read so: what `event_of` has it told."""
    if isinstance(line, Line):
        return event_of(line)
    message, leg = line.msg, line.leg
    if message is UNSET:
        event: Event | None = ClockRang() if line.rang and leg == NOTE else None
    elif leg == PHONE:
        event = _phone_event(message)
    else:
        event = _model_event(message) if leg == MODEL else None
    return event or event_of(checked(raw))


def _phone_event(message: _Message) -> Event | None:
    """Return what a frame or a mark says, None if it is neither."""
    sid, media = message.stream_sid, message.media
    if sid and message.event == "media" and media is not None:
        try:
            return CallerSpoke(sid, int(media.chunk), media.payload)
        except ValueError:
            return None
    if sid and message.event == "mark" and message.mark is not None and message.mark.name:
        return MarkReached(sid, message.mark.name)
    return None


def _model_event(message: _Message) -> Event | None:
    """Return what a delta says, None if it is none."""
    response, item, delta = message.response_id, message.item_id, message.delta
    if not item or delta is None or not 0 <= message.content_index <= MOST:
        return None
    if message.type == realtime.WORDS_DELTA:
        return AgentWords(item, message.content_index, delta)
    if message.type != realtime.AUDIO_DELTA or not response:
        return None
    try:
        return ModelSpoke(response, item, message.content_index, realtime.audio_of(delta))
    except ValueError:
        return None
