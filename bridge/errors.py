"""Errors named for what went wrong. Every message says what was found, where, and what to do about it."""

from typing import Final

from bridge.text.validity import valid


class BridgeError(Exception):
    """The root of every error this project raises on purpose; whatever it quotes, it can be written."""

    def __init__(self, message: str = "") -> None:
        super().__init__(valid(message))


class ConfigError(BridgeError):
    """The configuration can't be used; `faults` has one complete sentence per fault."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = [valid(fault) for fault in faults]


class ToolError(BridgeError):
    """A tool can't be declared or loaded as written."""


class ToolArgumentsError(BridgeError):
    """The model called a tool with arguments that its schema does not allow."""


class TapeError(BridgeError):
    """A tape can't be read as one: not a tape at all, or of a format number this version does not know."""


class LinkError(BridgeError):
    """A peer can't be reached, or refused the connection; the message says which and why."""


class UnsentError(LinkError):
    """A request did not leave: whoever was to get it has done nothing about it, and it can be made again."""


class OutboundError(BridgeError):
    """A call can't be made; `reason` says why in one word, the message in a sentence."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class DoorShutError(LinkError):
    """A peer can't be reached now, and perhaps in a moment: `kind` says how it failed, in few words that are known
    beforehand; it asked to be left alone for `after_ms`."""

    def __init__(self, message: str, kind: str, after_ms: int = 0) -> None:
        super().__init__(message)
        self.kind = kind
        self.after_ms = after_ms


class StoreError(BridgeError):
    """The database can't be used as it is."""


class HeldError(StoreError):
    """Another process holds the database; in a moment it may not."""


class LakeError(StoreError):
    """The lake can't be used now, or not as it is."""


class SlowError(StoreError):
    """The database could tell, but not in the time there is."""


class NewerError(StoreError):
    """The database was made by a newer version; `schema` is its number."""

    def __init__(self, message: str, schema: int) -> None:
        super().__init__(message)
        self.schema = schema


class ObjectError(BridgeError):
    """Object storage can't be used now, refuses, or does not have what was asked for."""


class NoObjectError(ObjectError):
    """There is no such object, though there is storage."""


class TakenError(ObjectError):
    """There is an object of this name already."""


class ForgetError(BridgeError):
    """A call can't be erased now: it is going on, or it is not known which one is meant."""


def first_of(error: BaseException) -> BaseException:
    """Return the first plain error in a group of groups, or the error itself."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


MOST_CHARACTERS: Final = 500
SPEECHLESS: Final = "an error that can't be put into words"


def in_words(error: BaseException) -> str:
    """Return what an error says of itself, bounded and as valid text, whatever its own code does when it is asked."""
    try:
        first = first_of(error)
        return valid(f"{type(first).__name__}: {first}"[:MOST_CHARACTERS])
    except BaseException:  # somebody else's `__str__`
        return SPEECHLESS


def fault_of(error: BaseException) -> str:
    """Return our own errors, and the system's, as the sentences that they are; of any other its name too."""
    return valid(str(error)) if isinstance(error, BridgeError | OSError) else in_words(error)
