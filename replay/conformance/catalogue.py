"""What is looked for: each check with what a caller notices where it fails, and how bridges do it that pass."""

from typing import Final

from replay.conformance.card import Check

GREETING_HEARD: Final = Check(
    "greeting-heard",
    "the greeting is heard, soon and whole",
    "they say hello into a dead line, or hear the greeting from its middle on",
    "they ask for the first response once the session is there, and send no audio before `start` told the streamSid",
)
ONE_GREETING: Final = Check(
    "one-greeting",
    "the caller is greeted once",
    "the agent greets them, and then greets them again",
    "they ask for one response when the session is ready, and for none when `start` comes as well",
)
SESSION_LEFT: Final = Check(
    "session-left",
    "the model's session is left when the caller is gone",
    "nothing; the model goes on listening to silence, and its session is paid for until it expires",
    "they close the model's socket when `stop` comes and when the media socket ends without one",
)

CHECKS: Final = (GREETING_HEARD, ONE_GREETING, SESSION_LEFT)
