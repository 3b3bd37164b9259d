"""TwiML: what Twilio is to do next with a call, always written by twilio's builder. Pure.

What each verb does: https://www.twilio.com/docs/voice/twiml
"""

import re
from typing import Any, Final, TypeAlias

from attrs import frozen
from twilio.twiml.voice_response import VoiceResponse  # ships no types

from bridge.agents import Agent
from bridge.heart.keys import HIDDEN
from bridge.heart.plans import (
    CollectDigits,
    Dial,
    GoTo,
    HangUp,
    JoinQueue,
    Plan,
    PressDigits,
    Step,
    TakeMessage,
)
from bridge.settings.languages import Sentence, spoken_code
from bridge.settings.places import Place, Voicemail
from bridge.wire.twilio import TOKEN_PARAMETER

TwiML: TypeAlias = Any
"""A verb of twilio's builder, which ships no types."""


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


def redirect_twiml(url: str) -> str:
    """Return TwiML that has Twilio ask somewhere else what to do with a call that rings."""
    response = VoiceResponse()
    response.redirect(url, method="POST")
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


# ---------------------------------------------------------------- away from the stream


@frozen
class Ways:
    """Where Twilio asks and tells about one excursion: when it is over, and what happens at the far end meanwhile."""

    back: str
    whisper: str = ""
    key: str = ""
    leg: str = ""
    recording: str = ""


@frozen
class Speaker:
    """How words are said to an agent's callers."""

    agent: Agent

    def say(self, parent: TwiML, words: str) -> None:
        """Add words to a verb that may hold some; none are said where there are none."""
        sentence = self.agent.sentence(words)
        if text := NOT_IN_XML.sub("", sentence.text).strip():
            parent.say(text, language=sentence.language or None, voice=sentence.voice or None)


def plan_twiml(plan: Plan, agent: Agent, ways: Ways, *, caller_id: str = "") -> str:
    """Return TwiML for a plan: its words, then its one step, after which Twilio asks `ways.back`."""
    response = VoiceResponse()
    speaker = Speaker(agent)
    for words in plan.say:
        speaker.say(response, words)
    _add_step(response, plan.step, speaker, ways, caller_id)
    return str(response)


def _add_step(response: TwiML, step: Step, speaker: Speaker, ways: Ways, caller_id: str) -> None:
    match step:
        case Dial():
            _add_dial(response, step.place, ways, caller_id)
        case PressDigits():
            response.play(
                digits=step.digits.replace(HIDDEN, "")
            )  # which stands for no key that could be pressed
            response.redirect(ways.back, method="POST")
        case CollectDigits():
            _add_gather(response, step, speaker, ways)
        case TakeMessage():
            _add_record(response, step.voicemail, speaker, ways)
        case JoinQueue():
            response.enqueue(NOT_IN_XML.sub("", step.name), action=ways.back, method="POST")
        case GoTo():
            response.redirect(step.url, method="POST")
        case HangUp():
            response.hangup()


EVENTS: Final = "initiated ringing answered completed"


def _add_dial(response: TwiML, place: Place, ways: Ways, caller_id: str) -> None:
    """Ring a place. What Twilio tells of its leg is told to the noun, not to the verb, but for a conference's."""
    if place.refer:
        response.refer(action=ways.back, method="POST").sip(place.refer)
        return
    dial = response.dial(
        action=ways.back,
        method="POST",
        timeout=place.ring_seconds,
        time_limit=place.talk_seconds,
        answer_on_bridge=True,
        caller_id=place.caller_id or caller_id or None,
    )
    told = {"status_callback": ways.leg, "status_callback_event": EVENTS} if ways.leg else {}
    if place.is_warm and ways.whisper:
        told |= {"url": ways.whisper, "method": "POST"}
    if place.number:
        dial.number(place.number, **told)
    elif place.sip:
        dial.sip(place.sip, **told)
    elif place.client:
        dial.client(place.client, **told)
    else:
        dial.conference(place.conference, end_conference_on_exit=False)


def _add_gather(response: TwiML, step: CollectDigits, speaker: Speaker, ways: Ways) -> None:
    gather = response.gather(
        input="dtmf",
        num_digits=step.count,
        timeout=step.seconds,
        finish_on_key="#",
        action_on_empty_result=True,
        action=ways.back,
        method="POST",
    )
    speaker.say(gather, step.say)


def _add_record(response: TwiML, voicemail: Voicemail, speaker: Speaker, ways: Ways) -> None:
    """Record a message; without an action of its own `<Record>` would ask for this same document, for ever."""
    speaker.say(response, voicemail.say)
    response.record(
        action=ways.back,
        method="POST",
        max_length=voicemail.max_seconds,
        timeout=voicemail.silence_seconds,
        finish_on_key="#",
        play_beep=voicemail.beep,
        recording_status_callback=ways.recording or None,
        recording_status_callback_event="completed absent" if ways.recording else None,
    )


WHISPER_TIMEOUT_SECONDS: Final = 10


def whisper_twiml(summary: str, agent: Agent, ways: Ways) -> str:
    """Return what whoever answers a warm transfer hears; without a key, which takes the call, they are hung up.

    A document that runs out would connect them. A lone `#` must count as a key, or it would be none at all.
    """
    response, speaker = VoiceResponse(), Speaker(agent)
    gather = response.gather(
        input="dtmf",
        num_digits=1,
        timeout=WHISPER_TIMEOUT_SECONDS,
        finish_on_key="",
        action_on_empty_result=True,
        action=ways.key,
        method="POST",
    )
    for words in (summary, ASKED_IN.get(spoken_code(next(iter(agent.languages), "en")), ASKED_IN["en"])):
        speaker.say(gather, words)
    response.hangup()
    return str(response)


ASKED_IN: Final = {
    "en": "Press 1 to take the call.",
    "de": "Drücken Sie die 1, um den Anruf anzunehmen.",
    "es": "Pulse 1 para aceptar la llamada.",
    "fr": "Appuyez sur 1 pour prendre l'appel.",
    "it": "Prema 1 per accettare la chiamata.",
    "nl": "Druk op 1 om het gesprek aan te nemen.",
    "pt": "Pressione 1 para atender a chamada.",
}
"""What is said to a colleague in the agent's language, where we know how."""

CONNECTED: Final = str(VoiceResponse())
"""For whoever has taken the call: a document that runs out connects them."""
