"""What a bridge can tell Twilio to do with a call: the verbs of TwiML, and what REST asks of a call under way."""
