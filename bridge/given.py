"""What a tool may ask for beside what the model says: which call it is, digits that nobody else may see, a key that is
the same for the same work, and a way to tell the caller how far it is.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NewType

from attrs import Factory, define, field, frozen

from bridge.text.validity import valid

INBOUND: Final = "inbound"
OUTBOUND: Final = "outbound"


@frozen(eq=False)
class SecretDigits:
    """Digits that a caller pressed for one tool alone: a PIN, a card's number. They print as nothing.

    >>> pin = SecretDigits("4711")
    >>> pin, str(pin), f"{pin}", len(pin)
    (SecretDigits(4 digits), '4 digits', '4 digits', 4)
    >>> pin.reveal() == "4711", pin == "4711", pin == SecretDigits("4711")
    (True, True, True)
    """

    _digits: str = field(default="", repr=False)

    def reveal(self) -> str:
        """Return the digits themselves."""
        return self._digits

    def __len__(self) -> int:
        return len(self._digits)

    def __str__(self) -> str:
        return f"{len(self)} digits"

    def __repr__(self) -> str:
        return f"SecretDigits({self})"

    def __eq__(self, other: object) -> bool:
        digits = other.reveal() if isinstance(other, SecretDigits) else other
        return self._digits == digits

    def __hash__(self) -> int:
        return hash(self._digits)


@frozen
class CallInfo:
    """The call in which a tool is run. In a test of a tool, make one with what the tool looks at.

    `caller` and `called` are as the tape shows them, masked where the configuration says so; a hidden caller is "".
    `direction` is inbound or outbound. `variables` are the agent's own, with what this call brought.

    >>> CallInfo(caller="+15550123456").caller
    '+15550123456'
    """

    id: str = ""
    caller: str = ""
    called: str = ""
    agent: str = ""
    variables: Mapping[str, str] = Factory(dict)
    elapsed_seconds: float = 0.0
    direction: str = INBOUND


IdempotencyKey = NewType("IdempotencyKey", str)
"""The same text whenever the model calls a tool with the same arguments in one call, and another one otherwise: for a
service that does the work once for each key."""

MOST_UPDATES: Final = 20
MOST_CHARACTERS: Final = 200


def _nobody(text: str) -> None:
    """Tell nobody: the tool is called as a function."""


@define(eq=False)
class Progress:
    """How a tool that takes long tells the caller how far it is, in a short line.

    Of one run 20 lines of 200 characters are taken, and the caller hears the newest when there is a moment for it. In
    a test of a tool, make one and look at what was `told`.

    >>> progress = Progress()
    >>> progress.update("I have found three flights")
    >>> progress.told
    ['I have found three flights']
    """

    _tell: Callable[[str], None] = _nobody
    told: list[str] = field(factory=list)

    def update(self, text: str) -> None:
        """Tell the newest; from a thread, too. It never waits."""
        if len(self.told) < MOST_UPDATES:
            words = " ".join(valid(str(text)).split())[:MOST_CHARACTERS]
            self.told.append(words)
            self._tell(words)


GIVEN: Final = (CallInfo, SecretDigits, Progress, IdempotencyKey)
"""The types by which a tool asks for it."""


@frozen
class Given:
    """What the bridge gives a tool that asks for it."""

    call: CallInfo = Factory(CallInfo)
    digits: SecretDigits = Factory(SecretDigits)
    progress: Progress = Factory(Progress)
    key: IdempotencyKey = IdempotencyKey("")

    def of(self, kind: Any) -> Any:
        """Return what a parameter of this type is given."""
        values = (self.call, self.digits, self.progress, self.key)
        return dict(zip(GIVEN, values, strict=True))[kind]
