"""What Twilio's REST API says when it does not make a call, in plain words: what is wrong, and what to do. Pure.

https://www.twilio.com/docs/api/errors has a page for each number.
"""

from collections.abc import Mapping
from typing import Any, Final

TOO_MANY: Final = frozenset({20429})
"""Never processed: the same request may be made again."""

ALREADY_OVER: Final = frozenset({20404, 21220})
"""What is said of a call that can't be ended any more."""

WORDS: Final[Mapping[int, str]] = {
    10004: "the account has as many calls at once as it may have; wait, or ask Twilio for more",
    20003: "Twilio does not take the account SID with our auth token; compare both with the console's Account Info",
    20404: "Twilio knows no such account or call; is [twilio] account_sid right, and api_url its region's?",
    20429: "too many requests at once; lower [outbound] calls_per_second",
    21205: "Twilio can't use our URL; [server] public_url has to be an address that the internet knows",
    21206: "the digits to send are no digits",
    21208: "Twilio does not ring for so long; lower ring_seconds",
    21210: "[outbound] caller_id is no number of the account, and not verified there; buy or verify it in the console",
    21211: "Twilio says that this is no phone number",
    21212: "[outbound] caller_id is no phone number that can call",
    21214: "this number can't be reached: it may be out of service, or a kind that can't be called",
    21215: "the account may not call this country; allow it in the console, Voice, Geographic permissions",
    21216: "Twilio blocks calls to this number, against fraud; for +1 the account needs a Primary Customer Profile",
    21217: "Twilio says that this is no phone number",
    21219: "a trial account calls verified numbers alone; verify this one in the console, or upgrade",
    21220: "the call is over",
    22005: "the call waited for more than a day in Twilio's queue",
    573002: "a trial account calls verified numbers alone; verify this one in the console, or upgrade",
    573005: "a trial account calls verified numbers alone; verify this one in the console, or upgrade",
}


def in_plain_words(status: int, body: Mapping[str, Any]) -> str:
    """Return why Twilio did not do what it was asked for, in one sentence with its number."""
    code, message = body.get("code"), body.get("message")
    number = code if isinstance(code, int) and not isinstance(code, bool) else 0
    if number in WORDS:
        return f"{WORDS[number]} (Twilio {number})"
    said = message[:200] if isinstance(message, str) and message else "nothing more"
    return f"Twilio refused with {f'error {number}' if number else f'HTTP {status}'}: {said}"
