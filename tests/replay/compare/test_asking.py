"""A judge asked over HTTP: its answers, and what is said when there is none."""

import json

import httpx2
import pytest

from replay.compare.asking import TRIES, ChatCompletions, client_for
from replay.compare.model_judge import JudgeError, JudgePlan

PLAN = JudgePlan(question="Was it?", model="reader", labels="x", url="http://127.0.0.1:9/v1/chat/completions")


class Service:
    """Answers each request with the next of these, the last for ever."""

    def __init__(self, *answers: httpx2.Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[httpx2.Request] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def ask(self, transcript: str = "agent: hello") -> str:
        async with client_for("sk-secret", transport=httpx2.MockTransport(self)) as client:
            return await ChatCompletions(PLAN, client).ask(transcript)


def completion(text: str) -> httpx2.Response:
    return httpx2.Response(200, json={"id": "x", "choices": [{"index": 0, "message": {"content": text}}]})


async def test_a_model_is_asked_with_key_question_and_transcript() -> None:
    service = Service(completion("yes"))
    assert await service.ask("caller: hello") == "yes"
    [request] = service.requests
    assert request.headers["Authorization"] == "Bearer sk-secret"
    body = json.loads(request.content)
    assert body["model"] == "reader"
    assert json.loads(body["messages"][1]["content"]) == {
        "question": "Was it?",
        "transcript": "caller: hello",
    }


async def test_a_service_that_is_busy_is_asked_again(autojump_clock: object) -> None:
    service = Service(httpx2.Response(429), httpx2.ConnectError("no"), httpx2.Response(503), completion("no"))
    assert await service.ask() == "no"
    assert len(service.requests) == TRIES == 4


async def test_a_service_that_stays_away_is_told_of_and_no_key_is(autojump_clock: object) -> None:
    service = Service(httpx2.Response(500))
    with pytest.raises(JudgeError, match="answers with status 500; is OPENAI_API_KEY for it") as refused:
        await service.ask()
    assert len(service.requests) == TRIES
    assert "sk-secret" not in str(refused.value)


async def test_a_key_that_is_refused_is_not_tried_again() -> None:
    service = Service(httpx2.Response(401, json={"error": {"message": "sk-secret is wrong"}}))
    with pytest.raises(JudgeError, match="status 401") as refused:
        await service.ask()
    assert len(service.requests) == 1
    assert "sk-secret" not in str(refused.value)


@pytest.mark.parametrize(
    "odd", [b"", b"{}", b'{"choices":[]}', b'{"choices":[{"message":{}}]}', b"\xff", b"[1]"]
)
async def test_an_answer_that_is_none_is_told_of(odd: bytes) -> None:
    with pytest.raises(JudgeError, match="its answer is no chat completion"):
        await Service(httpx2.Response(200, content=odd)).ask()
