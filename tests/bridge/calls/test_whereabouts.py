"""Which token and which nonce open something, wherever a caller has been: each for its own leg or excursion."""

from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from bridge.agents import Agent
from bridge.calls.whereabouts import Whereabouts
from bridge.heart.effects import LeaveStream, ReturnToStream
from bridge.heart.plans import Plan, PressDigits
from bridge.wire.requests import BACK, Request
from bridge.wire.routes import Routes

PLAN = Plan(PressDigits("1"))
moves = st.lists(st.tuples(st.integers(0, 1), st.booleans()), max_size=40)
"""Which of two callers moves; and whether one who is away comes back, or goes on to the next excursion."""


@define
class Caller:
    """One caller's whereabouts, with every secret that was ever given out for them."""

    where: Whereabouts
    tokens: list[str] = field(factory=list)
    requests: list[Request] = field(factory=list)

    def move(self, *, comes_back: bool) -> None:
        """Leave, come back, or go on."""
        where = self.where
        if where.is_away and comes_back:
            where.returned(ReturnToStream(where.leg + 1))
            self.tokens.append(where.token)
        else:
            where.left(LeaveStream(where.number + 1, PLAN))
            url, nonce = f"{where.routes.url_of(where.number)}/{BACK}", where.routes.nonce(where.number)
            self.requests.append(Request(BACK, where.number, url, {"CallSid": where.call_sid}, nonce))


def caller(number: int) -> Caller:
    where = Whereabouts(Agent(), f"CA{number}", Routes("https://b", "a", secret=f"secret {number}"))
    return Caller(where, [where.token])


@given(moves)
def test_only_the_present_legs_token_opens_and_only_the_present_excursions_request(
    course: list[tuple[int, bool]],
) -> None:
    both = [caller(0), caller(1)]
    for who, comes_back in course:
        both[who].move(comes_back=comes_back)
        for one in both:
            others = both[1 - both.index(one)]
            opening = [token for token in one.tokens + others.tokens if one.where.is_opened_by(token)]
            assert opening == [one.tokens[-1]]
            told = [request for request in one.requests + others.requests if not one.where.fault_of(request)]
            assert told == (one.requests[-1:] if one.where.is_away else [])
    tokens = both[0].tokens + both[1].tokens
    assert len(set(tokens)) == len(tokens)
