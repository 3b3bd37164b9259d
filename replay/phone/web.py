"""Twilio's HTTP requests to the bridge: forms with all their oddities, signed, with Twilio's time limits.

It also knows where the bytes of a public URL really go."""

import functools
import secrets
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from urllib.parse import SplitResult, urlencode, urlsplit, urlunsplit

import attrs
import httpx2
import trio

from replay.phone.instructions.overrides import CONNECT, READ, Overrides, kind_of, overrides_of
from replay.phone.script import Account, Signature
from replay.phone.signing import Signed, sign, signature_headers, signed_url
from replay.phone.socket import Target
from replay.phone.twiml import BAD_URL, TwilioError

CONNECT_TIMEOUT_S = 10
ANSWER_TIMEOUT_S = 15
RETRIEVAL_FAILED, TOO_SLOW, BAD_OVERRIDE, BAD_CONTENT_TYPE = 11200, 11205, 11243, 12300
MAX_ANSWER_BYTES = 1_048_576  # TwiML is at most 64 kB
TWIML_TYPES = ("text/xml", "application/xml", "text/html")
EMPTY_TWIML = b"<Response/>"
TWILIO_ADDRESS = "203.0.113.7"  # of the addresses that are kept for documentation

Form = list[tuple[str, str]]

USUAL_PARAMETERS: Form = [
    ("CallToken", "%7B%22parentCallInfoToken%22%3A%22golden%22%7D"),
    ("FromCity", ""),
    ("FromZip", ""),
    ("StirVerstat", "TN-Validation-Passed-A"),
]
"""What calls carry besides the documented parameters."""

# What a call may carry as well, one day: every one must reach the signature check unharmed. Servers that read a form
# into a dictionary can't check a name that comes twice; so none of it is sent unless a scenario asks for it.
ODD_PARAMETERS: Form = [
    ("CallerName", "Zoë Łuk & Söhne = 100%"),
    ("X-New-Parameter", " a+b c;d/é?#"),
    ("x-lower", "sorts after the capitals"),
]
REPEATED_PARAMETERS: Form = [("X-Repeated", "one"), ("X-Repeated", "two")]


@attrs.frozen
class Answer:
    """What the bridge answered to one request."""

    status: int
    body: bytes
    content_type: str = ""
    signed: Signed | None = None


@attrs.frozen
class Route:
    """Where the public host's bytes go: to `via` over plain TCP, or to the host itself over TLS.

    With `via`, no other host is contacted but those of `vias`, each by its own: a call on one machine stays on it."""

    public: SplitResult
    via: SplitResult | None
    also_hosts: frozenset[str] | None = None  # without `via`: other hosts that may be asked; None for any
    vias: Mapping[str, SplitResult] = attrs.field(factory=dict)  # with `via`: other hosts by their names

    def http(self, url: str) -> tuple[str, str]:
        """The URL to really request, and its Host header."""
        parts = _split(url)._replace(fragment="")
        if self.via is None:
            return urlunsplit(parts), self._allowed_host(parts)
        host, via = self._public_host(parts), self.vias.get(parts.hostname or "", self.via)
        return urlunsplit(parts._replace(scheme=via.scheme, netloc=via.netloc)), host

    def socket(self, url: str) -> Target:
        """The connection to really open for a wss:// URL."""
        parts = _split(url)
        if self.via is None:
            return Target(parts.hostname or "", parts.port or 443, True, url, self._allowed_host(parts))
        via = self.vias.get(parts.hostname or "", self.via)
        is_tls = via.scheme == "https"
        port = via.port or (443 if is_tls else 80)
        host = self._public_host(parts)
        return Target(via.hostname or "", port, is_tls, url, host, self.forwarded(host))

    def forwarded(self, host: str) -> dict[str, str]:
        """What a proxy adds that takes TLS off: the server behind it sees plain HTTP, and what is signed is https."""
        if self.via is None or self.via.scheme == "https" or self.public.scheme in ("http", "ws"):
            return {}
        return {"X-Forwarded-For": TWILIO_ADDRESS, "X-Forwarded-Host": host, "X-Forwarded-Proto": "https"}

    def _allowed_host(self, parts: SplitResult) -> str:
        if self.also_hosts is None or parts.hostname in self.also_hosts:
            return parts.netloc.rpartition("@")[2]
        return self._public_host(parts)

    def _public_host(self, parts: SplitResult) -> str:
        if parts.hostname != self.public.hostname and parts.hostname not in self.vias:
            raise TwilioError(
                BAD_URL, f"{parts.hostname} is not {self.public.hostname}, the only host this call knows"
            )
        return parts.netloc.rpartition("@")[2]


