"""How the database came to have its tables: what is done to an older one, step by step."""

from typing import Final

MIGRATIONS: Final = [
    """
    create table calls (
        call_id varchar primary key, call_sid varchar, account_sid varchar, agent varchar, model varchar,
        from_number varchar, to_number varchar, started_at timestamp, ended_by varchar, why varchar,
        next_step varchar, duration_ms integer, stream_started_ms integer, first_audio_heard_ms integer,
        turns integer, interruptions integer, tool_calls integer, responses integer,
        text_in_tokens integer, text_cached_tokens integer, text_out_tokens integer,
        audio_in_tokens integer, audio_cached_tokens integer, audio_out_tokens integer,
        cost_usd double, counts json, is_torn boolean, code varchar, tape varchar);
    create table transcript (
        call_id varchar, position integer, item_id varchar, role varchar, said varchar, heard varchar,
        unheard varchar, began_ms integer, ended_ms integer, interrupted boolean);
    create table tool_calls (
        call_id varchar, position integer, tool_call_id varchar, item_id varchar, name varchar,
        arguments_raw varchar, arguments json, output varchar, error_kind varchar, error varchar,
        called_ms integer, started_ms integer, answered_ms integer, sent_ms integer, is_delivered boolean);
    create table milestones (call_id varchar, position integer, name varchar, t_ms integer, data json);
    create table items (
        call_id varchar, position integer, item_id varchar, content_index integer, response_id varchar,
        generated_ms integer, sent_ms integer, heard_ms integer, first_sent integer, first_heard integer,
        cut boolean, settled_ms integer);
    create table turns (
        call_id varchar, position integer, caller_item_id varchar, speech_started_ms integer,
        speech_stopped_ms integer, committed_ms integer, response_created_ms integer, first_heard_ms integer,
        response_ms integer, latency_ms integer);
    create table log (call_id varchar, position integer, t_ms integer, text varchar, data json);
    """,
    """
    alter table calls add column transcription_seconds double;
    alter table calls add column transcription_in_tokens integer;
    alter table calls add column transcription_out_tokens integer;
    alter table calls add column cost_without varchar;
    """,
    """
    create table legs (
        call_id varchar, position integer, part varchar, number integer, step varchar, place varchar,
        began_ms integer, ended_ms integer, outcome varchar, taken_ms integer, seconds integer, data json);
    """,
    """
    alter table calls add column asked_agent varchar;
    alter table calls add column agent_why varchar;
    """,
    """
    alter table calls add column is_outgoing boolean;
    alter table calls add column outcome varchar;
    alter table calls add column answered_by varchar;
    """,
    """
    alter table calls add column prices_read_on varchar;
    """,
    """
    alter table calls add column opening_words varchar;
    alter table calls add column failed_tool_calls integer;
    alter table calls add column longest_wait_ms integer;
    update calls set longest_wait_ms = known.wait from (
        select call_id, max(coalesce(latency_ms, response_ms)) as wait from turns group by call_id) known
        where known.call_id = calls.call_id;
    update calls set failed_tool_calls = coalesce((
        select count(*) from tool_calls t where t.call_id = calls.call_id and t.error_kind is not null), 0);
    update calls set opening_words = known.words from (
        select call_id, left(arg_min(said, position), 300) as words from transcript
        where role = 'caller' and said <> '' group by call_id) known
        where known.call_id = calls.call_id;
    """,
    """
    create table marks (
        call_id varchar, position integer, given_at timestamp, given_by varchar, mark varchar, label varchar,
        note varchar);
    """,
    """
    alter table calls add column false_interruptions integer;
    alter table calls add column noises_ignored integer;
    alter table calls add column backchannels_ignored integer;
    alter table calls add column protected_ignored integer;
    alter table calls add column short_ignored integer;
    """,
    "create table waveforms (call_id varchar, position integer, format integer, data blob);",
    """
    alter table tool_calls add column is_late boolean;
    alter table tool_calls add column joined varchar;
    """,
    """
    create table spoken (call_id varchar, position integer, said varchar, lowered varchar);
    insert into spoken select call_id, 0, said, lower(said) from (
        select call_id, string_agg(said, chr(10) order by position) as said from transcript
        where said <> '' group by call_id);
    """,
    """
    alter table calls add column trial varchar;
    alter table calls add column trial_arm varchar;
    """,
]
"""Numbered by their place; each runs once, in order, in the transaction that first needs it."""
