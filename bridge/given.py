"""What a tool may ask for beside what the model says: which call it is, and digits that nobody else may see."""

from collections.abc import Mapping
from typing import Final

from attrs import Factory, field, frozen

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


@frozen
class Given:
    """What the bridge gives a tool that asks for it."""

    call: CallInfo = Factory(CallInfo)
    digits: SecretDigits = Factory(SecretDigits)
