"""A signed request about a live call: looked at, taped, told to the heart, answered by what the heart decides."""

from typing import TYPE_CHECKING

from bridge.calls.whereabouts import NO_ANSWER
from bridge.heart.keys import MASKED
from bridge.tapes import tape
from bridge.tapes.masking import taped_request
from bridge.tapes.tape import HTTP, TWILIO, Line
from bridge.wire.requests import ANSWERED, OF_THE_RECORD, OUTGOING, REFUSED, REST, TOLD, Request
from bridge.wire.twiml import hangup_twiml

if TYPE_CHECKING:
    from bridge.calls.live_call import LiveCall


def answer(call: "LiveCall", request: Request) -> str:
    """Return what Twilio is told; the same for the same request, and nothing that opens anything for any other."""
    if request.kind in OUTGOING:
        return _of_outgoing(call, request)
    if request.kind == REFUSED:
        request = call.where.of_refusal(request)
    again = call.where.answered_before(request)
    if again is not None:
        return again
    if fault := call.where.fault_of(request):
        call.log.warning(fault, asked=request.kind, number=request.number)
        return refused(request)
    if call.end is None:
        _take(call, request)
    elif request.kind in OF_THE_RECORD and not call.tape.is_finished:
        call.record(_line_of(call, request))  # what is decided is decided; the record is still open
    return call.where.answer(request, call.end)


def _of_outgoing(call: "LiveCall", request: Request) -> str:
    """Answer what comes for a call that we make before it has a stream; that it is about it the dialer has seen."""
    call.where.call_sid = call.where.call_sid or request.call_sid
    if call.end is None and request.kind == REST:
        _feed(call, Line(t_ms=call.now_ms(), leg=HTTP, sender=TWILIO, resp=dict(request.form)))
    elif call.end is None:
        _take(call, request)
    if request.kind != ANSWERED:
        return NO_ANSWER
    return call.routes.connect(1) if call.end is None else hangup_twiml(call.agent.sentence(call.end.say))


def _feed(call: "LiveCall", line: Line) -> None:
    """Tape a line, and ask the heart if it says anything."""
    event = tape.event_of(line)
    if event is None:
        call.record(line)
    else:
        call.feed(line, event)


def refused(request: Request) -> str:
    """Return the answer that opens nothing."""
    return NO_ANSWER if request.kind in TOLD else hangup_twiml()


def _take(call: "LiveCall", request: Request) -> None:
    """Tape what Twilio says, and ask the heart; keys that were asked for off the stream are not in it."""
    call.mask.hide(call.where.keep_digits(request))
    _feed(call, _line_of(call, request))


def _line_of(call: "LiveCall", request: Request) -> Line:
    is_masked, keys_masked = call.hides_numbers, call.agent.keys == MASKED
    http = taped_request(request.url, request.form, masked=is_masked, keys_masked=keys_masked)
    return Line(t_ms=call.now_ms(), leg=HTTP, sender=TWILIO, http=http)
