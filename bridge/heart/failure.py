"""Why the model can't serve a caller, in the words that an agent's failure plan has for it. Pure.

Each is about what an operator would do next: look at the network, at the key and the settings, at the bill, at the
model's status page, or at the traceback.
"""

import re
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

Cause: TypeAlias = Literal["unreachable", "refused", "quota", "silent", "crashed"]

UNREACHABLE: Final[Cause] = "unreachable"
"""No session came to be in time: network, names, TLS, a server that is down."""

REFUSED: Final[Cause] = "refused"
"""The server is there and takes not us, or not the session that we ask for."""

QUOTA: Final[Cause] = "quota"
"""What was paid for is used up, or more is asked for than is allowed."""

SILENT: Final[Cause] = "silent"
"""The session is there, and no answer of it is heard."""

CRASHED: Final[Cause] = "crashed"
"""The session broke off within the call, or the bridge has a bug."""

OF_CODES: Final[Mapping[str, Cause]] = {
    "rate_limit_exceeded": QUOTA,
    "insufficient_quota": QUOTA,
    "credit_balance_exhausted": QUOTA,
    "invalid_api_key": REFUSED,
    "model_not_found": REFUSED,
    "missing_model": REFUSED,
    "beta_api_shape_disabled": REFUSED,
    "session_expired": CRASHED,
    "server_error": SILENT,
}
"""The codes of the model's errors that end a call, or are tried again until there is no time left."""

TOO_MANY_REQUESTS: Final = 429
STATUS: Final = re.compile(r"refused the connection with HTTP ([0-9]{3})")
"""In the sentence on a socket that could not be had: it is all that a tape keeps of it."""


def cause_of_error(code: str, kind: str = "", *, otherwise: Cause) -> Cause:
    """Return the cause that a model's error stands for, by its code, or its type where the code says nothing."""
    return OF_CODES.get(code) or OF_CODES.get(kind) or otherwise


def cause_of_door(why: str) -> Cause:
    """Return the cause that stands in the sentence on why the model's socket could not be had."""
    found = STATUS.search(why)
    status = int(found[1]) if found else 0
    if status == TOO_MANY_REQUESTS:
        return QUOTA
    return REFUSED if 400 <= status < 500 else UNREACHABLE
