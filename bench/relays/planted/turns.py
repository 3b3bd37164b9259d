"""When a response may be asked for, in the relay with switches: one at a time, and never into the caller's words."""

from attrs import define


@define
class Turns:
    """Where the conversation is, from the model's events. What is owed is asked for once nothing is in the way."""

    active: str = ""
    """The response that is being made, if any."""
    cut: str = ""
    """The response of which nothing more is to be heard."""
    is_caller_speaking: bool = False
    is_expected: bool = False
    """A response was asked for, or the service makes one by itself."""
    is_owed: bool = False

    def ask(self) -> bool:
        """Say whether a response that is owed is to be created now; if so, it is expected from here on."""
        if not self.is_owed or self.active or self.is_expected or self.is_caller_speaking:
            return False
        self.is_owed, self.is_expected = False, True
        return True

    def caller_began(self) -> None:
        """The caller speaks: the service cancels what it was saying."""
        self.is_caller_speaking, self.is_expected = True, False
        self.cut = self.active or self.cut

    def caller_ended(self) -> None:
        """The caller's turn is over: the service answers it by itself, and the tools that were answered with it."""
        self.is_caller_speaking, self.is_expected, self.is_owed = False, True, False

    def began(self, response_id: str) -> None:
        """A response is being made."""
        self.active, self.is_expected = response_id, False

    def ended(self) -> None:
        """The response is complete, or cancelled."""
        self.active = ""
