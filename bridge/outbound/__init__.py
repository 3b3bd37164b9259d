"""Calls that the bridge makes: who may be called, Twilio's REST API, and what becomes of each until it is answered."""
