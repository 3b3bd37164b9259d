"""What to write on a tape that ends in the middle: the heart hears the tape again and is then told of the crash."""

from bridge.heart.call import Call
from bridge.heart.events import Stopped
from bridge.tapes.lines import Ending
from bridge.tapes.reader import Tape
from bridge.tapes.tape import BRIDGE, NOTE, Line, carry_out, decode, encode, event_of


def closing_lines(tape: Tape) -> tuple[list[bytes], str]:
    """Return the lines that close a torn tape, and why the call ended; none when it had ended."""
    call = Call(tape.header.agent_settings(), tape.header.tools)
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
    told = Ending(by=BRIDGE, why="crashed", say=call.agent.failure_sentence.text)
    stopped = Line(t_ms=t_ms, leg=NOTE, sender="operator", stopped=told)
    effects = call.handle(Stopped(BRIDGE, "crashed", call.agent.failure_sentence.text), t_ms)
    return [encode(stopped), *(encode(carry_out(t_ms, effect)[0]) for effect in effects)], "crashed"
