"""What somebody outside asks of a call: frozen values in the past tense. A call's other events stand in `events`."""

from attrs import frozen


@frozen
class Stopped:
    """Somebody outside ends the call; `say` is what the caller hears unless the agent says goodbye `within_ms`."""

    by: str
    why: str
    say: str = ""
    within_ms: int = 0
