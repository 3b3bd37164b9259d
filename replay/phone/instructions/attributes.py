"""Which attributes each element of TwiML has. Twilio warns of any other, and it has no effect."""

from typing import Final

_CALLBACK = {"statusCallback", "statusCallbackMethod", "statusCallbackEvent"}
_DETECTION = {
    "machineDetection", "machineDetectionTimeout", "machineDetectionSpeechThreshold",
    "machineDetectionSpeechEndThreshold", "machineDetectionSilenceTimeout", "amdStatusCallback",
    "amdStatusCallbackMethod",
}  # fmt: skip
_RECORDING = {"recordingStatusCallback", "recordingStatusCallbackMethod", "recordingStatusCallbackEvent"}
ATTRIBUTES: Final[dict[str, set[str]]] = {
    "Connect": {"action", "method"},
    "Stream": {"url", "name", "track", "statusCallback", "statusCallbackMethod"},
    "Parameter": {"name", "value"},
    "Redirect": {"method"},
    "Hangup": set(),
    "Leave": set(),
    "Say": {"voice", "language", "loop"},
    "Pause": {"length"},
    "Reject": {"reason"},
    "Play": {"loop", "digits"},
    "Gather": {
        "action", "method", "input", "timeout", "finishOnKey", "numDigits", "actionOnEmptyResult", "language", "hints",
        "speechTimeout", "partialResultCallback", "partialResultCallbackMethod", "profanityFilter", "speechModel",
        "enhanced", "barge",
    },
    "Record": {
        "action", "method", "timeout", "finishOnKey", "maxLength", "playBeep", "trim", "transcribe",
        "transcribeCallback", "recordingTrack", *_RECORDING,
    },
    "Dial": {
        "action", "method", "callerId", "timeout", "timeLimit", "answerOnBridge", "record", "hangupOnStar", "ringTone",
        "sequential", "trim", "recordingTrack", "referUrl", "referMethod", "callReason", *_RECORDING,
    },
    "Number": {"sendDigits", "url", "method", "byoc", *_CALLBACK, *_DETECTION},
    "Sip": {"username", "password", "url", "method", *_CALLBACK, *_DETECTION},
    "Client": {"url", "method", *_CALLBACK},
    "Queue": {"url", "method", "reservationSid", "postWorkActivitySid"},
    "Conference": {
        "muted", "beep", "startConferenceOnEnter", "endConferenceOnExit", "waitUrl", "waitMethod", "maxParticipants",
        "record", "region", "coach", "trim", "eventCallbackUrl", "participantLabel", *_CALLBACK, *_RECORDING,
    },
    "Enqueue": {"action", "method", "maxQueueSize", "waitUrl", "waitUrlMethod", "workflowSid"},
    "Refer": {"action", "method"},
}  # fmt: skip
