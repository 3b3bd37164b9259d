"""A signed request about a live call: looked at, taped, told to the heart, answered by what the heart decides."""

from typing import TYPE_CHECKING

from bridge.calls.whereabouts import NO_ANSWER
from bridge.tapes import tape
from bridge.tapes.key_mask import MASKED
from bridge.tapes.masking import taped_request
from bridge.tapes.tape import HTTP, TWILIO, Line
from bridge.wire.requests import NEXT, REFUSED, TOLD, Request
from bridge.wire.twiml import hangup_twiml

if TYPE_CHECKING:
    from bridge.calls.live_call import LiveCall


def answer(call: "LiveCall", request: Request) -> str:
    """Return what Twilio is told; the same for the same request, and nothing that opens anything for any other."""
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
    return call.where.answer(request, call.end)


def refused(request: Request) -> str:
    """Return the answer that opens nothing."""
    return NO_ANSWER if request.kind in TOLD else hangup_twiml()


def _take(call: "LiveCall", request: Request) -> None:
    """Tape what Twilio says, and ask the heart; keys that were asked for off the stream are not in it."""
    call.mask.hide(call.where.keep_digits(request))
    is_masked, keys_masked = call.hides_numbers, call.agent.keys == MASKED
    http = taped_request(request.url, request.form, masked=is_masked, keys_masked=keys_masked)
    line = Line(t_ms=call.now_ms(), leg=HTTP, sender=TWILIO, http=http)
    event = tape.event_of(line)
    if event is None:
        return call.record(line)
    call.feed(line, event)
    if request.kind == NEXT and call.end is None and call.where.is_on(request.number):
        say = call.agent.failure_sentence.text if call.is_waiting else ""
        call.stop(
            "caller", "media stream ended", say=say
        )  # Twilio left, though its socket hasn't told us yet
    return None
