"""Asks a model over HTTP, as services that speak OpenAI's chat completions want it. It understands no answer."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import httpx2
import msgspec
import trio
from attrs import frozen

from replay.compare.model_judge import Agreement, JudgeError, JudgePlan, ModelJudge, prompt_of
from replay.judge.call import Call

TRIES: Final = 4
FIRST_PAUSE_SECONDS: Final = 1.0
"""Before the second try; each further pause is twice as long."""

WAIT_SECONDS: Final = 60.0
LATER: Final = (408, 409, 429)
"""Refusals that hold for now; so do all from 500 on."""


class _Message(msgspec.Struct):
    content: str


class _Choice(msgspec.Struct):
    message: _Message


class _Completion(msgspec.Struct):
    choices: list[_Choice]


@frozen
class ChatCompletions:
    """The model of a plan's [judge], asked one transcript at a time."""

    plan: JudgePlan
    client: httpx2.AsyncClient

    async def ask(self, transcript: str) -> str:
        """Return the model's reply. Raises `JudgeError` when there is none."""
        body = {"model": self.plan.model, "messages": prompt_of(self.plan.question, transcript)}
        why = ""
        for tried in range(TRIES):
            if tried:
                await trio.sleep(FIRST_PAUSE_SECONDS * 2 ** (tried - 1))
            try:
                answer = await self.client.post(self.plan.url, json=body)
            except httpx2.HTTPError as error:
                why = f"can't be reached ({type(error).__name__})"
                continue
            if answer.status_code == 200:
                return _reply(answer.content, self.plan.url)
            why = f"answers with status {answer.status_code}"
            if answer.status_code < 500 and answer.status_code not in LATER:
                break
        raise JudgeError(
            f"[judge] {self.plan.url} {why}; is {self.plan.api_key_env} for it, and the model there?"
        )


def _reply(content: bytes, url: str) -> str:
    try:
        return msgspec.json.decode(content, type=_Completion).choices[0].message.content
    except (msgspec.DecodeError, UnicodeError, IndexError):
        raise JudgeError(f"[judge] {url}: its answer is no chat completion") from None


def client_for(key: str, **options: Any) -> httpx2.AsyncClient:
    """Return a client that shows this key."""
    return httpx2.AsyncClient(
        headers={"Authorization": f"Bearer {key}"}, timeout=WAIT_SECONDS, follow_redirects=False, **options
    )


async def agreement(plan: JudgePlan, labels: Mapping[Path, bool], folder: Path, key: str) -> Agreement:
    """Ask about the labelled calls, and return how far the judge agrees with people. Raises `JudgeError`."""
    async with client_for(key) as client:
        return await ModelJudge(plan, folder, ChatCompletions(plan, client).ask).agreement(labels)


async def judged(plan: JudgePlan, calls: Sequence[Call], folder: Path, key: str) -> list[Call]:
    """Ask about every call that was not asked about before. Raises `JudgeError`."""
    async with client_for(key) as client:
        return await ModelJudge(plan, folder, ChatCompletions(plan, client).ask).judged(calls)
