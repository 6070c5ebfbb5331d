"""Whatever text comes in, out comes a frame, a BadFrame or an UnknownType, and nothing else."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub import frames, wire
from hub.errors import BadFrame, HubbubError, NameTaken, UnknownType
from tests.hub.core import message

MIB = 2**20
FROM_CLIENT = get_args(frames.FromClient)
FROM_HUB = get_args(frames.FromHub)

# The least of each frame, and what each of its fields must not be.
LEAST: dict[str, dict[str, Any]] = {
    "hello": {},
    "publish": {"to": "bob", "body": ""},
    "subscribe": {"topic": "a"},
    "unsubscribe": {"topic": "a"},
    "received": {"offset": 0},
    "read": {"offset": 0},
    "presence": {},
    "rename": {"name": "a"},
    "instances": {},
    "history": {},
    "status": {},
}
NOT_TEXT: list[Any] = [1, 1.5, True, [], {}]
NOT_NULL: list[Any] = [None]
NOT_WHOLE: list[Any] = ["1", 1.5, True, [], {}]
NOT_SWITCH: list[Any] = [0, 1, "true", [], {}, None]
NOT_REF: list[Any] = [1.5, True, [], {}, "x" * 65, 2**63, -(2**63) - 1]
NOT_OFFSET: list[Any] = [*NOT_WHOLE, -1, 2**63]
NOT_MOMENT: list[Any] = [True, [], {}, "yesterday", "2026-01-31T12:00:00", "2026-01-31"]
NOT_CREDIT: list[Any] = [*NOT_WHOLE, -1, 65_537]
WRONG: dict[str, dict[str, list[Any]]] = {
    "hello": {
        "ref": NOT_REF,
        "name": NOT_TEXT,
        "token": NOT_TEXT,
        "resume": NOT_OFFSET,
        "epoch": NOT_TEXT,
        "credit": [*NOT_CREDIT, None],
        "client": NOT_TEXT,
        "observe": NOT_SWITCH,
        "session": NOT_TEXT,
        "take_over": NOT_SWITCH,
        "human": NOT_SWITCH,
        "share": NOT_SWITCH,
    },
    "publish": {
        "ref": NOT_REF,
        "to": NOT_TEXT + NOT_NULL,
        "body": NOT_TEXT + NOT_NULL,
        "data": [],
        "thread": NOT_TEXT,
        "reply_to": NOT_TEXT,
        "ttl": ["1", True, [], {}],
        "answer_by": [True, [], {}],
        "id": NOT_TEXT,
        "attachments": ["a", 1, {}, [1], ["a"], [{}]],
    },
    "subscribe": {"ref": NOT_REF, "topic": NOT_TEXT + NOT_NULL},
    "unsubscribe": {"ref": NOT_REF, "topic": NOT_TEXT + NOT_NULL},
    "received": {"offset": NOT_OFFSET + NOT_NULL, "credit": NOT_CREDIT},
    "read": {"ref": NOT_REF, "offset": NOT_OFFSET + NOT_NULL},
    "presence": {
        "ref": NOT_REF,
        "activity": [*NOT_TEXT, "asleep", ""],
        "hops": [1, "a", {}, [1], [""], ["Mixed Case"], ["x" * 33], ["x"] * 17],
        "wakes": [0, 1, "true", [], {}],
        "client": NOT_TEXT + NOT_NULL,
        "prompted": NOT_SWITCH,
    },
    "rename": {"ref": NOT_REF, "name": NOT_TEXT + NOT_NULL},
    "instances": {"ref": NOT_REF},
    "history": {
        "ref": NOT_REF,
        "with": NOT_TEXT,
        "from": NOT_TEXT,
        "to": NOT_TEXT,
        "topic": NOT_TEXT,
        "thread": NOT_TEXT,
        "search": NOT_TEXT,
        "since": NOT_MOMENT,
        "until": NOT_MOMENT,
        "limit": [*NOT_WHOLE, 0, 1001, None],
        "before": NOT_OFFSET,
        "after": NOT_OFFSET,
    },
    "status": {"ref": NOT_REF, "id": NOT_TEXT},
}


def test_the_tables_above_have_every_frame_and_field() -> None:
    fields = {
        str(frame.__struct_config__.tag): {field.encode_name for field in msgspec.structs.fields(frame)}
        for frame in FROM_CLIENT
    }
    assert {kind: set(wrong) for kind, wrong in WRONG.items()} == fields
    assert set(LEAST) == set(fields)


@pytest.mark.parametrize("kind", LEAST)
def test_the_least_of_each_frame_is_read(kind: str) -> None:
    frame = wire.decode(json.dumps({"type": kind, **LEAST[kind]}))
    assert frame.__struct_config__.tag == kind


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        pytest.param(kind, field, value, id=f"{kind}.{field}={str(value)[:12]}")
        for kind, fields in WRONG.items()
        for field, values in fields.items()
        for value in values
    ],
)
def test_a_field_of_the_wrong_type_is_named(kind: str, field: str, value: Any) -> None:
    with pytest.raises(BadFrame) as why:
        wire.decode(json.dumps({"type": kind, **LEAST[kind], field: value}))
    assert f"$.{field}" in why.value.message
    assert why.value.message.startswith(f"The {kind} frame does not fit")


@pytest.mark.parametrize(
    ("kind", "field"), [(kind, field) for kind, fields in LEAST.items() for field in fields], ids=str
)
def test_a_field_that_is_missing_is_named(kind: str, field: str) -> None:
    parts = {name: value for name, value in LEAST[kind].items() if name != field}
    with pytest.raises(BadFrame, match=f"`{field}`"):
        wire.decode(json.dumps({"type": kind, **parts}))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("null", id="null"),
        pytest.param("[]", id="an array"),
        pytest.param('"hello"', id="a text"),
        pytest.param("{}", id="an empty object"),
        pytest.param('{"type":null}', id="a type of null"),
        pytest.param('{"type":"hello"', id="cut short"),
        pytest.param('{"type":"hello"} {}', id="two objects"),
        pytest.param("{'type':'hello'}", id="single quotes"),
        pytest.param('{"type":"hello",}', id="a comma too many"),
        pytest.param('\ufeff{"type":"hello"}', id="a byte order mark"),
        pytest.param(b'{"type":"publish","to":"a","body":"\xff"}', id="invalid UTF-8"),
        pytest.param(b'{"type":"publish","to":"a","body":"\xed\xa0\x80"}', id="a surrogate in UTF-8"),
        pytest.param('{"type":"publish","to":"a","body":"\\ud800"}', id="a lone surrogate, escaped"),
        pytest.param('{"type":"publish","to":"a","body":"\ud800"}', id="a lone surrogate"),
        pytest.param('{"type":"publish","to":"a","body":"x","ttl":NaN}', id="NaN"),
        pytest.param('{"type":"publish","to":"a","body":"x","ttl":Infinity}', id="Infinity"),
        pytest.param('{"type":"publish","to":"a","body":"x","ttl":1e999}', id="a number out of range"),
        pytest.param('{"type":"publish","to":"a","body":"x","data":1e999}', id="a number out of range in data"),
        pytest.param('{"type":"received","offset":' + "9" * 5000 + "}", id="5000 digits"),
        pytest.param('{"type":"publish","to":"a","body":"x","data":' + "9" * 5000 + "}", id="5000 digits in data"),
        pytest.param('{"type":"publish","ref":' + "9" * 5000 + "}", id="5000 digits in the ref"),
        pytest.param('{"type":"publish","to":"a","body":"x","data":' + "[" * 100_000 + "]" * 100_000 + "}", id="deep"),
        pytest.param('{"type":' + '{"a":' * 100_000 + "1" + "}" * 100_000 + "}", id="a deep type"),
        pytest.param('{"type":"hello","unknown":' + "[" * 100_000 + "]" * 100_000 + "}", id="a deep unknown field"),
        pytest.param("[" * MIB, id="1 MiB of brackets"),
        pytest.param('{"type":"hello","type":"publish","to":"a","body":"x"}', id="two types"),
    ],
)
def test_what_is_no_frame_is_refused_in_words(text: str | bytes) -> None:
    with pytest.raises(BadFrame) as why:
        wire.decode(text)
    assert len(why.value.message) < 300
    assert len(why.value.hint or "") < 200
    assert wire.ref_of(text) is None
    wire.encode(wire.error(why.value))  # and it can be said


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param('"welcome"', id="a frame of the hub's"),
        pytest.param('"Hello"', id="in capitals"),
        pytest.param('"' + "x" * MIB + '"', id="1 MiB long"),
        pytest.param("3", id="a number"),
        pytest.param("[" * 500 + "]" * 500, id="an array in an array, and so on"),
        pytest.param('"\\u0000\\u001b[2J"', id="control characters"),
    ],
)
def test_an_unknown_type_is_refused_with_those_there_are(kind: str) -> None:
    with pytest.raises(UnknownType) as why:
        wire.decode(f'{{"ref":7,"type":{kind}}}')
    assert "publish" in (why.value.hint or "")
    assert len(why.value.message) < 100
    assert why.value.message.isprintable()
    assert wire.ref_of(f'{{"ref":7,"type":{kind}}}') == 7


def test_the_last_of_two_equal_keys_counts() -> None:
    said = wire.decode('{"type":"publish","to":"bob","body":"x","to":"alice"}')
    assert isinstance(said, frames.Publish)
    assert said.to == "alice"


def test_unknown_fields_are_ignored() -> None:
    assert wire.decode('{"type":"instances","ref":1,"novel":{"a":[1]}}') == frames.Instances(ref=1)


@pytest.mark.parametrize("body", ["x" * MIB, "é" * (MIB // 2), "\x00" * MIB, "\U0001f600" * (MIB // 4)])
def test_a_body_of_a_mebibyte_arrives_whole(body: str) -> None:
    said = wire.decode(json.dumps({"type": "publish", "to": "bob", "body": body}))
    assert isinstance(said, frames.Publish)
    assert said.body == body
    (pushed,) = (wire.decode_from_hub(wire.encode_message(message(1, body=body))),)
    assert isinstance(pushed, frames.Message)
    assert pushed.body == body


@given(st.text() | st.binary())
def test_no_text_does_anything_but_what_is_said(text: str | bytes) -> None:
    try:
        wire.decode(text)
    except HubbubError as why:
        assert isinstance(why, BadFrame | UnknownType)  # noqa: PT017
    wire.ref_of(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FIELDS = sorted({field for fields in WRONG.values() for field in fields})


@given(
    kind=st.sampled_from([*LEAST, "message", "nonsense"]) | JSON, parts=st.dictionaries(st.sampled_from(FIELDS), JSON)
)
def test_no_object_does_anything_but_what_is_said(kind: Any, parts: dict[str, Any]) -> None:
    text = json.dumps({"type": kind, **parts})
    try:
        frame = wire.decode(text)
    except HubbubError as why:
        assert isinstance(why, BadFrame | UnknownType)  # noqa: PT017
    else:
        assert wire.decode(wire.encode(frame)) == frame
    ref = wire.ref_of(text)
    wire.encode(frames.Error(ref=ref, code="x", message="x"))


@pytest.mark.parametrize("ref", [0, -1, 2**63 - 1, -(2**63), "r", "x" * 64, "", None])
def test_a_ref_of_a_broken_frame_is_echoed(ref: int | str | None) -> None:
    assert wire.ref_of(json.dumps({"type": "hello", "ref": ref, "name": 3})) == ref


@pytest.mark.parametrize("ref", [True, 1.5, [], {}, "x" * 65, 2**63])
def test_what_is_no_ref_is_not_echoed(ref: Any) -> None:
    assert wire.ref_of(json.dumps({"type": "hello", "ref": ref})) is None


SAID_BY_HUB: list[frames.Frame] = [
    frames.Welcome(
        ref="r",
        name=None,
        session=None,
        epoch="e",
        head=1,
        floor=1,
        read=0,
        resumed=False,
        unread=None,
        credit=1,
        max_body=1,
        version="0",
    ),
    frames.Message.of(message(3, data={"a": [1]}, thread="t", expires_at=5.0)),
    frames.Published(ref=2**63 - 1, id="i", offset=1, to=[frames.Recipient(name="a", state="accepted", near=["b"])]),
    frames.Reply(ref=1, ladder=[frames.Step(name="a", state="read", at=datetime(2026, 1, 1, tzinfo=UTC))]),
    frames.Read(offset=5),
    frames.People(names=["kay"]),
    frames.Gap(from_=1, to=2),
    frames.Error(code="bad_frame", message="m", hint="h"),
]


def test_there_is_one_of_each_that_the_hub_says() -> None:
    assert [type(frame) for frame in SAID_BY_HUB] == list(FROM_HUB)


@pytest.mark.parametrize("frame", SAID_BY_HUB, ids=lambda frame: type(frame).__name__)
def test_what_the_hub_says_is_read_as_it_was_meant(frame: frames.Frame) -> None:
    assert wire.decode_from_hub(wire.encode(frame)) == frame


def test_a_frame_of_a_newer_hub_is_passed_over() -> None:
    assert wire.decode_from_hub('{"type":"novel","x":1}') is None


def test_a_broken_frame_of_the_hub_is_an_error() -> None:
    with pytest.raises(BadFrame):
        wire.decode_from_hub('{"type":"gap","from":"x"}')


def test_a_message_is_the_same_everywhere_and_absent_parts_are_null() -> None:
    it = message(7, "inbox.bob", to="bob", at=1_700_000_000.25)
    public = {
        "offset": 7,
        "id": "id-7",
        "from": "bob",
        "to": "bob",
        "topic": "inbox.bob",
        "thread": None,
        "reply_to": None,
        "body": "message 7",
        "data": None,
        "at": "2023-11-14T22:13:20.250000Z",
        "attachments": None,
    }
    assert json.loads(wire.message_json(it)) == public
    assert json.loads(wire.encode_message(it)) == {"type": "message", **public}
    assert json.loads(msgspec.json.encode({"m": wire.raw(it)})) == {"m": public}
    assert list(json.loads(wire.message_json(it))) == list(public), "in the order in which people read them"


def test_frames_are_one_line_without_what_is_default() -> None:
    assert wire.encode(frames.Read(offset=5)) == b'{"type":"read","offset":5}'
    assert b"\n" not in wire.encode_message(message(1, body="two\nlines"))


def test_an_error_says_its_code_and_hint() -> None:
    said = wire.error(NameTaken("taken", "free"), 3)
    assert wire.encode(said) == b'{"type":"error","ref":3,"code":"name_taken","message":"taken","hint":"free"}'


@pytest.mark.parametrize(("data", "size"), [(None, 0), ([], 2), ({"é": 1}, 8), (10**30, 31), (float("inf"), 4)])
def test_data_is_measured_in_json(data: Any, size: int) -> None:
    assert wire.data_size(data) == size
