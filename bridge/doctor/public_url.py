"""Is the public URL one that Twilio can call: its form, its name, its certificate. No request is made here."""

import ipaddress
import ssl
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

import trio

from bridge.doctor.findings import Finding, doubtful, fine, wrong
from bridge.doctor.world import Patient
from bridge.errors import LinkError

URL, DNS, TLS = "public URL", "DNS", "certificate"
LEAST_DAYS: Final = 14
"""Let's Encrypt renews 30 days ahead: with 14 left a renewal has failed for two weeks."""

PRIVATE_NAMES: Final = (".localhost", ".local", ".internal", ".lan", ".home.arpa")
EXPIRED, SELF_SIGNED, NO_ISSUER, OTHER_HOST = 10, (18, 19), (20, 21), 62
"""OpenSSL's X509_V_ERR numbers."""


def _parts(patient: Patient) -> SplitResult:
    return urlsplit(patient.public_url)


def port_of(parts: SplitResult) -> int:
    """Return the port a URL leads to."""
    return parts.port or (443 if parts.scheme in ("https", "wss") else 80)


def as_signed(url: str) -> str:
    """Return the URL as Twilio signs it: over TLS without its port."""
    parts = urlsplit(url)
    if parts.scheme != "https" or parts.port is None:
        return url
    return parts._replace(netloc=parts.netloc.removesuffix(f":{parts.port}")).geturl()


def _address(host: str) -> Any:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def is_private(host: str) -> bool:
    """Say whether only this machine or its network knows this host."""
    literal = _address(host)
    if literal is not None:
        return not literal.is_global
    return host == "localhost" or host.endswith(PRIVATE_NAMES) or "." not in host


# ---------------------------------------------------------------- the URL as it is written


async def check_url(patient: Patient) -> list[Finding]:
    """Look at the public URL's form."""
    if not patient.public_url:
        return []  # the configuration's check says so
    parts = _parts(patient)
    findings = [*_scheme(parts), *_host(parts), *_path(parts)]
    return findings or [fine(URL, patient.public_url)]


def _scheme(parts: SplitResult) -> list[Finding]:
    if parts.scheme == "https":
        return []
    text = "the public URL is http: anybody on the way reads the calls, and Twilio opens media sockets over TLS alone"
    return [doubtful(URL, text, "put a TLS proxy or a tunnel in front, and write https:// in public_url")]


def _host(parts: SplitResult) -> list[Finding]:
    host = parts.hostname or ""
    if is_private(host):
        step = "use a name that the whole internet knows: a tunnel's (ngrok, cloudflared), or your proxy's"
        return [
            wrong(URL, f"{host} is known on this machine or its network alone: Twilio can't call it", step)
        ]
    written = parts.netloc.rpartition("@")[2]
    if written != written.lower():
        step = f"write {written.lower()}: signatures are made over exact text"
        return [doubtful(URL, f"{written} has capitals, which Twilio may sign in lower case", step)]
    return []


def _path(parts: SplitResult) -> list[Finding]:
    if parts.path:
        return [
            fine(URL, f"{parts.geturl()}; your proxy must take {parts.path} off before it asks the bridge")
        ]
    return []


# ---------------------------------------------------------------- its name


async def check_dns(patient: Patient) -> list[Finding]:
    """Ask for the public host's addresses."""
    host = _parts(patient).hostname or ""
    if not host or is_private(host) or _address(host) is not None:
        return []  # its form's check says so, or there is no name
    try:
        found = await patient.world.resolve(host)
    except (OSError, UnicodeError) as error:
        step = f"is the name spelled right, and its tunnel up? `nslookup {host}` must give an address"
        return [wrong(DNS, f"{host} has no address: {getattr(error, 'strerror', None) or error}", step)]
    return [_judged(host, found)]


def _judged(host: str, found: list[str]) -> Finding:
    shown = ", ".join(found[:4])
    if not found:
        return wrong(DNS, f"{host} has no address", "give it an A record, or start its tunnel")
    if all(is_private(address) for address in found):
        step = "if the internet is told another address, all is well: ask from outside. Else correct the A record"
        return doubtful(DNS, f"{host} is {shown} here, which only this network can reach", step)
    if all(":" in address for address in found):
        return doubtful(
            DNS, f"{host} has IPv6 addresses alone ({shown})", "add an A record: Twilio calls over IPv4"
        )
    return fine(DNS, f"{host} is {shown}")


# ---------------------------------------------------------------- its certificate


async def check_tls(patient: Patient) -> list[Finding]:
    """Shake hands with the public host over TLS and HTTP/1.1, and look at its certificate."""
    parts = _parts(patient)
    if parts.scheme != "https":
        return []
    host = parts.hostname or ""
    try:
        stream = await patient.world.open(host, port_of(parts), is_tls=True)
    except LinkError as error:
        if isinstance(error.__cause__, ssl.SSLError):
            return [_refused(parts, error.__cause__)]
        return []  # not reached at all: the way in's check says so
    assert isinstance(stream, trio.SSLStream)
    try:
        return [_valid(patient, host, stream.getpeercert())]
    finally:
        await trio.aclose_forcefully(stream)


def _valid(patient: Patient, host: str, certificate: Any) -> Finding:
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)
    days = (ends - patient.world.now()).days
    text = f"{host}: valid until {ends:%Y-%m-%d}, for {days} days more"
    if days < LEAST_DAYS:
        step = "renew it now, and look why that did not happen by itself (certbot renew, the proxy's log)"
        return doubtful(TLS, text, step)
    return fine(TLS, text)


def _refused(parts: SplitResult, error: ssl.SSLError) -> Finding:
    host, port = parts.hostname or "", port_of(parts)
    if "no application protocol" in str(error).lower().replace("_", " "):
        return wrong(
            TLS, f"{host} speaks HTTP/2 alone", "allow HTTP/1.1 there: Twilio and media sockets need it"
        )
    if not isinstance(error, ssl.SSLCertVerificationError):
        step = (
            f"does port {port} really speak TLS? `openssl s_client -connect {host}:{port}` shows what it says"
        )
        return wrong(TLS, f"{host}: no TLS: {error.reason or error}", step)
    steps = {
        EXPIRED: "renew it: Twilio refuses expired certificates",
        OTHER_HOST: f"get a certificate for {host}, or is the name of another server in public_url?",
        **dict.fromkeys(SELF_SIGNED, "get one of a public authority (Let's Encrypt): Twilio trusts no other"),
        **dict.fromkeys(NO_ISSUER, "serve the whole chain (fullchain.pem), or get one of a public authority"),
    }
    step = steps.get(error.verify_code, "get a certificate of a public authority for this name")
    return wrong(TLS, f"{host}: {error.verify_message}", step)
