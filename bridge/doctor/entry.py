"""Does what Twilio sends reach the bridge, and nothing else: through the public URL to itself, with no call begun.

The request that is tried is `/voice/NAME/next` for a call nobody knows: its signature is checked like any other, and
its answer is to hang up.
"""

from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import urlencode, urlsplit

import httpx2

from bridge.doctor.findings import Finding, doubtful, fine, wrong
from bridge.doctor.media_socket import shake_hands, socket_url
from bridge.doctor.public_url import as_signed, port_of
from bridge.doctor.world import Patient
from bridge.errors import LinkError
from bridge.links.https import Answer, fetch
from bridge.wire import signatures

REACHED, PROXY, SIGNED, STRANGERS = "way in", "proxy", "signatures", "strangers"
NOBODY: Final = (
    ("AccountSid", "AC" + "0" * 32),
    ("CallSid", "CA" + "0" * 32),
    ("CallStatus", "completed"),
    ("From", ""),
    ("ToCity", "Zoë & Söhne +1"),
)
"""A webhook's form with what proxies like to change: an empty value, other letters, signs that must stay escaped."""

FORM: Final = {"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"}
REDIRECTS: Final = (301, 302, 303, 307, 308)


# ---------------------------------------------------------------- is the bridge there at all


async def check_reached(patient: Patient) -> list[Finding]:
    """Ask for `/healthz` through the public URL."""
    if not patient.public_url:
        return []
    async with patient.world.client() as client:
        try:
            answer = await fetch(client, "GET", f"{patient.public_url}/healthz")
        except LinkError as error:
            text = f"nothing answers at {patient.public_url}: {error}"
            return [wrong(REACHED, text, await _where_to_look(patient, client))]
        # Behind a tunnel the time is often the bridge's own, and so this machine's.
        patient.note_clock("the public URL", answer, is_elsewhere=False)
        if _is_bridge(answer):
            return [_healthy(answer), *_proxy(answer)]
        return [await _not_the_bridge(patient, client, answer)]


def _is_bridge(answer: Answer) -> bool:
    return (answer.status, answer.json.get("status")) in ((200, "ok"), (503, "draining"))


def _healthy(answer: Answer) -> Finding:
    if answer.status == 503:
        step = "it is shutting down: start it again when it is gone"
        return doubtful(REACHED, "the bridge answers, but takes no more calls", step)
    return fine(REACHED, f"the bridge answers in {answer.took_ms} ms")


def _proxy(answer: Answer) -> Iterator[Finding]:
    named = [name for name in (answer.server, answer.headers.get("via", "")[:60]) if name]
    if named:
        yield fine(PROXY, f"between Twilio and the bridge: {', '.join(named)}")
    if answer.headers.get("age") or "hit" in answer.headers.get("x-cache", "").lower():
        step = "let it cache nothing under this address: one caller would get another's answer"
        yield doubtful(PROXY, "what was answered came out of a cache", step)


async def _not_the_bridge(patient: Patient, client: httpx2.AsyncClient, answer: Answer) -> Finding:
    who = f" ({answer.server})" if answer.server else ""
    if answer.status in REDIRECTS:
        to = answer.headers.get("location", "nowhere")[:100]
        step = "write the address it ends at in public_url: Twilio signs the one it was given, and follows no socket"
        return wrong(REACHED, f"{patient.public_url} redirects to {to}", step)
    if answer.status in (502, 503, 504):
        text = f"the proxy{who} answers {answer.status}: it can't reach the bridge"
        return wrong(REACHED, text, await _where_to_look(patient, client))
    if answer.status in (401, 407):
        text = f"the proxy{who} asks for a password ({answer.status})"
        return wrong(REACHED, text, "take it away for /voice/: Twilio has its signature instead")
    text = f"something else answers{who}: HTTP {answer.status} for /healthz"
    return wrong(REACHED, text, f"lead {patient.public_url} to the bridge at {patient.settings.server.bind}")


async def _where_to_look(patient: Patient, client: httpx2.AsyncClient) -> str:
    bind = patient.settings.server.bind
    if await answers_locally(patient, client):
        return (
            f"a bridge runs here at {bind}: lead the proxy or the tunnel there. (Some networks can't reach their "
            "own public address: then run this from elsewhere)"
        )
    return f"start the bridge (`bridge serve`), and lead the proxy or the tunnel to {bind}"


async def answers_locally(patient: Patient, client: httpx2.AsyncClient) -> bool:
    """Say whether a bridge listens where this one would."""
    try:
        return _is_bridge(await fetch(client, "GET", f"http://{local_address(patient)}/healthz"))
    except LinkError:
        return False


def local_address(patient: Patient) -> str:
    """Return host:port under which a bridge that listens here is reached from here."""
    host, _, port = patient.settings.server.bind.rpartition(":")
    here = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]", "::": "[::1]"}.get(host, host)
    return f"[{here}]:{port}" if ":" in here and not here.startswith("[") else f"{here}:{port}"


# ---------------------------------------------------------------- signed requests


def _first_agent(patient: Patient) -> str:
    return next(iter(patient.settings.agents))


def _target(patient: Patient) -> str:
    return f"{patient.public_url}/voice/{_first_agent(patient)}/next"


async def _post(patient: Patient, client: httpx2.AsyncClient, proof: Mapping[str, str]) -> Answer:
    body, headers = urlencode(NOBODY).encode(), {**FORM, **proof}
    return await fetch(client, "POST", _target(patient), content=body, headers=headers)


def _signers(patient: Patient) -> signatures.Signers:
    return signatures.signers_of(patient.settings, patient.secrets)


