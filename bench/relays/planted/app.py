"""The relay's two routes, which Twilio's Python example has too, and the server that answers there."""

import hmac
import logging
from collections.abc import Mapping, Set
from functools import partial
from hashlib import sha256
from typing import Final

import trio
from hypercorn.config import Config
from hypercorn.trio import serve
from quart import Response, request, websocket
from quart_trio import QuartTrio
from twilio.request_validator import RequestValidator
from twilio.twiml.voice_response import Connect, VoiceResponse

from bench.relays.planted.call import Relay, carry
from bench.relays.planted.faults import Fault

INVENTED_TOKEN: Final = "golden-test-auth-token-000000000"
"""Of the stand-in's account, and good for nothing."""
WEBHOOK: Final = "/incoming-call"


def host_of(headers: dict[str, str]) -> str:
    """Return the host under which Twilio came; a proxy in front says it."""
    return headers.get("x-forwarded-host") or headers.get("host", "")


def make_app(relay: Relay, auth_token: str) -> QuartTrio:
    """Return the relay's two routes, which Twilio's example has too."""
    app = QuartTrio(__name__)
    validator = RequestValidator(auth_token)

    def is_signed(url: str, form: Mapping[str, str], headers: dict[str, str]) -> bool:
        signature = headers.get("x-twilio-signature", "")
        return "ignores_signature" in relay.faults or validator.validate(url, form, signature)

    def token_for(call_sid: str) -> str:
        return hmac.new(auth_token.encode(), call_sid.encode(), sha256).hexdigest()

    @app.post(WEBHOOK)
    async def incoming_call() -> Response:
        """Connect the caller to the media socket; should the stream end by itself, say so."""
        form = await request.form  # as it is: a name may come twice, and all of it is signed
        headers = {name.lower(): value for name, value in request.headers.items()}
        scheme = headers.get("x-forwarded-proto", "http")
        if not is_signed(f"{scheme}://{host_of(headers)}{request.full_path.rstrip('?')}", form, headers):
            return Response("not signed by our account", 403)
        answer, connect = VoiceResponse(), Connect()
        stream = connect.stream(url=f"wss://{host_of(headers)}/media-stream")
        stream.parameter(name="token", value=token_for(form.get("CallSid", "")))
        answer.append(connect)
        answer.say("Sorry, we lost the line. Please call again.")
        return Response(str(answer), content_type="text/xml")

    @app.websocket("/media-stream")
    async def media_stream() -> tuple[str, int] | None:
        """Carry one call, once it is known whose it is."""
        headers = {name.lower(): value for name, value in websocket.headers.items()}
        if not is_signed(f"wss://{host_of(headers)}{websocket.path}", {}, headers):
            return "not signed by our account", 403
        await websocket.accept()
        await carry(relay, token_for)
        return None

    return app


async def serve_relay(
    model_url: str,
    *,
    faults: Set[Fault] = frozenset(),
    port: int = 0,
    auth_token: str = INVENTED_TOKEN,
    task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled; `await nursery.start(serve_relay, model_url)` gives the address of its webhook."""
    config = Config()
    config.bind, config.errorlog = [f"127.0.0.1:{port}"], logging.getLogger("relay.hypercorn")
    async with trio.open_nursery() as nursery:
        app = make_app(Relay(faults, model_url, nursery), auth_token)
        (url,) = await nursery.start(partial(serve, app, config))
        task_status.started(f"{url}{WEBHOOK}")
