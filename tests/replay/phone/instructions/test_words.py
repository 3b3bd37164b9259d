"""Verbs in words."""

from replay.phone.instructions.words import in_words
from replay.phone.twiml import parse

DOCUMENT = """<Response>
<Connect><Stream url="wss://b.example.com/m"/></Connect><Say>Hello there.</Say><Pause length="2"/><Play digits="1w2"/>
<Play>https://b.example.com/a.wav</Play><Gather numDigits="4"/><Gather/><Record maxLength="60"/>
<Dial><Number>+15550199</Number><Client>anna</Client></Dial><Enqueue>support</Enqueue><Refer><Sip>sip:a@b.c</Sip></Refer>
<Redirect>https://b.example.com/next</Redirect><Reject reason="busy"/><Hangup/></Response>"""


def test_each_says_what_matters_of_it() -> None:
    assert [in_words(verb) for verb in parse(DOCUMENT, "https://b.example.com/voice")] == [
        "Connect Stream wss://b.example.com/m", 'Say "Hello there."', "Pause 2 s", "Play digits 1w2",
        "Play https://b.example.com/a.wav", "Gather 4 keys", "Gather keys", "Record 60 s at most",
        "Dial +15550199, client:anna", "Enqueue support", "Refer sip:a@b.c",
        "Redirect https://b.example.com/next", "Reject busy", "Hangup",
    ]  # fmt: skip
