"""Which name the call of a webhook gets; among them one that comes back to its agent after it was elsewhere.

Twilio asks again under the same CallSid when a verb of the user's own TwiML that followed our stream is over (`<Dial
action>`, `<Redirect>`). Signatures have no time stamp, so that whoever has seen such a request could send it again for
ever. Each signed text opens one call, whatever its borders: decision 25.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from attrs import frozen

from bridge.calls.intake import Webhook
from bridge.tapes.reader import Known

NOBODY: Final = Known("*")
"""Stands for a call that was erased: no agent has that name."""

MOST_TURNS: Final = 9
"""Calls under one CallSid and one agent."""

LONGEST: Final = timedelta(hours=24)
"""No call of Twilio's lasts longer."""

Look = Callable[[str], Known | None]


@frozen
class Name:
    """What a new call is called, which one it is under its CallSid, and what the requests for those before said."""

    call_id: str
    turn: int = 1
    former: frozenset[str] = frozenset()


def name_for(webhook: Webhook, look: Look) -> Name | None:
    """Return the name of the call of this webhook: its CallSid, with the agent's name if another agent had it.

    None when it is no request for a new call: its call is over, and it is the same request again. `look` may block.
    """
    for call_id in (webhook.call_sid, f"{webhook.call_sid}-{webhook.agent.name}"):
        known = look(call_id)
        if known is None:
            return Name(call_id)
        if known == NOBODY:
            return None
        if known.is_of(*webhook.names):
            return _name_of_return(webhook, call_id, known, look)
    return None


def _name_of_return(webhook: Webhook, first_id: str, first: Known, look: Look) -> Name | None:
    if not comes_back(webhook) or not _is_recent(first):
        return None
    former = set[str]()
    for turn, known in enumerate(_turns(first_id, first, look), 1):
        if known is None:
            return Name(f"{first_id}-{turn}", turn, frozenset(former))
        if known == NOBODY or (known.is_of(*webhook.names) and not known.opened_by):
            return None  # nobody can say that it isn't the same request again
        if known.opened_by in webhook.marks:
            return None
        former.add(known.opened_by)
    return None


def _turns(first_id: str, first: Known, look: Look) -> Iterator[Known | None]:
    """Yield the first call under an id, each one after it, and None where there is none any more."""
    yield first
    for turn in range(2, MOST_TURNS + 1):
        yield look(f"{first_id}-{turn}")


def comes_back(webhook: Webhook) -> bool:
    """Say whether a webhook is of a call that goes on, and could be known if it came again."""
    return webhook.form.get("CallStatus") == "in-progress" and bool(webhook.marks)


def _is_recent(first: Known) -> bool:
    try:
        began = datetime.fromisoformat(first.started_at)
    except ValueError:
        return False
    return datetime.now(UTC) - began <= LONGEST
