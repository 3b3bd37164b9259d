"""Closing a tape whose process died: the heart hears the tape again, and what it says of the crash is written on it."""

from pathlib import Path

import structlog

from bridge.errors import TapeError
from bridge.heart.call import Call
from bridge.heart.wishes import Stopped
from bridge.tapes.header import Header, encode_header
from bridge.tapes.lines import Stop
from bridge.tapes.names import DONE_SUFFIX, OPEN_SUFFIX, finished_path, open_path
from bridge.tapes.odd_tapes import about
from bridge.tapes.reader import Tape, read_tape
from bridge.tapes.recorder import compress
from bridge.tapes.tape import BRIDGE, NOTE, Line, carry_out, decode, encode, event_of

log = structlog.get_logger(__name__)


def closing_lines(tape: Tape) -> tuple[list[bytes], str]:
    """Return the lines that close a torn tape, and why the call ended; none when it had ended."""
    header = tape.header
    call = Call(header.agent_settings(), header.tools, header.is_outgoing, header.prices, header.tool_rules)
    call.begin()
    t_ms = 0
    for raw in tape.lines:
        line = decode(raw)
        t_ms = line.t_ms
        if line.end is not None:
            return [], line.end["why"]
        event = event_of(line) if line.is_input else None
        if event is not None:
            call.handle(event, t_ms)
    # Should Twilio still ask what comes next, that is what the caller is told.
    told = Stop(by=BRIDGE, why="crashed", say=call.agent.failure_sentence.text)
    stopped = Line(t_ms=t_ms, leg=NOTE, sender="operator", stopped=told)
    effects = call.handle(Stopped(BRIDGE, "crashed", call.agent.failure_sentence.text), t_ms)
    return [encode(stopped), *(encode(carry_out(t_ms, effect)[0]) for effect in effects)], "crashed"


def finish_lost(folder: Path, header: Header) -> Path | None:
    """Return the tape of a call whose process died, closed: one that no line had reached yet is its header alone."""
    done = next(folder.glob(f"*/{header.call_id}{DONE_SUFFIX}"), None)
    if done is not None:
        return done
    path = next(folder.glob(f"*/{header.call_id}{OPEN_SUFFIX}"), open_path(folder, header))
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_header(header))
    return finish_torn(path)


def finish_torn(path: Path) -> Path | None:
    """Close a tape whose process died: its last words are what the heart would have said. None if that can't be."""
    try:
        return _closed(path)
    except (TapeError, OSError) as error:
        log.error("a tape can't be closed, left alone", tape=str(path), error=str(error))
    except Exception:  # the same: what is odd about one tape must not keep the daemon from starting
        log.exception("a tape can't be closed, left alone", tape=str(path))
    return None


def _closed(path: Path) -> Path:
    with about(path):
        tape = read_tape(path)
        lines, end = closing_lines(tape)
    with path.open("r+b") as file:
        if tape.is_torn:
            data = path.read_bytes()
            file.truncate(data.rindex(b"\n") + 1)
        file.seek(0, 2)
        file.write(b"".join(lines))
    log.warning("a call was cut off by a crash; its tape is closed now", tape=path.name, ended=end)
    done = compress(path)
    assert done == finished_path(path)
    return done
