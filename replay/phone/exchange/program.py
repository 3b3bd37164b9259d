"""TwiML run for one telephone: one program counter, which goes on behind a verb or with what its `action` answers.

What each verb does is in the modules beside it; which verb comes next is decided here."""

import secrets
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Literal

import attrs
import trio

from replay.phone.exchange.floor import Floor
from replay.phone.exchange.town import Delivery, Town
from replay.phone.instructions.orders import Orders
from replay.phone.instructions.verbs import Hangup, Leave, Redirect, Reject, Verb, name_of
from replay.phone.leg import Leg
from replay.phone.report import Asked, CallReport
from replay.phone.twiml import TwilioError, parse
from replay.phone.web import Courier, Form

MAX_DOCUMENTS = 1_000  # a call that asks for more runs in a circle
MAX_REDIRECTS = 3  # one after the other, with nothing between them
TOO_MANY_REDIRECTS = 11200

End = Literal["ran_out", "hung_up", "rejected", "left", "gone"]


Knows = Callable[[str], AbstractContextManager[Orders]]
"""Makes a leg known to REST for as long as a block lasts."""


@contextmanager
def unknown(_call_sid: str) -> Iterator[Orders]:
    """A leg that no REST endpoint knows."""
    yield Orders()


@contextmanager
def about(url: str) -> Iterator[None]:
    """An error that comes of the answer of this address says so."""
    try:
        yield
    except TwilioError as error:
        raise attrs.evolve(error, url=error.url or url) from error


@attrs.frozen
class Document:
    """What is still to be run, and where it came from; "" for TwiML that came by REST."""

    verbs: tuple[Verb, ...]
    url: str = ""
    end: End | None = None  # why nothing of it is run


@attrs.frozen
class Outcome:
    """What came of a verb: `form` is asked for at its action; without one, the next verb runs. `end` ends it all."""

    form: Form | None = None
    end: End | None = None


@attrs.define(eq=False, kw_only=True)
class Program:
    """Runs documents for one telephone, with everything that its verbs need."""

    leg: Leg
    courier: Courier
    report: CallReport
    town: Town
    floor: Floor
    nursery: trio.Nursery
    doers: Mapping[type[Verb], "Doer"]
    api_url: str = "https://api.twilio.com"
    knows: Knows = unknown
    more_form: Form = attrs.field(factory=list)  # beside the parameters of every request
    _documents: int = 0
    _redirects: int = 0

    async def run(self, document: Document) -> End:
        """Run a document to its end."""
        while document.verbs:
            document = await self.step(document)
        return document.end or "ran_out"

    async def step(self, document: Document) -> Document:
        """Run its first verb; what comes after it."""
        verb, rest = document.verbs[0], attrs.evolve(document, verbs=document.verbs[1:])
        if self.leg.is_gone:
            return _ended(document, "gone")
        match verb:
            case Redirect():
                self._redirects += 1
                if self._redirects > MAX_REDIRECTS:
                    text = f"more than {MAX_REDIRECTS} redirects, the last to {verb.url}"
                    raise TwilioError(TOO_MANY_REDIRECTS, text)
                return await self._ask("redirect", verb.url, verb.method, [])
            case Hangup():
                return _ended(document, "hung_up")
            case Reject():
                return _ended(document, "rejected")
            case Leave():
                return _ended(document, "left")
        if (doer := self.doers.get(type(verb))) is None:
            self.report.warn(12200, f"<{type(verb).__name__}> has no place here")
            return rest
        with about(document.url):
            outcome = await doer(self, verb)
        return await self._after(verb, outcome, rest)

    async def _after(self, verb: Verb, outcome: Outcome, rest: Document) -> Document:
        self._redirects = 0
        action, method = self._action_of(verb, rest)
        if self.leg.is_gone or outcome.end is not None:
            if action is not None and outcome.form is not None:
                self._tell_of_the_end(verb, action, method, outcome.form)
            return _ended(rest, outcome.end or "gone")
        if action is None or outcome.form is None:
            return rest
        return await self._ask(name_of(verb), action, method, outcome.form)

    def _action_of(self, verb: Verb, rest: Document) -> tuple[str | None, str]:
        """Where a verb's outcome is told: for some it is the document itself that is asked for again."""
        action: str | None = getattr(verb, "action", None)
        if action is None and name_of(verb) in ("gather", "record"):
            action = rest.url or None
        return action, getattr(verb, "method", "POST")

    # ---------------------------------------------------------------- requests

    async def fetch(
        self, verb: str, url: str, method: str, form: Form, *, token: str | None = None
    ) -> Document:
        """Ask for a document, now and once; a `token` is that of a request delivered before."""
        self._documents += 1
        if self._documents > MAX_DOCUMENTS:
            raise TwilioError(TOO_MANY_REDIRECTS, f"more than {MAX_DOCUMENTS} documents, the last {url}")
        more = [*self.more_form, *form]
        at_ms = self.floor.now_ms
        with about(url):
            status, body = await self.courier.twiml(url, "in-progress", method, more=more, token=token)
            self.report.asked.append(Asked(verb, url, status, body, at_ms))
            self.report.note("twiml", url=url, status=status)
            return Document(parse(body, url, self.report.warn), url)

    async def _ask(self, verb: str, url: str, method: str, form: Form) -> Document:
        """Ask what comes next, delivered as the town's Twilio does it."""
        behaviour = self.town.behaviour
        delivery: Delivery = behaviour.actions.get(verb, "once")
        token = secrets.token_hex(16)
        with self.leg.while_there():
            if delivery == "never":
                self.report.note("never_asked", url=url)
                await trio.sleep_forever()
            if delivery == "late":
                await trio.sleep(behaviour.action_late_ms / 1000)
            document = await self.fetch(verb, url, method, form, token=token)
            if delivery == "twice":
                document = await self.fetch(verb, url, method, form, token=token)
            if delivery == "again":
                self.nursery.start_soon(self._ask_again, verb, url, method, form)
            return document
        return Document((), end="gone")

    async def _ask_again(self, verb: str, url: str, method: str, form: Form) -> None:
        """Deliver a request that was answered long ago; nobody runs what comes back."""
        await trio.sleep(self.town.behaviour.action_late_ms / 1000)
        try:
            status, body = await self.courier.twiml(url, "in-progress", method, more=[*self.more_form, *form])
        except TwilioError as error:
            status, body = error.http_status or 0, b""
        self.report.asked.append(Asked(f"{verb} again", url, status, body, self.floor.now_ms))
        self.report.note("asked_again", url=url, status=status)

    def _tell_of_the_end(self, verb: Verb, action: str, method: str, form: Form) -> None:
        """Ask at the action of a verb that the end of the call interrupted, where Twilio does so; nobody reads it."""
        if name_of(verb) == "record" or self.town.behaviour.action_after_hang_up:
            self.tell(f"{name_of(verb)} after the end", action, method, form, status="completed")

    def tell(self, verb: str, url: str, method: str, form: Form, *, status: str) -> None:
        """Make a request whose answer nobody reads, beside the call."""
        words = [*self.courier.call_form(status), *self.more_form, *form]
        self.nursery.start_soon(self._tell, verb, url, words, method, name=f"phone: {verb}")

    async def _tell(self, verb: str, url: str, form: Form, method: str) -> None:
        at_ms = self.floor.now_ms
        self.report.asked.append(Asked(verb, url, await self.courier.tell(url, form, method), b"", at_ms))


def _ended(document: Document, end: End) -> Document:
    return attrs.evolve(document, verbs=(), end=end)


Doer = Callable[[Program, Any], Awaitable[Outcome]]  # each is given verbs of its own kind alone
