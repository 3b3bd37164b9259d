"""What bounds a call, in times and numbers."""

from attrs import frozen

from bridge.checks import flag, number, setting, whole


@frozen
class Limits:
    """What bounds a call. OpenAI ends a session after 60 minutes, so the longest call is a little shorter."""

    calls_at_once: int = setting(1000, whole(1, 1000))
    max_call_seconds: int = setting(1800, whole(5, 3540))
    waiting_seconds: int = setting(30, whole(1, 300))
    goodbye_seconds: int = setting(15, whole(0, 600))
    quiet_seconds: int = setting(60, whole(2, 3540))
    still_there_seconds: int = setting(15, whole(0, 600))
    still_there_times: int = setting(1, whole(1, 20))
    quiet_goodbye_seconds: int = setting(8, whole(0, 60))
    spend_cap_usd: float = setting(0.0, number(0, 10_000))
    spend_warn_percent: int = setting(80, whole(1, 99))
    lost_media_ms: int = setting(10_000, whole(500, 120_000))
    model_ready_ms: int = setting(4000, whole(100, 60_000))
    reconnects: int = setting(3, whole(0, 100))
    reconnect_ms: int = setting(5000, whole(100, 60_000))
    reconnect_pause_ms: int = setting(200, whole(0, 1000))
    reconnect_listen_ms: int = setting(500, whole(0, 5000))
    session_seconds: int = setting(3300, whole(0, 3540))
    stream_returns: int = setting(3, whole(0, 100))
    say_again: bool = setting(True, flag)
    answer_timeout_ms: int = setting(5000, whole(500, 60_000))
    max_turn_seconds: int = setting(60, whole(2, 3540))
    tools_at_once: int = setting(8, whole(1, 64))
    tool_calls_per_call: int = setting(50, whole(1, 10_000))
    held_caller_audio_ms: int = setting(3000, whole(20, 30_000))
    lead_ms: int = setting(300, whole(40, 2000))
    farewell_grace_ms: int = setting(2000, whole(100, 10_000))
