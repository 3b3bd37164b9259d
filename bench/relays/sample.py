"""A relay in the shape of Twilio's Python example for the Realtime API: what most bridges in Python began as.

FastAPI on uvicorn, `websockets` to the model. It answers the webhook, opens the model's socket when the stream comes,
passes media on in both directions, sends a mark behind each delta, and cuts the agent off when the caller speaks. It
checks no signature, paces nothing, and keeps nothing. Its state is closures over one function, as there.

python bench/relays/sample.py MODEL_URL [LOOP]; the first line that it prints says its port, which is PORT or any.
"""

import asyncio
import base64
import json
import os
import socket
import sys
from collections import deque
from typing import Any

import uvicorn
import websockets
from fastapi import FastAPI, Request, WebSocket
from fastapi.responses import HTMLResponse
from fastapi.websockets import WebSocketDisconnect
from twilio.twiml.voice_response import Connect, VoiceResponse

MODEL_URL = sys.argv[1]
LOOP = sys.argv[2] if len(sys.argv) > 2 else "asyncio"
TOLD = frozenset(
    {
        "error",
        "rate_limits.updated",
        "response.done",
        "input_audio_buffer.committed",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.speech_started",
        "session.created",
        "session.updated",
    }
)
SESSION = {
    "type": "realtime",
    "output_modalities": ["audio"],
    "instructions": "You answer the phone.",
    "audio": {
        "input": {"format": {"type": "audio/pcmu"}, "turn_detection": {"type": "server_vad"}},
        "output": {"format": {"type": "audio/pcmu"}, "voice": "alloy"},
    },
}

app = FastAPI()


@app.post("/incoming-call")
async def incoming_call(request: Request) -> HTMLResponse:
    """Connect the caller to the media socket."""
    response, connect = VoiceResponse(), Connect()
    connect.stream(url=f"wss://{request.url.hostname}/media-stream")
    response.append(connect)
    return HTMLResponse(content=str(response), media_type="application/xml")


@app.websocket("/media-stream")
async def media_stream(phone: WebSocket) -> None:  # noqa: C901 - its shape is what is measured
    """Pass on between one caller and one session."""
    await phone.accept()
    headers = {"Authorization": "Bearer sk-stand-in"}
    async with websockets.connect(MODEL_URL, additional_headers=headers) as model:
        await model.send(json.dumps({"type": "session.update", "session": SESSION}))
        await model.send(json.dumps({"type": "response.create"}))
        stream_sid, item_id = "", ""
        newest_ms, began_ms = 0, None
        marks: deque[str] = deque()

        async def from_phone() -> None:
            nonlocal stream_sid, newest_ms, began_ms
            try:
                async for text in phone.iter_text():
                    message = json.loads(text)
                    if message["event"] == "media" and model.state is websockets.State.OPEN:
                        newest_ms = int(message["media"]["timestamp"])
                        append = {
                            "type": "input_audio_buffer.append",
                            "audio": message["media"]["payload"],
                        }
                        await model.send(json.dumps(append))
                    elif message["event"] == "start":
                        stream_sid = message["start"]["streamSid"]
                        newest_ms, began_ms = 0, None
                    elif message["event"] == "mark" and marks:
                        marks.popleft()
            except WebSocketDisconnect:
                pass
            await model.close()

        async def from_model() -> None:
            nonlocal item_id, began_ms
            async for text in model:
                message: dict[str, Any] = json.loads(text)
                kind = message["type"]
                if kind in TOLD:
                    print(kind, message)
                if kind == "response.output_audio.delta":
                    payload = base64.b64encode(base64.b64decode(message["delta"])).decode("utf-8")
                    media = {"event": "media", "streamSid": stream_sid, "media": {"payload": payload}}
                    await phone.send_json(media)
                    if message["item_id"] != item_id:
                        item_id, began_ms = message["item_id"], newest_ms
                    await send_mark()
                elif kind == "input_audio_buffer.speech_started" and item_id:
                    await interrupt()

        async def send_mark() -> None:
            await phone.send_json({"event": "mark", "streamSid": stream_sid, "mark": {"name": "part"}})
            marks.append("part")

        async def interrupt() -> None:
            nonlocal item_id, began_ms
            if not marks or began_ms is None:
                return
            truncate = {
                "type": "conversation.item.truncate",
                "item_id": item_id,
                "content_index": 0,
                "audio_end_ms": newest_ms - began_ms,
            }
            await model.send(json.dumps(truncate))
            await phone.send_json({"event": "clear", "streamSid": stream_sid})
            marks.clear()
            item_id, began_ms = "", None

        await asyncio.gather(from_phone(), from_model())


if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", int(os.environ.get("PORT", "0"))), backlog=1024)
    print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
    config = uvicorn.Config(app, loop=LOOP, http="h11")
    uvicorn.Server(config).run(sockets=[listener])
