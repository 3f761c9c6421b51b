"""Frames and messages: what is sent comes back, whatever else comes is refused at once."""

from __future__ import annotations

import dataclasses
import io
import typing

import pytest

from neural_backend.protocol import framing, messages
from neural_backend.protocol.messages import REPLIES, REQUESTS

EXAMPLES = {str: "ä/\"'", int: 7, float: 0.25, bool: True, bytes: b"\0\1\2", dict: {"a": [1, None]}}


def example(cls):
    """A message with every field set."""
    hints = typing.get_type_hints(cls)
    values = {}
    for entry in dataclasses.fields(cls):
        values[entry.name] = example_of(hints[entry.name])
    return cls(**values)


def example_of(hint):
    if typing.get_origin(hint) is tuple:
        return (example_of(typing.get_args(hint)[0]),) * 2
    return EXAMPLES[next((option for option in typing.get_args(hint) if option in EXAMPLES), hint)]


@pytest.mark.parametrize("kind", [*REQUESTS, *REPLIES])
def test_a_message_comes_back_as_it_was(kind):
    table = REQUESTS if kind in REQUESTS else REPLIES
    message = example(table[kind])
    stream = io.BytesIO(framing.pack(messages.encode(message)) * 2)
    for _ in range(2):
        assert messages.decode(framing.read(stream), table) == message
    assert framing.read(stream) is None


def test_every_message_is_in_a_table():
    def below(cls):
        return {cls, *(leaf for child in cls.__subclasses__() for leaf in below(child))}

    assert below(messages.Message) - {messages.Message} == {*REQUESTS.values(), *REPLIES.values()}


class OneByteAtATime(io.BytesIO):
    def read(self, count=-1):
        return super().read(min(count, 1))


def test_a_pipe_may_give_less_than_asked():
    message = messages.Partial("job", "fit", 2, 2, bytes(16))
    stream = OneByteAtATime(framing.pack(messages.encode(message)))
    assert messages.decode(framing.read(stream), REPLIES) == message


@pytest.mark.parametrize(
    "data",
    [
        b"Traceback (most recent call last):\n",
        b"\xff" * 64,
        bytes(12),
        b"\x05\0\0\0" + bytes(8) + b"hello",
        b"\x04\0\0\0" + bytes(8) + b"[12]",
        framing.pack(framing.Frame({"kind": "alive"}))[:-1],
        framing.pack(framing.Frame({"kind": "alive"}, b"blob"))[:-1],
        b"\x01\0",
    ],
)
def test_garbage_is_no_frame(data):
    with pytest.raises(framing.FramingError):
        framing.read(io.BytesIO(data))


@pytest.mark.parametrize(
    ("header", "what"),
    [
        ({}, "unknown kind"),
        ({"kind": 3}, "unknown kind"),
        ({"kind": "welcome"}, "unknown kind"),  # a reply is no request
        ({"kind": "cancel"}, "lacks"),
        ({"kind": "cancel", "job": 3}, "must be str"),
        ({"kind": "cancel", "job": "a", "more": 1}, "no field"),
        ({"kind": "fit", "job": "a", "photos": "b", "output": "c"}, "must be a list"),
        ({"kind": "fit", "job": "a", "photos": [1], "output": "c"}, "must be str"),
        ({"kind": "fit", "job": "a", "photos": [], "output": "c", "seed": True}, "must be int"),
    ],
)
def test_other_headers_are_no_message(header, what):
    with pytest.raises(messages.MessageError, match=what):
        messages.decode(framing.Frame(header), REQUESTS)


def test_too_long_a_frame_is_not_sent():
    with pytest.raises(framing.FramingError):
        framing.pack(framing.Frame({"kind": "x" * (framing.MAX_HEADER + 1)}))
