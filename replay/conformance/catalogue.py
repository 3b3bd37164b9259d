"""What is looked for: each check with what a caller notices where it fails, and how bridges do it that pass.

What is worst for a caller comes first."""

from typing import Final

from replay.conformance.card import Check

GREETING_HEARD: Final = Check(
    "greeting-heard",
    "the greeting is heard soon",
    "they say hello into a dead line",
    "they ask for the first response once the session is set up, and keep nothing of it back",
)
TURN_ANSWERED: Final = Check(
    "turn-answered",
    "what the caller says is answered",
    "they ask, and nobody answers",
    "they pass each frame on as it comes, and let the service or one detector of theirs end the turn",
)
NO_SILENCE_AFTER_FAILURE: Final = Check(
    "no-silence-after-failure",
    "when the model fails the caller is told, or let go",
    "silence on an open line, until they give up",
    "they ask again when a response failed, end the stream when the socket did, and let TwiML behind it say a sentence",
)
STOPS_WHEN_INTERRUPTED: Final = Check(
    "stops-when-interrupted",
    "the agent stops when the caller cuts in",
    "the agent talks over them, for seconds",
    "they send `clear` on speech_started: what Twilio has buffered plays on otherwise",
)
QUIET_AFTER_CLEAR: Final = Check(
    "quiet-after-clear",
    "nothing of the cut answer comes after `clear`",
    "scraps of the old answer, in the middle of their own words or before the new answer",
    "they drop the deltas of a response that was cut, by its id: some are on their way when speech_started comes",
)
LINE_OPEN_IN_TOOLS: Final = Check(
    "line-open-in-tools",
    "the caller is passed on while a tool runs",
    "whatever they say meanwhile is heard seconds later, or never",
    "they run tools beside the two sockets: in a task if they wait, in a thread if they block",
)
TOOL_RESULT_TOLD: Final = Check(
    "tool-result-told",
    "the caller hears the answer to a tool's result, once",
    "the agent says that it will look, and then nothing; or the answer twice",
    "they send function_call_output, and one response.create behind the last output of a response",
)
ONE_ANSWER: Final = Check(
    "one-answer",
    "each turn is answered once",
    "two answers, one after the other",
    "they ask for no response where turn detection makes one, and for none while another is active",
)
ONE_GREETING: Final = Check(
    "one-greeting",
    "the caller is greeted once",
    "the agent greets them, and then greets them again",
    "they ask for one response when the session is ready, and for none when `start` comes as well",
)
STAYS_UP: Final = Check(
    "stays-up",
    "the bridge is there for the next call",
    "their call is not answered at all, because of what became of somebody else's",
    "what goes wrong in one call ends in that call: no error of a socket gets out of its task",
)
FIRST_WORDS_PASSED: Final = Check(
    "first-words-passed",
    "what the caller says at once reaches the model",
    "their hello is lost, and they say it again",
    "they keep the frames that come before the session is there, some seconds of them, and send them first",
)
WHOLE_ANSWERS: Final = Check(
    "whole-answers",
    "an answer that nobody interrupts is played whole",
    "the first or the last word of an answer is missing",
    "they queue audio that comes before `start`, and close the stream only when the last mark came back",
)
NO_GAPS: Final = Check(
    "no-gaps",
    "answers have no holes",
    "the agent stutters",
    "they pass each delta on as it comes, whole, and do nothing in the same loop that takes long",
)
PROMPT: Final = Check(
    "prompt",
    "the bridge adds little to the model's own time",
    "each answer comes late, and they begin to talk into it",
    "they send the first delta as it is, and collect nothing before it",
)
HEARD_AS_CLAIMED: Final = Check(
    "heard-as-claimed",
    "the model is told what was really heard",
    "the agent believes that it has said what they never heard, or says again what they have",
    "they count by marks that came back: for each item from the moment at which its own audio began to play",
)
TELLS_WHAT_WAS_HEARD: Final = Check(
    "tells-what-was-heard",
    "an answer that was cut is truncated at the model",
    "the agent goes on as if they had heard all of it",
    "they send conversation.item.truncate with the milliseconds heard, also when the response itself was done before",
)
TOOL_ANSWERED: Final = Check(
    "tool-answered",
    "each tool call is answered exactly once",
    "the agent waits for a result for ever, or tells two",
    "they answer each call_id once, with an error in words when the tool fails or its arguments are no JSON",
)
TOOL_UNDECLARED: Final = Check(
    "tool-undeclared",
    "a tool that nobody declared is answered, and the call goes on",
    "the agent falls silent, or the call breaks off",
    "they answer with an error in words, and ask for a response; models do call tools that there are not",
)
FIRST_AUDIO_PLACED: Final = Check(
    "first-audio-placed",
    "no audio is sent before `start` has told its stream",
    "the beginning of the greeting is missing: Twilio drops what has no streamSid, or another one",
    "they ask for the first response after `start`, or hold its audio until then",
)
CALLS_KEPT_APART: Final = Check(
    "calls-kept-apart",
    "two calls at once don't get into each other",
    "a stranger's voice, or an answer to somebody else",
    "they keep all state in the call, none in the module",
)
NO_FRAMES_LOST: Final = Check(
    "no-frames-lost",
    "with twenty calls at once all that callers say is passed on",
    "the agent asks them to say it again",
    "they have no bound that twenty calls reach, and pass frames on in order without dropping any",
)
SURVIVES_KEYS: Final = Check(
    "survives-keys",
    "a pressed key disturbs nothing",
    "the call breaks off, or the agent no longer answers",
    "they read `dtmf` as one more event, and ignore what they have no use for",
)
SURVIVES_SILENCE: Final = Check(
    "survives-silence",
    "a caller may be silent for a while",
    "they are cut off while they look for their card",
    "they have no time-out that a person who thinks can reach",
)
SURVIVES_NOISE: Final = Check(
    "survives-noise",
    "a noisy line is a line",
    "the agent does not hear them, or answers the noise",
    "they pass the sound on as it is",
)
SURVIVES_LOST_MARKS: Final = Check(
    "survives-lost-marks",
    "marks that are lost or late break nothing",
    "after one bad second the agent no longer stops, or no longer answers",
    "they wait for no mark without an end, and take the clock's word where none comes",
)
ODD_PARAMETERS: Final = Check(
    "odd-parameters",
    "webhooks may have parameters that are new",
    "they are refused: some networks send a caller's name with umlauts, and Twilio adds parameters as it likes",
    "they check the signature over all parameters as they were sent, the empty ones too",
)
SESSION_LEFT: Final = Check(
    "session-left",
    "the model's session is left when the caller is gone",
    "nothing; the model listens to silence and is paid for until its session expires",
    "they close the model's socket when `stop` comes, and when the media socket ends without one",
)
NO_PROVOKED_ERRORS: Final = Check(
    "no-provoked-errors",
    "the model is sent nothing that it refuses",
    "settings that are not in force, words that were not said",
    "they read `error` events in their logs, and send what the present protocol has",
)
SIGNATURE_CHECKED: Final = Check(
    "signature-checked",
    "a webhook that Twilio did not sign is refused",
    "nothing; whoever knows the URL can have calls, and their bill is yours",
    "they check X-Twilio-Signature with Twilio's own validator, over the public URL",
)
SOCKET_GUARDED: Final = Check(
    "socket-guarded",
    "a media socket that belongs to no call gets no session",
    "nothing; whoever knows the URL talks to your model at your cost",
    "they check the signature of the upgrade, or a token that the webhook put into <Parameter>",
)

