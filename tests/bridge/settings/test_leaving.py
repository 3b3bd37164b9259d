"""The tables about leaving the line: how they are read, what is wrong with them, and what to write instead."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from attrs import evolve, fields
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.agents import Agent, agent_from
from bridge.built_in import built_in_tools
from bridge.config import parse
from bridge.errors import ConfigError
from bridge.heart.plans import GoTo, HangUp, failure_plans
from bridge.settings.leaving import WAYS
from bridge.settings.places import CAUSES, TURNED_AWAY, Collect, FailurePlan, Place, Voicemail
from bridge.tapes.header import settings_of
from bridge.tapes.masking import masked_settings

PATH = Path("config.toml")
SALES = {"description": "offers and orders", "number": "+4930901820"}
FULL: dict[str, Any] = {
    "send_digits": True,
    "tools": ["mine.py:check_pin"],
    "transfer": {
        "sales": SALES | {"say": "One moment.", "warm": True, "ring_seconds": 30, "caller_id": "+4930901800"},
        "kitchen": {"client": "client:kitchen"},
        "desk": {"sip": "sips:desk@pbx.example.com:5061;transport=tls?X-Ref=1"},
        "waiting": {"queue": "support"},
        "round-table": {"conference": "round table"},
        "owner": {"number": "+4930901899", "offered": False},
        "home": {"refer": "sip:anna@example.com"},
    },
    "voicemail": {"say": "After the tone, please.", "max_seconds": 60},
    "collect": {"tool": "check_pin", "say": "Your PIN, please.", "seconds": 4},
    "failure": {
        "steps": ["say:Sorry.", "dial:kitchen", "queue:support", "voicemail"],
        "full": ["say:All lines are busy.", "https://example.com/full.xml"],
    },
}


def read(agent: dict[str, Any]) -> Agent:
    return parse({"agents": {"a": agent}}, PATH).agents["a"]


def faults_of(agent: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(agent)
    return [fault.removeprefix("config.toml: [agents.a") for fault in caught.value.faults]


# ---------------------------------------------------------------- what is right


def test_each_table_becomes_the_value_that_it_means() -> None:
    agent = read(FULL)
    assert agent.transfer["sales"] == Place(
        name="sales", description="offers and orders", number="+4930901820", say="One moment.", is_warm=True,
        ring_seconds=30, caller_id="+4930901800",
    )  # fmt: skip
    assert agent.transfer["kitchen"] == Place(name="kitchen", client="kitchen")
    assert agent.voicemail == Voicemail(say="After the tone, please.", max_seconds=60)
    assert agent.collect == Collect("check_pin", "Your PIN, please.", 4)
    assert agent.failure == FailurePlan(
        steps=("say:Sorry.", "dial:kitchen", "queue:support", "voicemail"),
        full=("say:All lines are busy.", "https://example.com/full.xml"),
    )


def test_an_agent_without_these_tables_never_leaves_the_line() -> None:
    agent = read({})
    assert (agent.transfer, agent.send_digits, agent.voicemail, agent.collect) == ({}, False, None, None)
    assert [agent.failure.steps_for(cause) for cause in CAUSES] == [()] * len(CAUSES)


def test_a_place_can_be_kept_from_the_model() -> None:
    agent = read(FULL)
    (transfer,) = [tool for tool in built_in_tools(agent) if tool["name"] == "transfer_call"]
    assert transfer["parameters"]["properties"]["place"]["enum"] == [
        name for name in agent.transfer if name != "owner"
    ]
    assert "owner" not in transfer["description"]
    alone = read({"transfer": {"owner": FULL["transfer"]["owner"]}, "failure": {"steps": ["dial:owner"]}})
    assert [tool["name"] for tool in built_in_tools(alone)] == ["hang_up"]


def test_where_numbers_are_masked_those_of_places_are_too() -> None:
    agent = read(FULL)
    kept = agent_from("a", masked_settings(settings_of(agent)))
    assert (kept.transfer["sales"].number, kept.transfer["sales"].caller_id) == ("+xxxxxxxx20", "+xxxxxxxx00")
    assert kept.transfer["sales"].say == "One moment."
    assert list(kept.transfer) == list(agent.transfer)


def test_an_empty_table_is_there_with_its_defaults() -> None:
    assert read({"voicemail": {}}).voicemail == Voicemail()


def test_what_a_header_keeps_comes_back_the_same() -> None:
    agent = read(FULL)
    written = msgspec.json.decode(msgspec.json.encode(settings_of(agent)))
    assert agent_from("a", written) == evolve(agent, keep=Agent().keep)


def test_a_place_can_be_reached_in_each_way() -> None:
    assert {way for place in read(FULL).transfer.values() for way in WAYS if getattr(place, way)} == set(WAYS)
    assert set(WAYS) < {field.name for field in fields(Place)}


def test_whoever_is_turned_away_gets_the_steps_of_that_cause_alone() -> None:
    plan = FailurePlan(steps=("voicemail",), quota=("hang_up",))
    wanted = {cause: () if cause in TURNED_AWAY else ("voicemail",) for cause in CAUSES} | {
        "quota": ("hang_up",)
    }
    assert {cause: plan.steps_for(cause) for cause in CAUSES} == wanted


# ---------------------------------------------------------------- what is wrong, and what to write

A_NUMBER = 'a number with its country, such as "+493012345678"'
A_STEP = 'use "say:WORDS", "dial:PLACE", "voicemail", "queue:NAME", "hang_up" or the https URL of other TwiML, and not'


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ({}, "]: say how the place is reached: with number, sip, client, queue, conference or refer"),
        ({"number": ""}, "]: say how the place is reached: with number, sip, client, queue, conference or refer"),
        ({"sip": "sip:a@b.de", "number": "+4930901820"}, "] number, sip: a place is reached in one way: keep one"),
        ({"number": "030 901820"}, f'] number = "030 901820": use {A_NUMBER}'),
        ({"number": 4930901820}, f"] number = 4930901820: use {A_NUMBER}"),
        ({"number": "+49 (0)30 90-18.20"}, '] number = "+49 (0)30 90-18.20": use "+4930901820"'),
        ({"number": "0049 30 901820"}, '] number = "0049 30 901820": use "+4930901820"'),
        ({"sip": "desk@pbx"}, '] sip = "desk@pbx": use a SIP address, such as "sip:sales@example.com"'),
        ({"sip": 'sip:a@b" url="x'}, "] sip = "),
        ({"client": "an na"}, '] client = "an na": use the name of a Twilio client, of letters, digits and _ . @'),
        ({"queue": "<b>"}, '] queue = "<b>": use a name of 1 to 64 letters, digits, spaces and _ . -, such as'),
        ({"refer": "+4930901820"}, '] refer = "+4930901820": use a SIP address, such as "sip:sales@example.com"'),
        (SALES | {"ring_seconds": 4}, "] ring_seconds = 4: use a whole number from 5 to 600"),
        (SALES | {"talk_seconds": 20_000}, "] talk_seconds = 20000: use a whole number from 10 to 14400"),
        (SALES | {"caller_id": "sales"}, f'] caller_id = "sales": use {A_NUMBER}'),
        (SALES | {"name": "x"}, "] name: unknown key; did you mean number?"),
        (SALES | {"is_warm": True}, "] is_warm: unknown key; did you mean warm?"),
        (SALES | {"say": "x" * 5000}, "use at most 4096 characters: Twilio says no more; these are 5000"),
        ({"queue": "q", "warm": True}, "] warm = true: there is nobody who could be told first in a queue: use "),
    ],
)  # fmt: skip
def test_a_place_that_can_not_be_reached_is_a_fault(place: dict[str, Any], sentence: str) -> None:
    (fault,) = faults_of({"transfer": {"sales": place}})
    assert fault.startswith(".transfer.sales")
    assert sentence in fault


@pytest.mark.parametrize(
    ("agent", "sentence"),
    [
        ({"transfer": 3}, ".transfer] = 3: write a table for each place, such as [agents.a.transfer.sales]"),
        ({"transfer": {"number": "+4930901820"}}, '.transfer] number = "+4930901820": a place is a table with a name'),
        ({"transfer": {"Sales Dept": SALES}}, '.transfer.Sales Dept]: use a name of a-z, 0-9, "-" and "_", such as'),
        ({"transfer": {f"p{n}": SALES for n in range(51)}}, ".transfer]: 51 places; use at most 50: the model reads"),
        ({"send_digits": "yes"}, '] send_digits = "yes": use true or false'),
        ({"voicemail": {"max_seconds": 1}}, ".voicemail] max_seconds = 1: use a whole number from 2 to 3600"),
        ({"voicemail": {"silence_seconds": 0}}, ".voicemail] silence_seconds = 0: use a whole number from 1 to 60"),
        ({"voicemail": True}, ".voicemail] = true: use a table, written [agents.a.voicemail] on a line of its own"),
        ({"collect": {}}, '.collect]: name the tool that is given the digits: tool = "check_pin", say'),
        ({"collect": {"tool": ""}}, '.collect]: name the tool that is given the digits: tool = "check_pin", say'),
        ({"collect": {"tool": "t", "seconds": 0}}, ".collect] seconds = 0: use a whole number from 1 to 60"),
        ({"failure": ["voicemail"]}, '.failure] = ["voicemail"]: use a table, written [agents.a.failure]'),
        ({"failure": {"steps": "voicemail"}}, '.failure] steps = "voicemail": use a list of steps: "say:WORDS", '),
        ({"failure": {"busy": []}}, ".failure] busy: unknown key; "),
        ({"failure": {"steps": ["say:x"] * 11}}, "use at most 10 steps; these are 11"),
        *(
            ({"failure": {"steps": [step]}}, f'{A_STEP} "{step}"')
            for step in ("say:", "say: ", "dial:", "queue:", "queue:<x>", "http://example.com/x.xml", "https://", "",
                         "https://a@b", "https://example.com:0/x", "voicemail:now", "Voicemail", "hangup")
        ),
        ({"failure": {"quota": ["dial:sale"]}, "transfer": {"sales": SALES}},
         '.failure] quota: "dial:sale": there is no [agents.a.transfer.sale]; did you mean sales?'),
        ({"failure": {"full": ["dial:sales"]}},
         '.failure] full: "dial:sales": there is no [agents.a.transfer.sales]; known here: none'),
        ({"failure": {"steps": ["dial:sales"]}, "transfer": {"sales": SALES | {"warm": True}}},
         '.failure] steps: "dial:sales": whoever answers there is told a summary of the model\'s, and here is no'),
        ({"failure": {"closed": ["voicemail"]}}, '.failure] closed: "voicemail": there is no [agents.a.voicemail]:'),
        ({"failure": {"steps": ["hang_up", "say:Bye."]}}, '.failure] steps: "say:Bye." comes after "hang_up", with'),
        ({"failure": {"steps": ["https://example.com/x", "hang_up"]}}, '"hang_up" comes after "https://example.com'),
    ],
)  # fmt: skip
def test_a_fault_of_a_table_says_what_to_write(agent: dict[str, Any], sentence: str) -> None:
    (fault,) = faults_of(agent)
    assert sentence in fault


# ---------------------------------------------------------------- anything at all

WORDS = st.text(max_size=20) | st.sampled_from(
    ["dial:sales", "voicemail", "hang_up", "+4930901820", "sip:a@b.de"]
)
VALUES = st.none() | st.booleans() | st.integers() | WORDS | st.lists(WORDS, max_size=3)
PLACES = st.dictionaries(
    st.sampled_from([*WAYS, "say", "warm", "offered", "caller_id"]) | WORDS, VALUES, max_size=4
)
TABLES = {
    "transfer": st.dictionaries(st.sampled_from(["sales", "x y"]) | WORDS, PLACES | VALUES, max_size=3) | VALUES,
    "voicemail": st.dictionaries(st.sampled_from(["say", "max_seconds", "beep"]), VALUES, max_size=3) | VALUES,
    "collect": st.dictionaries(st.sampled_from(["tool", "say", "seconds"]), VALUES, max_size=3) | VALUES,
    "failure": st.dictionaries(st.sampled_from(["steps", *CAUSES]), VALUES, max_size=4) | VALUES,
}  # fmt: skip


@given(agent=st.fixed_dictionaries({}, optional=TABLES))
@settings(max_examples=200)
def test_anything_at_all_is_a_plan_that_can_be_followed_or_a_fault(agent: dict[str, Any]) -> None:
    try:
        found, faults = read(agent), list[str]()
    except ConfigError as error:
        found, faults = Agent(name="a"), error.faults
    assert all(fault.startswith("config.toml: [agents.a") for fault in faults)
    assert agent_from("a", msgspec.json.decode(msgspec.json.encode(settings_of(found)))) == found
    for cause in CAUSES:
        plans = failure_plans(found, cause)
        assert bool(plans) == bool(found.failure.steps_for(cause))
        assert all(isinstance(plan.step, GoTo | HangUp) for plan in plans[-1:])
