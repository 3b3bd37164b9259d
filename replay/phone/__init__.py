"""The stand-in for Twilio: it rings a Media Streams server and reports what the caller lived through."""
