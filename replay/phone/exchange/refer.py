"""<Refer>: the caller's own SIP side is told to call somebody else, and says how that went."""

import trio

from replay.phone.exchange.program import Outcome, Program
from replay.phone.instructions.verbs import Refer
from replay.phone.twiml import TwilioError
from replay.phone.web import Form

NOT_SIP = 13248
ACCEPTED = "202"
ANSWERS: dict[str, tuple[str | None, str | None]] = {
    "answers": ("in-progress", "200"),
    "busy": ("busy", "486"),
    "failed": ("failed", "404"),
    "canceled": ("canceled", "487"),
    "no_answer": (None, None),  # the other side never sends a NOTIFY
    "full": ("failed", "503"),
}
PATIENCE_S = 10  # for a NOTIFY that does not come


async def refer(program: Program, verb: Refer) -> Outcome:
    """Send the caller's side on, and tell what it said."""
    if not program.courier.account.caller.startswith("sip:"):
        raise TwilioError(NOT_SIP, "<Refer> in a call that did not come by SIP")
    far_end = program.town.far_end(verb.to)
    status, notified = ANSWERS[far_end.result if far_end is not None else "failed"]
    program.report.note("referred", to=verb.to, status=status)
    program.report.referred.append((verb.to, status or ""))
    with program.leg.while_there():
        after_ms = far_end.answers_after_ms if far_end is not None else 0
        await trio.sleep(PATIENCE_S if notified is None else after_ms / 1000)
    form: Form = [("ReferSipResponseCode", ACCEPTED)]
    if status is not None and notified is not None:
        form += [("ReferCallStatus", status), ("NotifySipResponseCode", notified)]
    return Outcome(form)
