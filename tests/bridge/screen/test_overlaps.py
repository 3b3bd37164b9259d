"""A kept call by speaking rules, in words: each time that the caller spoke into what the agent said."""

from recorded import record

from bridge.screen.overlaps import told_of_overlap


def test_each_time_that_the_caller_spoke_over_the_agent_says_what_it_was_taken_for() -> None:
    calls = record("spoken_over")
    told = [told_of_overlap(row["name"], row["data"]) for row in calls.milestones]
    assert [words for words in told if words] == [
        "said into what is protected, not an interruption (0.2 s): the agent goes on, and it is answered",
        "a backchannel, not an interruption (0.2 s): the agent goes on",
        "the agent stops: perhaps the caller interrupts it",
        "noise, not an interruption: the agent goes on after 1.1 s",
        "the agent stops: perhaps the caller interrupts it",
    ]
    row = calls.call
    assert (row["interruptions"], row["false_interruptions"], row["noises_ignored"]) == (1, 1, 1)
    assert (row["backchannels_ignored"], row["protected_ignored"]) == (1, 1)


def test_what_is_answered_though_it_did_not_interrupt_says_so() -> None:
    stopped = told_of_overlap("false_interruption", {"why": "unwritten", "paused_ms": 1400})
    assert (
        stopped
        == "no words of it in time, at the end of what was said: the agent goes on after 1.4 s, and it is answered"
    )
    assert told_of_overlap("barge_in_ignored", {"why": "short", "speech_ms": 300}) == (
        "too short for an interruption (0.3 s): the agent goes on, and it is answered"
    )
