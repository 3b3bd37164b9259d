"""Having Twilio make one call, and no second one: what may be asked again is; what may have been done is looked for.

There is no key by which Twilio would know a request again. So after an answer that did not come its list of calls
to the number is read first; nobody is rung twice, and one who can't be found there is not rung again blindly.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

import structlog
import trio
from attrs import frozen

from bridge.errors import LinkError, UnsentError
from bridge.outbound.rest import Form, Rest, Seen
from bridge.outbound.twilio_errors import TOO_MANY, in_plain_words
from bridge.wire.retry_after import retry_after_ms

if TYPE_CHECKING:
    from bridge.links.https import Answer

PAUSES: Final = (1.0, 2.0, 4.0, 8.0)
"""Seconds between tries."""

LONGEST_PAUSE: Final = 15.0
LOOK_PAUSES: Final = (1.0, 3.0)
"""Before each look for a call that may have been made: it need not be in the list at once."""

SLACK: Final = timedelta(seconds=60)
"""By which a clock here and one at Twilio may differ."""

TOO_MANY_REQUESTS: Final = 429
log = structlog.get_logger(__name__)


@frozen
class Placed:
    """Twilio has made the call, under this SID."""

    sid: str


@frozen
class NotPlaced:
    """Twilio has not made the call, as far as can be known."""

    why: str
    status: int = 0
    code: int = 0


@frozen
class Placing:
    """One call to be made; `is_known` says of a SID that it is another call of ours."""

    rest: Rest
    form: Form
    is_known: Callable[[str], bool]
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def place(self) -> Placed | NotPlaced:
        """Have the call made."""
        began, why = self.now(), "Twilio could not be reached"
        for pause in (*PAUSES, None):
            try:
                answer = await self.rest.create(self.form)
            except UnsentError as error:
                why = f"Twilio's REST API {error}"
            except LinkError as error:
                if (found := await self._looked_for(began, str(error))) is not None:
                    return found
                why = f"Twilio's REST API: {error}"
            else:
                if (done := _read(answer)) is not None:
                    return done
                if not is_refused_unread(answer) and (found := await self._looked_for(began, "")) is not None:
                    return found
                why, pause = in_plain_words(answer.status, answer.json), _at_least(pause, answer)
            if pause is not None:
                await trio.sleep(pause)
        return NotPlaced(f"{why}; tried {len(PAUSES) + 1} times")

    async def _looked_for(self, began: datetime, why: str) -> Placed | NotPlaced | None:
        """Return the call if it was made all the same; None when it surely was not."""
        log.warning("Twilio did not say whether it made a call: looking for it", why=why)
        for pause in LOOK_PAUSES:
            await trio.sleep(pause)
            try:
                calls = await self.rest.calls_to(dict(self.form)["To"])
            except LinkError as error:
                return NotPlaced(
                    f"Twilio did not say whether it made the call, and then: {error}; not tried again"
                )
            if found := next(self._ours(calls, began), None):
                return Placed(found.sid)
        return None

    def _ours(self, calls: list[Seen], began: datetime) -> Iterator[Seen]:
        """Yield the calls that can only be the one that was asked for."""
        caller_id = dict(self.form)["From"]
        for call in calls:
            is_ours = call.sid and call.caller_id == caller_id and not self.is_known(call.sid)
            if is_ours and _is_since(call.created, began - SLACK):
                yield call


def is_refused_unread(answer: "Answer") -> bool:
    """Say whether Twilio has done nothing about a request, so that it may be made again."""
    return answer.status == TOO_MANY_REQUESTS or answer.json.get("code") in TOO_MANY


def _read(answer: "Answer") -> Placed | NotPlaced | None:
    """Return what a clear answer says; None for one after which the request may be made again."""
    body = answer.json
    if answer.status in (200, 201) and (sid := Seen.of(body).sid):
        return Placed(sid)
    if answer.status >= 500 or is_refused_unread(answer) or answer.status < 300:
        return None
    code = body.get("code")
    return NotPlaced(in_plain_words(answer.status, body), answer.status, code if isinstance(code, int) else 0)


def _at_least(pause: float | None, answer: "Answer") -> float | None:
    told_ms = retry_after_ms(answer.headers.get("retry-after", ""))
    return pause if pause is None or told_ms is None else min(max(pause, told_ms / 1000), LONGEST_PAUSE)


def _is_since(created: str, moment: datetime) -> bool:
    """Say whether a time as Twilio writes it is not before a moment; one that can't be read may be."""
    try:
        return parsedate_to_datetime(created) >= moment
    except (ValueError, TypeError):
        return True
