"""The model's side: does the key open the door, is the model there, and how long will it be."""

import re
from datetime import date
from typing import Final
from urllib.parse import quote

from bridge.calls.setup import model_headers
from bridge.config import Realtime
from bridge.doctor.doubts import is_openai
from bridge.doctor.findings import Finding, doubtful, fine, wrong
from bridge.doctor.retirements import READ_ON, RETIREMENTS, SOURCE, STAYING
from bridge.doctor.world import Patient
from bridge.errors import LinkError
from bridge.links.https import Answer, fetch

MODEL, RETIRING = "model", "retirement"
NO_LIST: Final = (400, 404, 405, 426, 501)
"""What servers answer that have none; 400 and 426 come from those that know web sockets only, as `replay model`."""

WARN_DAYS: Final = 60
"""Ahead of a retirement: time for `replay compare` and a trial on a few calls."""


def models_url(realtime: Realtime) -> str:
    """Return where this server tells of the model; empty when its address has not the usual form."""
    base, count = re.subn(r"/realtime$", "", realtime.url)
    return f"{base.replace('ws', 'http', 1)}/models/{quote(realtime.model, safe='')}" if count else ""


async def check_model(patient: Patient) -> list[Finding]:
    """Ask for the model with our key, and look when it retires."""
    realtime = patient.settings.realtime
    url, key = models_url(realtime), patient.secrets.api_key
    if not url:
        text = f"{_host(realtime.url)} has no list of models that is known of: its address does not end in /realtime"
        return [fine(MODEL, text)]
    if not key and is_openai(realtime):
        return []  # the configuration's check says that there is no key
    headers = dict(model_headers(realtime, patient.secrets))
    try:
        async with patient.world.client(patient.secrets.proxy) as client:
            answer = await fetch(client, "GET", url, headers=headers)
    except LinkError as error:
        return [wrong(MODEL, f"{_host(url)}{_way(patient)}: {error}", _step(patient))]
    patient.note_clock(_host(url), answer, is_elsewhere=is_openai(realtime))
    findings = [_found(realtime, url, answer), *_told_way(patient)]
    if day := _told_day(answer):
        findings.append(
            judge_day(realtime.model, day, "as its server says", _instead(realtime.model), patient)
        )
    return findings


def _way(patient: Patient) -> str:
    """Return which proxy is on the way, for a sentence; nothing when there is none."""
    proxy = patient.secrets.proxy
    return f", through the proxy {proxy} ({proxy.named_by})" if proxy else ""


def _told_way(patient: Patient) -> list[Finding]:
    return (
        [fine(MODEL, f"calls reach {_host(patient.settings.realtime.url)}{way}")]
        if (way := _way(patient))
        else []
    )


def _step(patient: Patient) -> str:
    if proxy := patient.secrets.proxy:
        return f"is {proxy.named_by} right, and may this machine use it? NO_PROXY names hosts that need none"
    return "is outgoing https allowed here, or only through a proxy (HTTPS_PROXY)? Calls need the same host, over wss"


def _host(url: str) -> str:
    return url.split("/")[2]


def _found(realtime: Realtime, url: str, answer: Answer) -> Finding:
    host, model = _host(url), realtime.model
    error = answer.json.get("error")
    code = str(error.get("code", "")) if isinstance(error, dict) else ""
    if answer.status == 200:
        return fine(MODEL, f"{host} knows our key and has {model}")
    if answer.status == 401:
        step = f"make a new key (platform.openai.com, API keys), and set {realtime.api_key_env}"
        return wrong(MODEL, f"{host} refuses our key (401)", step)
    if answer.status == 404 and (is_openai(realtime) or code == "model_not_found"):
        step = "is the name in [realtime] model right, and may this key's project use it?"
        return wrong(MODEL, f"{host} has no model {model} for our key (404)", step)
    if answer.status in NO_LIST and not is_openai(realtime):
        return fine(
            MODEL, f"{host} answers, but has no list of models, so nobody knows whether it has {model}"
        )
    if answer.status == 403:
        step = "give the key the permission to read models, and to use the Realtime API; or try one call"
        return doubtful(MODEL, f"{host}: our key may not ask for models (403)", step)
    return doubtful(MODEL, f"{host} answers HTTP {answer.status} {code}".rstrip(), "try again in a moment")


def _told_day(answer: Answer) -> date | None:
    told = answer.json.get("shutdown_date") if answer.status == 200 else None
    try:
        return date.fromisoformat(told) if isinstance(told, str) else None
    except ValueError:
        return None


# ---------------------------------------------------------------- how long it will be


async def check_retirements(patient: Patient) -> list[Finding]:
    """Look every model that is named in the configuration up in our table; asks nobody."""
    return [_retirement(patient, model) for model in _named(patient)]


def _named(patient: Patient) -> list[str]:
    agents = patient.settings.agents.values()
    models = [patient.settings.realtime.model, *(agent.transcription_model for agent in agents)]
    return [model for model in dict.fromkeys(models) if model]


def _instead(model: str) -> str:
    known = RETIREMENTS.get(model)
    return known.instead if known else ""


def _retirement(patient: Patient, model: str) -> Finding:
    known = RETIREMENTS.get(model)
    if known is not None:
        return judge_day(
            model, date.fromisoformat(known.day), f"{SOURCE}, read {READ_ON}", known.instead, patient
        )
    if model in STAYING:
        return fine(RETIRING, f"{model}: none announced (read {READ_ON})")
    return fine(RETIRING, f"{model}: not in our table of {READ_ON}, so nothing is known")


def judge_day(model: str, day: date, source: str, instead: str, patient: Patient) -> Finding:
    """Return what to say of a model that retires on a day."""
    days = (day - patient.world.now().date()).days
    to = f"to {instead}" if instead else "to another"
    step = f"switch {to}; `replay compare` shows on your own calls whether it does as well"
    if days <= 0:
        return wrong(RETIRING, f"{model} retired on {day} ({source})", step)
    text = f"{model} retires on {day}, in {days} days ({source})"
    return doubtful(RETIRING, text, step) if days < WARN_DAYS else fine(RETIRING, text)
