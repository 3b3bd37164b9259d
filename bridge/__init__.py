"""A phone bridge: one daemon that puts an OpenAI Realtime voice agent on Twilio phone numbers.

Read `bridge/heart/call.py` first: it shows the heart, and everything else moves bytes to and from it.
"""

__version__ = "0.1.0"
