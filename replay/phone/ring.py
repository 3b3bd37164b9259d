"""A stand-in for Twilio that rings a Media Streams server: webhook, TwiML, media socket, action, callbacks.
With `ring_stream`, a bare media socket and nothing around it.

What the caller does is a `Caller`, who else can be reached and how Twilio behaves is a `Town`; what became of the call
is a `CallReport`. It makes one inbound call; `open_rest` makes those that a bridge asks for."""

import re
import secrets
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, nullcontext
from urllib.parse import SplitResult, urlsplit, urlunsplit

import attrs
import trio

from bridge.errors import BridgeError
from replay.phone import twiml
from replay.phone.exchange.call import Call
from replay.phone.exchange.callbacks import Callbacks
from replay.phone.exchange.program import unknown
from replay.phone.exchange.town import Town
from replay.phone.instructions.orders import Orders
from replay.phone.report import CallReport, OnEvent
from replay.phone.rest import Rest
from replay.phone.script import Account, Caller
from replay.phone.web import Route, open_courier

__all__ = ["Account", "CallReport", "Caller", "Destination", "ring", "ring_at", "ring_stream"]

DEFAULT_ACCOUNT = Account()
TOTAL_MS = 120_000
DEFAULT_TOWN = Town()
TO_HINT = "--to https://bridge.example.com/voice/front-desk, or --to ws://127.0.0.1:8080/media"
API_URL = "https://api.twilio.com"


@attrs.frozen
class Destination:
    """Who is rung: `url` is the public one, the one that is signed; with `via`, all bytes go there."""

    url: str
    via: str | None
    has_twiml: bool
    also_hosts: tuple[str, ...] = ()

    @property
    def address(self) -> tuple[str, int | None]:
        """The host and the port that its bytes really go to; None where none is named."""
        parts = urlsplit(self.via or self.url)
        return parts.hostname or "", parts.port


class DestinationError(BridgeError):
    """Nobody can be rung there: what was found, and what to say instead."""

    def __init__(self, found: str, instead: str) -> None:
        super().__init__(f"{found}: use {instead}")
        self.found, self.instead = found, instead


def destination(to: str, public_url: str | None = None, also_hosts: tuple[str, ...] = ()) -> Destination:
    """Return who is meant by an address, and the public one that it stands for. Raises `DestinationError`."""
    parts = _split("--to", to, ("https", "http", "wss", "ws"), TO_HINT)
    is_media = parts.scheme in ("wss", "ws")
    if is_media and parts.query:
        found = "--to has a query: Twilio drops it from a stream's URL"
        raise DestinationError(found, "-p NAME=VALUE, which arrives in `start`")
    if public_url is None:
        via = f"http://{parts.netloc}" if parts.scheme in ("http", "ws") else None
        return Destination(to, via, not is_media, also_hosts)
    public = _split("--public-url", public_url, ("https", "http"), "--public-url https://bridge.example.com")
    if public.path.strip("/") or public.query:
        found = "--public-url has a path: the path is that of --to"
        raise DestinationError(found, f"--public-url https://{public.netloc}")
    scheme = {"https": "wss", "http": "ws"}[public.scheme] if is_media else public.scheme
    via = f"{'https' if parts.scheme in ('https', 'wss') else 'http'}://{parts.netloc}"
    url = urlunsplit(parts._replace(scheme=scheme, netloc=public.netloc))
    return Destination(url, via, not is_media, also_hosts)