@attrs.frozen
class Courier:
    """Carries one call's requests. Any number may be under way at once."""

    account: Account
    call_sid: str
    route: Route
    _client: httpx2.AsyncClient
    direction: str = "inbound"
    parent_call_sid: str = ""

    def for_leg(self, call_sid: str, account: Account) -> "Courier":
        """The courier of a leg that was dialled from this call; the account has who rings whom there."""
        return attrs.evolve(
            self,
            call_sid=call_sid,
            account=account,
            direction="outbound-dial",
            parent_call_sid=self.call_sid,
        )

    async def twiml(
        self,
        url: str,
        status: str,
        method: str = "POST",
        *,
        signature: Signature = "right",
        times: int = 1,
        more: Form | None = None,
        token: str | None = None,
    ) -> tuple[int, bytes]:
        """Ask for TwiML; TwilioError when what comes back is not an answer Twilio would read.

        `more` is asked beside the call's parameters; `token` is the idempotency token of a request made before."""
        token = token or secrets.token_hex(16)
        form = [*self.call_form(status), *(more or [])]
        for _ in range(times):
            answer = await self._request(url, form, method, signature, token)
        if answer.status not in (200, 204):
            raise TwilioError(
                RETRIEVAL_FAILED, f"{url} answered {answer.status}", answer.status, signed=answer.signed
            )
        if answer.status == 204 or not answer.body:
            return answer.status, EMPTY_TWIML
        if answer.content_type not in TWIML_TYPES:
            raise TwilioError(BAD_CONTENT_TYPE, f"{url}: Content-Type {answer.content_type!r}", answer.status)
        return answer.status, answer.body

    async def tell(self, url: str, form: Form, method: str = "POST") -> int:
        """Deliver a status callback; its HTTP status, 0 when there was no answer."""
        try:
            return (await self._request(url, form, method, "right", secrets.token_hex(16))).status
        except TwilioError:
            return 0

    def call_form(self, status: str) -> Form:
        """The parameters of a voice webhook."""
        account = self.account
        ends = [
            ("From", account.caller),
            ("Caller", account.caller),
            ("To", account.number),
            ("Called", account.number),
        ]
        return [
            ("AccountSid", account.account_sid),
            ("ApiVersion", "2010-04-01"),
            ("CallSid", self.call_sid),
            ("CallStatus", status),
            ("Direction", self.direction),
            *([("ParentCallSid", self.parent_call_sid)] if self.parent_call_sid else []),
            *ends,
            *((f"{name}Country", "US") for name, _ in ends),
            *USUAL_PARAMETERS,
            *(ODD_PARAMETERS if account.odd_parameters else ()),
            *(REPEATED_PARAMETERS if account.odd_parameters and account.repeated_parameters else ()),
        ]

    async def _request(self, url: str, form: Form, method: str, signature: Signature, token: str) -> Answer:
        if method == "GET":
            parts = urlsplit(url)
            query = "&".join(part for part in (parts.query, urlencode(form)) if part)
            url, form = urlunsplit(parts._replace(query=query)), []
        target, host = self.route.http(url)
        is_even = int(token[-1], 16) % 2 == 0
        told = self._signature(url, form, signature, is_even=is_even)
        signed = Signed(signed_url(url), tuple(form), told)
        headers = {"Host": host, "I-Twilio-Idempotency-Token": token, **self.route.forwarded(host), **told}
        if method == "POST":
            headers["Content-Type"] = "application/x-www-form-urlencoded; charset=UTF-8"
        content = urlencode(form).encode() if method == "POST" else None
        try:
            over = overrides_of(url)
        except ValueError as error:
            raise TwilioError(BAD_OVERRIDE, f"{url[:200]}: {error}") from error
        timeout = httpx2.Timeout(over.read_s, connect=over.connect_s)
        request = partial(
            self._client.build_request, method, target, content=content, headers=headers, timeout=timeout
        )
        try:
            with trio.fail_after(over.total_s):
                return attrs.evolve(await self._patiently(request, over), signed=signed)
        except (trio.TooSlowError, httpx2.TimeoutException) as error:
            raise TwilioError(TOO_SLOW, f"{url}: no answer in {over.total_s:g} s") from error
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:  # the last for names no DNS knows
            raise TwilioError(RETRIEVAL_FAILED, f"{url}: {error!r}") from error

    async def _patiently(self, request: Callable[[], httpx2.Request], over: Overrides) -> Answer:
        """The answer to a request that is made again where its address asks for that."""
        for _ in range(over.retries):
            try:
                with trio.fail_after(over.read_s):
                    answer = await self._answer(request())
                if not over.retry(kind_of(answer.status)):
                    return answer
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                if not over.retry(CONNECT):
                    raise
            except (trio.TooSlowError, httpx2.ReadTimeout):
                if not over.retry(READ):
                    raise
        with trio.fail_after(over.read_s):
            return await self._answer(request())

    async def _answer(self, request: httpx2.Request) -> Answer:
        response, body = await self._client.send(request, stream=True), bytearray()
        # To leave the loop would leave its generators half used; to be cancelled inside ends them in order.
        with trio.CancelScope() as too_much:
            async for part in response.aiter_raw():
                body += part
                if len(body) > MAX_ANSWER_BYTES:
                    too_much.cancel(reason="an answer without end")
        await response.aclose()
        if len(body) > MAX_ANSWER_BYTES:
            text = f"{request.url} answered more than {MAX_ANSWER_BYTES} bytes"
            raise TwilioError(RETRIEVAL_FAILED, text, response.status_code)
        if (encoding := response.headers.get("content-encoding", "identity")) != "identity":
            text = f"{request.url} answered in {encoding!r}, which was not asked for"
            raise TwilioError(RETRIEVAL_FAILED, text, response.status_code)
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        return Answer(response.status_code, bytes(body), kind)

    def _signature(self, url: str, form: Form, signature: Signature, *, is_even: bool) -> dict[str, str]:
        if signature == "none":
            return {}
        if signature != "right":
            return {"X-Twilio-Signature": sign(signed_url(url), form, "some-other-token")}
        account = self.account
        return signature_headers(account, signed_url(url), form, by=account.signed_by, is_even=is_even)


@asynccontextmanager
async def open_courier(account: Account, call_sid: str, route: Route) -> AsyncIterator[Courier]:
    """A courier for one call; its connections end with the block."""
    is_tls = route.via is None or route.via.scheme == "https"
    async with httpx2.AsyncClient(
        verify=_tls() if is_tls else False,
        trust_env=is_tls,  # a proxy of this machine must not come between two of its own ports
        headers={"User-Agent": "TwilioProxy/1.1", "Accept": "*/*", "Accept-Encoding": "identity"},
        limits=httpx2.Limits(max_keepalive_connections=0),  # an idle one may close just as it is used again
        timeout=httpx2.Timeout(ANSWER_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
    ) as client:
        yield Courier(account, call_sid, route, client)


@functools.cache
def _tls() -> ssl.SSLContext:
    """One for all calls: to load the roots takes 20 ms, in which no other call gets its frames."""
    return httpx2.create_ssl_context()


def _split(url: str) -> SplitResult:
    """The parts of a URL a bridge gave us, which may be none."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  (asked for its ValueError)
    except ValueError as error:
        raise TwilioError(BAD_URL, f"{url[:200]!r}: {error}") from error
    return parts
