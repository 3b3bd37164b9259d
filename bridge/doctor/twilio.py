"""Twilio's side, asked over REST and never changed: is the account alive, and which of its numbers lead here."""

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

import httpx2
from attrs import frozen

from bridge.checks import nearest
from bridge.doctor.findings import Finding, doubtful, fine, wrong
from bridge.doctor.public_url import port_of
from bridge.doctor.world import Patient
from bridge.errors import LinkError
from bridge.links.https import Answer, fetch
from bridge.tapes.masking import mask
from bridge.text.wording import counted

ACCOUNT, NUMBERS = "Twilio account", "Twilio numbers"
PAGE_SIZE: Final = 500
MOST_PAGES: Final = 10
"""Of numbers; beyond them the finding says that not all were looked at."""

MOST_SHOWN: Final = 20
"""Numbers that lead here and are right, named one by one."""


@frozen
class Number:
    """A phone number as the console shows it, its digits hidden but for the last two."""

    shown: str
    url: str
    method: str
    fallback: str
    is_elsewhere: str
    """What answers instead of the URL, which Twilio then ignores; empty when nothing does."""

    @classmethod
    def of(cls, raw: Any) -> "Number":
        """Return a number of Twilio's list; whatever is missing is empty."""
        text = {key: value for key, value in raw.items() if isinstance(value, str)}
        instead = "a SIP trunk" if text.get("trunk_sid") else ""
        instead = instead or ("a TwiML application" if text.get("voice_application_sid") else "")
        return cls(
            shown=mask(text.get("phone_number", "a number")),
            url=text.get("voice_url", ""),
            method=text.get("voice_method", "POST"),
            fallback=text.get("voice_fallback_url", ""),
            is_elsewhere=instead,
        )


async def check_twilio(patient: Patient) -> list[Finding]:
    """Ask for the account and its numbers, with the account's SID and our first auth token that works."""
    if not patient.account_sid:
        step = "set [twilio] account_sid or TWILIO_ACCOUNT_SID (console, Account Info); nothing is ever changed there"
        return [doubtful(ACCOUNT, "not looked at: whether your numbers lead here can't be said", step)]
    if not patient.secrets.auth_tokens:
        return []  # the configuration's check says so
    try:
        async with patient.world.client() as client:
            return await _examine(patient, client)
    except LinkError as error:
        step = "is outgoing https to api.twilio.com allowed here? In another region set [twilio] api_url"
        return [doubtful(ACCOUNT, f"Twilio's REST API: {error}", step)]


async def _examine(patient: Patient, client: httpx2.AsyncClient) -> list[Finding]:
    found = await _account(patient, client)
    if isinstance(found, Finding):
        return [found]
    answer, number = found
    token = patient.secrets.auth_tokens[number]
    findings = [_account_finding(answer.json, number)]
    numbers, is_complete = await _numbers(patient, client, token)
    if numbers is None:
        step = "Twilio's status page may know more: https://status.twilio.com"
        return [*findings, doubtful(NUMBERS, "Twilio did not list the account's numbers", step)]
    findings += judge_numbers(patient, numbers)
    if not is_complete:
        text = f"only the first {len(numbers)} numbers were looked at"
        findings.append(fine(NUMBERS, text))
    return findings


async def _account(patient: Patient, client: httpx2.AsyncClient) -> tuple[Answer, int] | Finding:
    """Return the account and which token opened it, or what is wrong."""
    url = f"{patient.settings.twilio.api_url}/2010-04-01/Accounts/{patient.account_sid}.json"
    for number, token in enumerate(patient.secrets.auth_tokens):
        answer = await fetch(client, "GET", url, auth=(patient.account_sid, token))
        if answer.status == 200:
            patient.note_clock("Twilio", answer, is_elsewhere=True)
            return answer, number
        if answer.status not in (401, 403):
            break
    if answer.status in (401, 404):
        step = "compare both with the console's Account Info; a token of another account or region fits no request"
        return wrong(ACCOUNT, "Twilio refuses this account SID with our auth token", step)
    step = "try again; Twilio's status page may know more: https://status.twilio.com"
    return doubtful(ACCOUNT, f"Twilio answers HTTP {answer.status}", step)


def _account_finding(account: dict[str, Any], number: int) -> Finding:
    status, kind = str(account.get("status", "unknown")), str(account.get("type", ""))
    if status != "active":
        return wrong(
            ACCOUNT,
            f"the account is {status}: no call comes in",
            "see the console for why, and for what is owed",
        )
    if number:
        text = f"the account is active, but the first of our tokens is not its own any more (token {number + 1} is)"
        return doubtful(ACCOUNT, text, "take the old token away, unless you are just rotating it")
    if kind == "Trial":
        text = "a trial account: callers hear a notice first, and calls end after 10 minutes"
        return doubtful(ACCOUNT, text, "upgrade it before real callers ring")
    return fine(ACCOUNT, "active")


