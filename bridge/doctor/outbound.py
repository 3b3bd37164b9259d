"""What keeps calls from being made: the number that would call, and the list of who must not be called."""

from typing import Any
from urllib.parse import urlencode

import httpx2
import trio

from bridge.doctor.findings import Finding, doubtful, fine, wrong
from bridge.doctor.world import Patient
from bridge.errors import LinkError, OutboundError
from bridge.links.https import fetch
from bridge.outbound.do_not_call import read_list
from bridge.tapes.masking import mask
from bridge.text.wording import counted

OUTBOUND = "outbound"


async def check_list(patient: Patient) -> list[Finding]:
    """Read the list of who must not be called, as every call does."""
    outbound = patient.settings.outbound
    if not outbound.caller_id:
        return []
    if not outbound.do_not_call:
        step = "set [outbound] do_not_call to a file, if anybody may ask not to be called"
        return [doubtful(OUTBOUND, "there is no list of who must not be called", step)]
    try:
        numbers = await trio.to_thread.run_sync(read_list, patient.settings.folder / outbound.do_not_call)
    except OutboundError as error:
        return [wrong(OUTBOUND, str(error), "correct the file; it is read before each call")]
    return [fine(OUTBOUND, f"{counted(len(numbers), 'number')} must not be called")]


async def check_caller_id(patient: Patient) -> list[Finding]:
    """Ask Twilio whether the number that would call is the account's, or verified there."""
    number = patient.settings.outbound.caller_id
    if not number or not patient.account_sid or not patient.secrets.auth_tokens:
        return []
    try:
        async with patient.world.client() as client:
            return [await _judged(patient, client, number)]
    except LinkError as error:
        return [
            doubtful(
                OUTBOUND, f"Twilio's REST API: {error}", "is outgoing https to api.twilio.com allowed here?"
            )
        ]


async def _judged(patient: Patient, client: httpx2.AsyncClient, number: str) -> Finding:
    shown, owned = mask(number), await _listed(patient, client, "IncomingPhoneNumbers", number)
    if owned is None:
        return doubtful(
            OUTBOUND, "Twilio did not say whose the caller_id is", "see what is said of the account above"
        )
    if owned:
        can_call = owned[0].get("capabilities", {})
        if isinstance(can_call, dict) and can_call.get("voice") is False:
            return wrong(
                OUTBOUND, f"{shown} can't make calls", "use a number with voice as [outbound] caller_id"
            )
        return fine(OUTBOUND, f"calls are made from {shown}, a number of the account")
    if await _listed(patient, client, "OutgoingCallerIds", number):
        return fine(OUTBOUND, f"calls are made from {shown}, which is verified")
    step = "use a number of the account as [outbound] caller_id, or verify this one in the console"
    return wrong(OUTBOUND, f"{shown} is no number of the account, and not verified there", step)


async def _listed(
    patient: Patient, client: httpx2.AsyncClient, what: str, number: str
) -> list[dict[str, Any]] | None:
    """Return the account's entries for a number; None when there is no list."""
    base = f"{patient.settings.twilio.api_url}/2010-04-01/Accounts/{patient.account_sid}"
    url = f"{base}/{what}.json?{urlencode({'PhoneNumber': number, 'PageSize': 1})}"
    for token in patient.secrets.auth_tokens:
        answer = await fetch(client, "GET", url, auth=(patient.account_sid, token))
        if answer.status == 200:
            key = {"IncomingPhoneNumbers": "incoming_phone_numbers"}.get(what, "outgoing_caller_ids")
            found = answer.json.get(key)
            return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else None
    return None
