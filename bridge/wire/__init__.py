"""What stands on the wire, one file a protocol: messages to events, effects to messages, TwiML, signatures. Pure."""