def _split(option: str, url: str, schemes: tuple[str, ...], hint: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or re.search(r"[\s@\x00-\x1f]", url):
        raise DestinationError(f"{option}: not a URL that can be rung", hint)
    return parts._replace(path=parts.path or "/", fragment="")


async def ring_at(
    to: Destination,
    caller: Caller,
    *,
    account: Account = DEFAULT_ACCOUNT,
    on_event: OnEvent | None = None,
    total_ms: int = TOTAL_MS,
    town: Town = DEFAULT_TOWN,
    fallback: str | None = None,
    parameters: Mapping[str, str] | None = None,
) -> CallReport:
    """Make one call to a webhook or to a bare media socket, whichever it is; `parameters` are for the latter alone."""
    if to.has_twiml:
        return await ring(
            caller,
            webhook=to.url,
            via=to.via,
            account=account,
            on_event=on_event,
            also_hosts=to.also_hosts,
            total_ms=total_ms,
            town=town,
            fallback=fallback,
        )
    return await ring_stream(
        caller,
        url=to.url,
        via=to.via,
        parameters=parameters,
        account=account,
        on_event=on_event,
        total_ms=total_ms,
    )


async def ring(
    caller: Caller,
    *,
    webhook: str,
    via: str | None = None,
    account: Account = DEFAULT_ACCOUNT,
    call_sid: str | None = None,
    on_event: OnEvent | None = None,
    status_url: str | None = None,
    also_hosts: Iterable[str] | None = None,
    vias: Mapping[str, str] | None = None,
    total_ms: int = TOTAL_MS,
    rest: Rest | None = None,
    town: Town = DEFAULT_TOWN,
    fallback: str | None = None,
) -> CallReport:
    """Make one call, of total_ms at most, in real time. What the bridge does wrong is reported, never raised.

    `webhook` is the public URL, the one that is signed; with `via`, a URL without a path, all bytes go there, but for
    those to the hosts in `vias`, each of which has one of its own.
    With `also_hosts`, TwiML can send the call to the webhook's host and to these, and nowhere else.
    With `rest`, the call can be ended and redirected there while it lasts. `town` has whoever it can be transferred to.
    `fallback` is asked where an answer can't be had or done, as a number's second URL is.
    """
    report = CallReport(call_sid=call_sid or _sid("CA"), on_event=on_event)
    hosts = None if also_hosts is None else frozenset(also_hosts)
    others = {name: urlsplit(way) for name, way in (vias or {}).items()}
    route = Route(urlsplit(webhook), urlsplit(via) if via else None, hosts, others)
    with rest.knows(report.call_sid) if rest else nullcontext(Orders()) as orders:
        async with _open_call(
            caller,
            town.account(account),
            route,
            report,
            total_ms=total_ms,
            status_url=status_url,
            town=town,
            orders=orders,
            rest=rest,
            fallback=fallback,
        ) as call:
            if rest:
                rest.keeps(report)
            await call.run(webhook)
    return report


async def ring_stream(
    caller: Caller,
    *,
    url: str,
    via: str | None = None,
    parameters: Mapping[str, str] | None = None,
    account: Account = DEFAULT_ACCOUNT,
    on_event: OnEvent | None = None,
    total_ms: int = TOTAL_MS,
) -> CallReport:
    """Make one call to a ws:// or wss:// media socket, with no webhook before and no TwiML after it.

    `url` is the one that is signed; with `via`, an http:// or https:// URL, all bytes go there. `parameters` arrive
    in `start` as customParameters. What the server does wrong is reported, never raised."""
    report = CallReport(call_sid=_sid("CA"), on_event=on_event)
    parts = urlsplit(url)
    way = urlsplit(via) if via else parts._replace(scheme="http") if parts.scheme == "ws" else None
    async with _open_call(caller, account, Route(parts, way), report, total_ms=total_ms) as call:
        await call.run_stream(twiml.Stream(url, parameters or {}))
    return report


@asynccontextmanager
async def _open_call(
    caller: Caller,
    account: Account,
    route: Route,
    report: CallReport,
    *,
    total_ms: int,
    status_url: str | None = None,
    town: Town = DEFAULT_TOWN,
    orders: Orders | None = None,
    rest: Rest | None = None,
    fallback: str | None = None,
) -> AsyncIterator[Call]:
    """A call that is over after total_ms, whatever happens."""
    with trio.move_on_after(total_ms / 1000) as limit:
        async with open_courier(account, report.call_sid, route) as courier, trio.open_nursery() as nursery:
            call = Call(
                caller=caller,
                account=account,
                route=route,
                courier=courier,
                report=report,
                callbacks=Callbacks(courier, report, nursery, status_url),
                nursery=nursery,
                town=town,
                orders=orders or Orders(),
                api_url=rest.url if rest else API_URL,
                knows=rest.knows if rest else unknown,
                fallback=fallback,
            )
            yield call
            report.unreached = call.unreached
    if limit.cancelled_caught:
        report.fail(f"not over after {total_ms} ms")


def _sid(prefix: str) -> str:
    return prefix + secrets.token_hex(16)
