"""Every message between Blender and the backend, as frozen dataclasses; `REQUESTS` and `REPLIES` are the whole table.

A message is a frame whose header is its fields and `kind`. A job, named by a string the client chooses, gets one
Accepted, any number of Progress and Partial, then exactly one of Result, Cancelled and Error.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from dataclasses import dataclass, field
from typing import ClassVar

from .framing import Frame

VERSION = 1


class MessageError(Exception):
    """A frame that is no message of this protocol."""


class Message:
    """Base of all; `kind` is the name on the wire."""

    kind: ClassVar[str]


# --- Blender to backend


@dataclass(frozen=True)
class Hello(Message):
    """The first message; the backend answers by Welcome."""

    kind: ClassVar[str] = "hello"
    version: int = VERSION
    device: str = "auto"


@dataclass(frozen=True)
class Fit(Message):
    """Photos of one person into a head package `<output>/<name>.head`. Lane: compute."""

    kind: ClassVar[str] = "fit"
    job: str
    photos: tuple[str, ...]
    output: str
    name: str | None = None
    quality: str = "standard"
    map_size: int | None = None
    device: str = "auto"
    seed: int = 0
    keep_photos: bool = True


@dataclass(frozen=True)
class SolveAgain(Message):
    """The photos of a package once more, with pins and painted maps, into `<output>/<name>.head`. Lane: compute."""

    kind: ClassVar[str] = "solve_again"
    job: str
    head: str  # the package
    output: str
    name: str
    pins: tuple[tuple[float, ...], ...] = ()  # (photo, landmark, x, y) each
    painted: tuple[tuple[str, ...], ...] = ()  # (map of the skin, PNG file) each
    quality: str = "standard"
    device: str = "auto"
    seed: int = 0


@dataclass(frozen=True)
class CaptureExpression(Message):
    """Footage of a person whose head is known into a take `<output>/<name>.take`. Lane: compute."""

    kind: ClassVar[str] = "capture_expression"
    job: str
    head: str  # the package
    sources: tuple[str, ...]  # photos; or one folder of frames; or one video
    output: str
    name: str | None = None
    frame_rate: float | None = None  # of a folder of frames
    stride: int = 1
    smoothing: float = 1.0
    neutral: str = "clip"
    device: str = "auto"


@dataclass(frozen=True)
class Inspect(Message):
    """Look at one photo: is there a face to fit? Lane: preview, the newest per key."""

    kind: ClassVar[str] = "inspect"
    job: str
    key: str
    photo: str
    device: str = "auto"


@dataclass(frozen=True)
class Cancel(Message):
    """Stop a job, waiting or running. A job that is unknown or over is no error: the two may cross on the way."""

    kind: ClassVar[str] = "cancel"
    job: str


# --- backend to Blender


@dataclass(frozen=True)
class Welcome(Message):
    kind: ClassVar[str] = "welcome"
    version: int
    release: str  # of Mien
    device: str  # "cpu" or "cuda", what "auto" means here
    python: str
    torch: str
    pid: int


@dataclass(frozen=True)
class Refused(Message):
    """The backend cannot serve at all and ends."""

    kind: ClassVar[str] = "refused"
    code: str
    text: str


@dataclass(frozen=True)
class Alive(Message):
    """Sent every second, so that a stalled backend can be told from a busy one."""

    kind: ClassVar[str] = "alive"


@dataclass(frozen=True)
class Accepted(Message):
    kind: ClassVar[str] = "accepted"
    job: str
    waiting: int  # jobs before it in its lane


@dataclass(frozen=True)
class Progress(Message):
    kind: ClassVar[str] = "progress"
    job: str
    stage: str
    done: float  # share of the stage, 0..1
    total: float  # share of the job, 0..1
    text: str = ""


@dataclass(frozen=True)
class Partial(Message):
    """A picture to show while waiting; the blob is RGBA, 8 bits sRGB, bottom row first, as Blender has pictures."""

    kind: ClassVar[str] = "partial"
    job: str
    stage: str
    width: int
    height: int
    pixels: bytes = field(default=b"", repr=False, metadata={"blob": True})


@dataclass(frozen=True)
class Result(Message):
    kind: ClassVar[str] = "result"
    job: str
    values: dict


@dataclass(frozen=True)
class Cancelled(Message):
    kind: ClassVar[str] = "cancelled"
    job: str


@dataclass(frozen=True)
class Error(Message):
    kind: ClassVar[str] = "error"
    job: str
    code: str
    text: str  # one sentence for the user
    photo: int | None = None  # which of the job's photos is at fault, where one is


REQUESTS: dict[str, type[Message]] = {
    message.kind: message for message in (Hello, Fit, SolveAgain, CaptureExpression, Inspect, Cancel)
}
REPLIES: dict[str, type[Message]] = {
    message.kind: message
    for message in (Welcome, Refused, Alive, Accepted, Progress, Partial, Result, Cancelled, Error)
}


def encode(message: Message) -> Frame:
    header, blob = {"kind": message.kind}, b""
    for entry in dataclasses.fields(message):
        value = getattr(message, entry.name)
        if entry.metadata.get("blob"):
            blob = value
        else:
            header[entry.name] = value
    return Frame(header, blob)


def decode(frame: Frame, table: dict[str, type[Message]]) -> Message:
    """The message of a frame; `table` is REQUESTS or REPLIES.

    Raises:
        MessageError: unknown kind, or a field is missing, unknown, or of another type than the dataclass says.
    """
    header = dict(frame.header)
    kind = header.pop("kind", None)
    cls = table.get(kind) if isinstance(kind, str) else None
    if cls is None:
        raise MessageError(f"a message of the unknown kind {str(kind)[:40]!r}")
    annotations, values = typing.get_type_hints(cls), {}
    for entry in dataclasses.fields(cls):
        if entry.metadata.get("blob"):
            values[entry.name] = frame.blob
        elif entry.name in header:
            values[entry.name] = _checked(header.pop(entry.name), annotations[entry.name], f"{kind}.{entry.name}")
    if header:
        raise MessageError(f"{kind} has no field {next(iter(header))!r}")
    try:
        return cls(**values)
    except TypeError as error:
        raise MessageError(f"{kind} lacks a field ({error})") from error


def _checked(value: object, wanted: object, where: str) -> object:
    """`value` as the type `wanted`: a plain type, `X | None` or `tuple[X, ...]`, which JSON brings as a list."""
    if isinstance(wanted, types.UnionType):
        if value is None:
            return None
        (wanted,) = (option for option in typing.get_args(wanted) if option is not types.NoneType)
    if typing.get_origin(wanted) is tuple:
        if not isinstance(value, list | tuple):
            raise MessageError(f"{where} must be a list")
        return tuple(_checked(entry, typing.get_args(wanted)[0], where) for entry in value)
    if wanted is float and type(value) is int:
        return float(value)
    if type(value) is not wanted:
        raise MessageError(f"{where} must be {wanted.__name__}, not {type(value).__name__}")
    return value
