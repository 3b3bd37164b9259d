"""How an agent did, as questions: the worst moments of some days, each at its place in a call, and the days in numbers.
Pure.
"""

from typing import Any, Final

from bridge.console.filters import ENDERS
from bridge.console.queries import FAILED, Query

MOST_MOMENTS: Final = 10
PAUSE_MS: Final = 800
"""Who goes on so soon after the agent began has not been let finish."""

LEAST_OVERLAP_MS: Final = 300
LEAST_CHARACTERS: Final = 12
"""Of a question that counts as the same one: shorter ones are "yes?" and "sorry?"."""

FEW_DAYS: Final = 3
"""So many days are shown by the hour."""

NOW: Final = "make_timestamp(epoch_us(now()))"
"""In UTC, as what was recorded is; a cast of it would be the time of day on this machine."""

CHOSEN: Final = (
    f"chosen as materialized (select * from calls where started_at >= {NOW} - to_days(cast(? as integer)) "
    "and (? = '' or agent = ?))"
)
WHO: Final = "c.call_id, c.agent, c.started_at, if(c.is_outgoing, c.to_number, c.from_number) as party"
LISTS: Final = {
    "waits": f"""
        select {WHO}, coalesce(t.speech_stopped_ms, t.committed_ms) as at_ms,
            coalesce(t.latency_ms, t.response_ms) as amount_ms, cast(null as varchar) as words
        from turns t join chosen c using (call_id) where amount_ms is not null""",
    "overlaps": f"""
        select {WHO}, greatest(t.speech_started_ms, i.first_heard) as at_ms,
            least(t.speech_stopped_ms, i.first_heard + i.heard_ms) - at_ms as amount_ms, cast(null as varchar) as words
        from turns t join chosen c using (call_id) join items i using (call_id)
        where i.first_heard >= 0 and i.first_heard < t.speech_stopped_ms
            and i.first_heard + i.heard_ms > t.speech_started_ms and amount_ms >= {LEAST_OVERLAP_MS}""",
    "cut_off": f"""
        select {WHO}, t.first_heard_ms as at_ms, t.went_on_ms - t.first_heard_ms as amount_ms, said.said as words
        from (select *, lead(speech_started_ms) over (partition by call_id order by position) as went_on_ms
            from turns where call_id in (select call_id from chosen)) t
        join chosen c using (call_id)
        left join transcript said on said.call_id = t.call_id and said.item_id = t.caller_item_id
        where t.went_on_ms between t.first_heard_ms and t.first_heard_ms + {PAUSE_MS}""",
    "tools": f"""
        select {WHO}, coalesce(t.answered_ms, t.called_ms) as at_ms, t.answered_ms - t.called_ms as amount_ms,
            t.name || ': ' || t.error_kind || coalesce(', ' || t.error, '') as words
        from tool_calls t join chosen c using (call_id) where t.error_kind is not null""",
    "repeated": f"""
        select {WHO}, max(t.began_ms) as at_ms, count(*) as amount_ms, arg_max(t.said, t.position) as words
        from transcript t join chosen c using (call_id)
        where t.role = 'agent' and length(t.said) >= {LEAST_CHARACTERS} and contains(t.said, '?')
        group by all having count(*) > 1""",
}
"""By their names; `amount_ms` is what makes one worse than another."""


def worst(name: str, days: int, agent: str) -> Query:
    """Return the worst moments of a kind."""
    sql = LISTS[name].replace("group by all", f"group by {GROUP}")
    order = f"order by amount_ms desc nulls last, c.started_at desc limit {MOST_MOMENTS}"
    return f"with {CHOSEN} {sql} {order}", (days, agent, agent)


GROUP: Final = "c.call_id, c.agent, c.started_at, party, lower(t.said)"


def numbers(days: int, agent: str) -> Query:
    """Return some days in numbers."""
    sql = f"""
        with {CHOSEN}, waits as (select coalesce(latency_ms, response_ms) as ms from turns
            where call_id in (select call_id from chosen))
        select count(*) as calls, count(*) filter (where {FAILED.replace("c.", "")}) as failed,
            avg(interruptions) as interruptions, sum(cost_usd) as cost_usd, avg(duration_ms) as duration_ms,
            (select quantile_cont(ms, 0.5) from waits) as p50_ms, (select quantile_cont(ms, 0.95) from waits) as p95_ms
        from chosen"""
    return sql, (days, agent, agent)


UNKNOWN: Final = "unknown"
"""Who ended calls of which it was not written down: their tapes break off."""

ENDED: Final = ", ".join(
    [
        *(f"count(*) filter (where ended_by = '{one}') as by_{one}" for one in ENDERS),
        f"count(*) filter (where ended_by is null or ended_by not in {ENDERS}) as by_{UNKNOWN}",
    ]
)


def by_time(days: int, agent: str) -> Query:
    """Return the days, or their hours where there are few, each in numbers."""
    piece = "hour" if days <= FEW_DAYS else "day"
    sql = f"""
        with {CHOSEN}, waits as (
            select date_trunc('{piece}', c.started_at) as moment,
                quantile_cont(coalesce(latency_ms, response_ms), 0.5) as p50_ms,
                quantile_cont(coalesce(latency_ms, response_ms), 0.95) as p95_ms
            from turns join chosen c using (call_id) group by 1)
        select cast(date_trunc('{piece}', c.started_at) as timestamp) as moment, count(*) as calls,
            count(*) filter (where {FAILED}) as failed,
            {ENDED},
            sum(interruptions) / count(*) as interruptions, sum(cost_usd) as cost_usd,
            any_value(p50_ms) as p50_ms, any_value(p95_ms) as p95_ms
        from chosen c left join waits on waits.moment = date_trunc('{piece}', c.started_at)
        group by 1 order by 1"""
    return sql, (days, agent, agent)


def of_days(days: int, agent: str) -> dict[str, Query]:
    """Return all that the page of the worst moments asks."""
    found: dict[str, Query] = {name: worst(name, days, agent) for name in LISTS}
    return {"numbers": numbers(days, agent), **found}


def span_of(given: Any) -> int:
    """Return how many days are asked for: a week unless told."""
    text = str(given or "")
    return (
        min(max(int(text), 1), MOST_DAYS) if text.isascii() and text.isdecimal() and len(text) < 5 else WEEK
    )


WEEK, MOST_DAYS = 7, 366
