"""TwiML: what Twilio is to do next with a call, always written by twilio's builder. Pure.

What each verb does: https://www.twilio.com/docs/voice/twiml
"""

import re
from typing import Final

from twilio.twiml.voice_response import VoiceResponse  # type: ignore[import-untyped]  # ships no types

from bridge.languages import Sentence
from bridge.wire.twilio import TOKEN_PARAMETER


def connect_twiml(*, stream_url: str, action_url: str, token: str) -> str:
    """Return TwiML that connects the caller to our media socket.

    Whichever way Twilio leaves the stream it asks `action_url` what comes next: by `action` when the stream
    ends as documented, by the redirect should it ever go on without asking.
    """
    response = VoiceResponse()
    stream = response.connect(action=action_url, method="POST").stream(url=stream_url)
    stream.parameter(name=TOKEN_PARAMETER, value=token)
    response.redirect(action_url, method="POST")
    return str(response)


NOT_IN_XML: Final = re.compile(r"[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 has no way to write: https://www.w3.org/TR/xml/#charsets"""

NOTHING: Final = Sentence("")


def hangup_twiml(say: Sentence = NOTHING) -> str:
    """Return TwiML that hangs up, after a sentence if there is one to say."""
    response = VoiceResponse()
    if say.text:
        response.say(NOT_IN_XML.sub("", say.text), language=say.language or None, voice=say.voice or None)
    response.hangup()
    return str(response)


def refusal_twiml(choice: str) -> str:
    """Return TwiML for a call that can't be taken: "busy", "reject", "queue:NAME", or the https URL of other TwiML.

    The first two cost nothing: the call is never answered.
    """
    response = VoiceResponse()
    kind, _, name = choice.partition(":")
    match kind:
        case "reject":
            response.reject(reason="rejected")
        case "queue":
            response.enqueue(name)
        case "https":
            response.redirect(choice, method="POST")
        case _:
            response.reject(reason="busy")
    return str(response)
