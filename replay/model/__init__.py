"""The stand-in for the OpenAI Realtime service: a WebSocket server that plays a script."""
