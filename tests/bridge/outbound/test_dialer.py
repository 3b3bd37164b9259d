"""What a call may last at Twilio."""

from attrs import evolve
from heart import agent_with

from bridge.outbound.dialer import MOST_SECONDS, longest_seconds
from bridge.settings.places import Place


def test_twilio_cuts_nobody_off_before_the_bridge_or_a_colleague_has_had_their_time() -> None:
    plain = agent_with(max_call_seconds=600)
    with_places = evolve(
        plain,
        transfer={"sales": Place("sales", "", number="+15550100199", ring_seconds=20, talk_seconds=3600)},
    )
    forever = evolve(
        plain, transfer={"sales": Place("sales", "", number="+15550100199", talk_seconds=14_400)}
    )
    assert longest_seconds(plain) == 660
    assert longest_seconds(with_places) == 660 + 3620
    assert longest_seconds(forever) == MOST_SECONDS