async def _numbers(
    patient: Patient, client: httpx2.AsyncClient, token: str
) -> tuple[list[Number] | None, bool]:
    """Return the account's numbers, and whether these are all of them; None when there is no list."""
    base, numbers = patient.settings.twilio.api_url, list[Number]()
    path = f"/2010-04-01/Accounts/{patient.account_sid}/IncomingPhoneNumbers.json?PageSize={PAGE_SIZE}"
    for _ in range(MOST_PAGES):
        answer = await fetch(client, "GET", base + path, auth=(patient.account_sid, token))
        listed = answer.json.get("incoming_phone_numbers")
        if answer.status != 200 or not isinstance(listed, list):
            return None, False
        numbers += [Number.of(raw) for raw in listed if isinstance(raw, dict)]
        path = answer.json.get("next_page_uri") or ""
        if not isinstance(path, str) or not path.startswith("/"):
            return numbers, True
    return numbers, False


# ---------------------------------------------------------------- which numbers lead here


def judge_numbers(patient: Patient, numbers: Sequence[Number]) -> list[Finding]:
    """Return what to say of an account's numbers, those first that need something done."""
    if not numbers:
        return [doubtful(NUMBERS, "the account has no phone number", "buy one in the console, Phone Numbers")]
    here = [number for number in numbers if _leads_here(patient, number.url)]
    if not here:
        agents = list(patient.settings.agents)
        webhook = f"{patient.public_url or 'https://<public_url>'}/voice/{agents[0]}"
        step = f'open the number in the console; under "A call comes in" set Webhook, {webhook}, HTTP POST'
        return [doubtful(NUMBERS, f"none of {counted(len(numbers), 'number')} leads here", step)]
    findings = [_judged(patient, number) for number in here]
    findings.sort(key=lambda finding: ("error", "warning", "ok").index(finding.level))
    right = sum(finding.level == "ok" for finding in findings)
    kept = findings[: len(findings) - max(0, right - MOST_SHOWN)]
    rest = len(numbers) - len(here)
    verb = "leads" if len(here) == 1 else "lead"
    text = f"{len(here)} of {counted(len(numbers), 'number')} {verb} here" + (
        f", {rest} elsewhere" if rest else ""
    )
    return [*kept, fine(NUMBERS, text)]


def _key(parts: SplitResult) -> tuple[str, int]:
    # http and https on their own ports are the same place: which of them is asked is judged apart.
    port = port_of(parts)
    return (parts.hostname or "").lower(), 443 if port == 80 else port


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        return parts if port_of(parts) else None
    except ValueError:
        return None


def _leads_here(patient: Patient, url: str) -> bool:
    parts = _split(url)
    return parts is not None and bool(parts.hostname) and _key(parts) == _key(urlsplit(patient.public_url))


def _judged(patient: Patient, number: Number) -> Finding:
    parts, who = urlsplit(number.url), number.shown
    base = urlsplit(patient.public_url).path
    agents = patient.settings.agents
    name = parts.path.removeprefix(f"{base}/voice/").rstrip("/")
    fix = f"set {patient.public_url}/voice/{name if name in agents else next(iter(agents))}, HTTP POST"
    if not parts.path.startswith(f"{base}/voice/") or "/" in name or not name:
        return wrong(NUMBERS, f"{who} calls {parts.path or '/'} here, where no agent is", fix)
    if name not in agents:
        return wrong(
            NUMBERS,
            f"{who} calls an agent {name} that is not configured",
            f"{nearest(name, agents)} Then {fix}",
        )
    if number.is_elsewhere:
        text = f"{who} has the URL of {name}, but {number.is_elsewhere} answers it"
        return doubtful(NUMBERS, text, 'in the console choose "Webhook" for the number, or take the URL away')
    if number.method.upper() != "POST":
        return wrong(NUMBERS, f"{who} calls {name} with {number.method.upper()}, which is refused", fix)
    if parts.scheme != urlsplit(patient.public_url).scheme:
        return wrong(
            NUMBERS, f"{who} calls {name} over {parts.scheme}: its signature is over another URL", fix
        )
    return _fallback(patient, number, name)


def _fallback(patient: Patient, number: Number, name: str) -> Finding:
    is_one_of_several = bool(patient.settings.server.host_url)
    if not number.fallback and is_one_of_several:
        text = f"{number.shown} leads to {name}, and no fallback URL brings callers back whose host has died"
        return doubtful(NUMBERS, text, f"set {patient.public_url}/voice/{name} as its fallback, too")
    if not number.fallback:
        return fine(NUMBERS, f"{number.shown} leads to {name} (no fallback URL)")
    if _leads_here(patient, number.fallback) and not is_one_of_several:
        text = f"{number.shown} leads to {name}, and falls back to the same host, which is then down as well"
        return doubtful(NUMBERS, text, "let the fallback be a TwiML Bin, or another host")
    return fine(NUMBERS, f"{number.shown} leads to {name} (with a fallback URL)")
