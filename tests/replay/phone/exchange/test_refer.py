"""<Refer>: only for calls that came by SIP, and what their side says of it."""

import pytest
from twiml_calls import a_call, far_end, response, town

from replay.phone.exchange.town import FarEnd
from replay.phone.ring import Account

ANNA = "sip:anna@example.com"
REFER = f'<Refer action="/referred"><Sip>{ANNA}</Sip></Refer>'
BY_SIP = Account(caller="sip:caller@example.com")


@pytest.mark.parametrize(
    ("there", "status", "notified"),
    [
        (far_end(), "in-progress", "200"),
        (far_end(result="busy"), "busy", "486"),
        (far_end(result="failed"), "failed", "404"),
        (None, "failed", "404"),
        (far_end(result="no_answer"), None, None),  # no NOTIFY ever comes
    ],
)
async def test_the_bridge_is_told_how_the_caller_was_sent_on(
    there: FarEnd | None, status: str | None, notified: str | None
) -> None:
    verbs = {"/voice": response(REFER), "/referred": response("<Hangup/>")}
    people = {} if there is None else {ANNA: there}
    report, bridge = await a_call(answers=verbs, town=town(**people), account=BY_SIP)
    (form,) = bridge.asked("/referred")
    assert (form.get("ReferCallStatus"), form.get("NotifySipResponseCode")) == (status, notified)
    assert form["ReferSipResponseCode"] == "202"
    assert report.referred == [(ANNA, status or "")]


async def test_a_call_from_a_telephone_number_cannot_be_referred() -> None:
    report, bridge = await a_call(answers={"/voice": response(REFER)}, town=town())
    assert report.error is not None
    assert bridge.asked("/referred") == []