def _let_in(answer: Answer) -> bool:
    return answer.status == 200 and b"<Hangup" in answer.body


async def check_signatures(patient: Patient) -> list[Finding]:
    """Send a request signed as Twilio signs; when it is refused, find out which form would be accepted."""
    proof = signatures.proven(_signers(patient), as_signed(_target(patient)), NOBODY)
    if not proof:
        return []  # the configuration's check says so
    try:
        async with patient.world.client() as client:
            answer = await _post(patient, client, proof)
            if _let_in(answer):
                return [fine(SIGNED, "a request signed as Twilio signs is let in")]
            if answer.status != 403:
                return [_lost(patient, answer)]
            if answer.body:
                step = (
                    "let its firewall rule pass what comes for /voice/: the bridge checks signatures itself"
                )
                who = answer.server or "a proxy"
                return [wrong(SIGNED, f"{who} refuses requests before the bridge sees them", step)]
            return [await _other_form(patient, client)]
    except LinkError as error:
        return [wrong(SIGNED, f"a signed request has no answer: {error}", "look into the proxy's log")]


def _lost(patient: Patient, answer: Answer) -> Finding:
    path, who = urlsplit(_target(patient)).path, answer.server or "what answers"
    if answer.status in REDIRECTS:
        step = "write the address it leads to in public_url: a redirected request has a wrong signature"
        return wrong(SIGNED, f"{who} redirects {path} to {answer.headers.get('location', '')[:100]}", step)
    text = f"{who} gives HTTP {answer.status} for a signed POST to {path}, though /healthz arrives"
    return wrong(
        SIGNED, text, "lead everything under /voice/ to the bridge, with method, path and body unchanged"
    )


async def _other_form(patient: Patient, client: httpx2.AsyncClient) -> Finding:
    for number, signer in enumerate(_signers(patient).one_by_one()):
        for name, url in _forms(patient).items():
            if _let_in(await _post(patient, client, signatures.proven(signer, url, NOBODY))):
                return _accepted(patient, name, number)
    step = (
        "is the bridge that runs started with this configuration and these tokens? Restart it. Is the token the "
        "primary one of the account that owns the number?"
    )
    return wrong(
        SIGNED, "a request signed with our token is refused in every form that proxies make of it", step
    )


def _forms(patient: Patient) -> dict[str, str]:
    """Return what the bridge may have checked instead of the public URL, most likely first."""
    url = as_signed(_target(patient))
    parts = urlsplit(url)
    host, own_path = parts.hostname or "", urlsplit(patient.public_url).path
    local = patient.settings.server.bind
    forms = {
        "as it is": url,
        "http in place of https": parts._replace(scheme="http").geturl(),
        "https in place of http": parts._replace(scheme="https").geturl(),
        "a slash at its end": url + "/",
        "no slash at its end": url.rstrip("/"),
        "its port": parts._replace(netloc=f"{host}:{port_of(urlsplit(patient.public_url))}").geturl(),
        "http and port 80": parts._replace(scheme="http", netloc=f"{host}:80").geturl(),
        "http and port 443": parts._replace(scheme="http", netloc=f"{host}:443").geturl(),
        f"no {own_path} before /voice": parts._replace(path=parts.path.removeprefix(own_path)).geturl(),
        f"http://{local}": f"http://{local}{parts.path}",
    }
    return {name: form for name, form in forms.items() if name == "as it is" or form != url}


def _accepted(patient: Patient, form: str, number: int) -> Finding:
    if form == "as it is":
        text = f"the bridge that runs knows token {number + 1} of ours, but not the first, with which Twilio signs"
        return wrong(SIGNED, text, "restart the bridge, so that it reads the tokens anew")
    text = f"a signature over {patient.public_url} is refused; one over the same URL with {form} is accepted"
    step = (
        "the bridge that runs has another public_url, or your proxy rewrites requests: write the same address in "
        "public_url, the proxy and the Twilio console, then restart the bridge"
    )
    return wrong(SIGNED, text, step)


# ---------------------------------------------------------------- nothing gets in unsigned


async def check_strangers(patient: Patient) -> list[Finding]:
    """Send a request without a signature, one with a wrong one, and an upgrade without: all must be refused."""
    forger = signatures.Signers(("not-a-token-of-ours",))
    stranger = signatures.proven(forger, as_signed(_target(patient)), NOBODY)
    try:
        async with patient.world.client() as client:
            bare = await _post(patient, client, {})
            forged = await _post(patient, client, stranger)
        socket = await shake_hands(patient.world, socket_url(patient, _first_agent(patient)), {})
    except LinkError as error:
        return [doubtful(STRANGERS, f"an unsigned request has no answer: {error}", "try again")]
    let_in = [
        what
        for what, is_in in (
            ("a request without a signature", _let_in(bare)),
            ("a request with a wrong signature", _let_in(forged)),
            ("a media socket without a signature", socket.status == 101),
        )
        if is_in
    ]
    if not let_in:
        refused = f"{bare.status}, {forged.status}, {socket.status}"
        return [
            fine(
                STRANGERS, f"nothing gets in unsigned (no signature, a wrong one, a media socket: {refused})"
            )
        ]
    return [_open_to_strangers(patient, let_in)]


def _open_to_strangers(patient: Patient, let_in: list[str]) -> Finding:
    text = f"the bridge lets in {' and '.join(let_in)}: anybody can use your model"
    step = "give it an auth token, take accept_unsigned_requests_from_anybody away, and restart it"
    is_meant = patient.settings.twilio.accept_unsigned_requests_from_anybody and not patient.secrets.signing
    return doubtful(STRANGERS, text, step) if is_meant else wrong(STRANGERS, text, step)