AS_TOLD: Final = Check(
    "as-told",
    "your own calls go as their scenarios say",
    "whatever your scenario is about",
    "they keep a scenario for each call that once went wrong",
)
"""Of calls that somebody brings: it is looked for in no other."""

CHECKS: Final = (
    GREETING_HEARD,
    TURN_ANSWERED,
    NO_SILENCE_AFTER_FAILURE,
    STOPS_WHEN_INTERRUPTED,
    QUIET_AFTER_CLEAR,
    LINE_OPEN_IN_TOOLS,
    TOOL_RESULT_TOLD,
    ONE_ANSWER,
    ONE_GREETING,
    STAYS_UP,
    FIRST_WORDS_PASSED,
    WHOLE_ANSWERS,
    NO_GAPS,
    PROMPT,
    HEARD_AS_CLAIMED,
    TELLS_WHAT_WAS_HEARD,
    TOOL_ANSWERED,
    TOOL_UNDECLARED,
    FIRST_AUDIO_PLACED,
    CALLS_KEPT_APART,
    NO_FRAMES_LOST,
    SURVIVES_KEYS,
    SURVIVES_SILENCE,
    SURVIVES_NOISE,
    SURVIVES_LOST_MARKS,
    ODD_PARAMETERS,
    SESSION_LEFT,
    NO_PROVOKED_ERRORS,
    SIGNATURE_CHECKED,
    SOCKET_GUARDED,
)
