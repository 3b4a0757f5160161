"""The protocol: every message survives the line, every other line is refused with a readable error."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.service import protocol
from backend.service.protocol import ErrorBody, Failure, Notification, ProtocolError, Request, Response

ids = st.integers(min_value=0, max_value=2**53)
texts = st.text()
values = st.recursive(st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | texts,
                      lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=12)
objects = st.dictionaries(texts, values, max_size=4)
errors = st.builds(ErrorBody, st.integers(-32768, -32000), texts, texts, texts, texts)
messages = (st.builds(Request, ids, texts, objects) | st.builds(Notification, texts, objects) | st.builds(Response, ids, values)
            | st.builds(Failure, st.none() | ids, errors))


@given(messages)
def test_a_message_is_one_line_and_comes_back_the_same(message):
    line = protocol.encode(message)
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    assert protocol.decode(line) == message


@given(st.binary() | values.map(lambda value: json.dumps(value).encode()))
def test_any_line_is_a_message_or_a_protocol_error(line):
    refusal = refusal_of(line)
    assert refusal is None or refusal.body.remedy


def refusal_of(line):
    try:
        protocol.decode(line)
    except ProtocolError as error:
        return error
    return None


def test_numbers_that_json_lacks_are_refused():
    with pytest.raises(ValueError, match="JSON"):
        protocol.encode(Response(1, float("nan")))


@given(st.text(min_size=1), st.floats(0.1, 60), st.integers(0, 2**31 - 1), st.booleans())
def test_parameters_come_back_the_same(pack, seconds, seed, in_place):
    params = protocol.GenerateParams(job_dir="job", pack=pack, seconds=seconds, seed=seed, in_place=in_place)
    assert protocol.GenerateParams.read(params.write()) == params


@pytest.mark.parametrize(("params", "place"), [
    ({"pack": "a"}, "job_dir"),
    ({"job_dir": "x", "pack": 3}, "pack"),
    ({"job_dir": "x", "pack": "a", "seed": 1.5}, "seed"),
    ({"job_dir": "x", "pack": "a", "seed": True}, "seed"),
    ({"job_dir": "x", "pack": "a", "tempo": 1}, "tempo"),
])
def test_wrong_parameters_name_the_field(params, place):
    with pytest.raises(ProtocolError) as caught:
        protocol.GenerateParams.read(params)
    assert caught.value.body.place == place and caught.value.body.code == protocol.INVALID_PARAMS and caught.value.body.remedy


def test_whole_seconds_are_welcome():
    assert protocol.GenerateParams.read({"job_dir": "x", "pack": "a", "seconds": 6}).seconds == 6.0
