"""The messages between the add-on and the backend: JSON-RPC 2.0, one message a line. Standard library only.

Both sides of the border import this module; it knows nothing of sockets, pipes or processes.
"""

from __future__ import annotations

import json
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, ClassVar, TypeVar

PROTOCOL_VERSION = 1

INITIALIZE = "initialize"
DEVICE = "device"
GENERATE = "generate"
POSES = "poses"
LIFT = "lift"
FIT = "fit"
IMPORT = "import"
CANCEL = "cancel"
SHUTDOWN = "shutdown"
PROGRESS = "progress"

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
JOB_CANCELLED = -32000
JOB_FAILED = -32001


@dataclass(frozen=True)
class ErrorBody:
    """What went wrong. `kind` is a short word for programs, `remedy` the next step for people, `place` the file and spot."""

    code: int
    message: str
    kind: str
    remedy: str
    place: str = ""


class ProtocolError(Exception):
    """A line or its parameters break the protocol. `body` is ready to be sent as the answer to request `id`."""

    def __init__(self, body: ErrorBody, id: int | None = None):
        super().__init__(body.message)
        self.body, self.id = body, id


@dataclass(frozen=True)
class Request:
    id: int
    method: str
    params: dict[str, Any]


@dataclass(frozen=True)
class Notification:
    method: str
    params: dict[str, Any]


@dataclass(frozen=True)
class Response:
    id: int
    result: Any


@dataclass(frozen=True)
class Failure:
    """`id` is None when the line was too broken to tell which request it belongs to."""

    id: int | None
    error: ErrorBody


Message = Request | Notification | Response | Failure


def encode(message: Message) -> bytes:
    """One message as one line of ASCII with its newline. Raises ValueError for NaN and infinity, which JSON lacks."""
    body: dict[str, Any] = {"jsonrpc": "2.0"}
    match message:
        case Request(id, method, params):
            body |= {"id": id, "method": method, "params": params}
        case Notification(method, params):
            body |= {"method": method, "params": params}
        case Response(id, result):
            body |= {"id": id, "result": result}
        case Failure(id, error):
            data = {"kind": error.kind, "remedy": error.remedy, "place": error.place}
            body |= {"id": id, "error": {"code": error.code, "message": error.message, "data": data}}
    return json.dumps(body, allow_nan=False, separators=(",", ":")).encode("ascii") + b"\n"


def decode(line: bytes) -> Message:
    """The message on a line. Raises ProtocolError for anything else."""
    try:
        body = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ProtocolError(_malformed(PARSE_ERROR, f"A line is not JSON: {error}")) from None
    if not isinstance(body, dict) or body.get("jsonrpc") != "2.0":
        raise ProtocolError(_malformed(INVALID_REQUEST, "A line is not a JSON-RPC 2.0 message"))
    id = body.get("id")
    if id is not None and (not isinstance(id, int) or isinstance(id, bool)):
        raise ProtocolError(_malformed(INVALID_REQUEST, "The id of a message is not a whole number"))
    if "method" in body:
        method, params = body["method"], body.get("params", {})
        if not isinstance(method, str) or not isinstance(params, dict):
            raise ProtocolError(_malformed(INVALID_REQUEST, "'method' must be a text and 'params' an object"), id)
        return Notification(method, params) if id is None else Request(id, method, params)
    if "error" in body:
        return Failure(id, _error_body(body["error"]))
    if id is None or "result" not in body:
        raise ProtocolError(_malformed(INVALID_REQUEST, "A message has neither 'method', 'result' nor 'error'"), id)
    return Response(id, body["result"])


def _malformed(code: int, message: str) -> ErrorBody:
    return ErrorBody(code, message, "protocol", "Send one JSON-RPC 2.0 message a line; see docs/architecture.md, 'The service'")


def _error_body(error: Any) -> ErrorBody:
    error = error if isinstance(error, dict) else {}
    data = error.get("data") if isinstance(error.get("data"), dict) else {}
    code = error.get("code")
    return ErrorBody(code if isinstance(code, int) and not isinstance(code, bool) else INTERNAL_ERROR, str(error.get("message", "")),
                     str(data.get("kind", "internal")), str(data.get("remedy", "")), str(data.get("place", "")))


T = TypeVar("T", bound="Params")


@dataclass(frozen=True, kw_only=True)
class Params:
    """Base of the parameters of a method: fields with defaults may be left out, unknown fields are an error."""

    METHOD: ClassVar[str]

    @classmethod
    def read(cls: type[T], params: dict[str, Any]) -> T:
        """Checks names and types. Raises ProtocolError that names the field."""
        known = {entry.name: entry for entry in fields(cls)}
        for name in params.keys() - known.keys():
            raise ProtocolError(cls._wrong(f"{cls.METHOD} has no parameter {name!r}", f"Use these: {', '.join(known)}", name))
        values = {}
        for name, entry in known.items():
            if name not in params:
                if entry.default is MISSING and entry.default_factory is MISSING:
                    raise ProtocolError(cls._wrong(f"{cls.METHOD} needs the parameter {name!r}", f"Add {name!r}", name))
                continue
            value, kind = params[name], entry.type
            if kind == "float" and isinstance(value, int) and not isinstance(value, bool):
                value = float(value)
            if type(value).__name__ != kind:
                raise ProtocolError(cls._wrong(f"{name!r} of {cls.METHOD} is {value!r:.60}", f"Give it as {kind}", name))
            values[name] = value
        return cls(**values)

    def write(self) -> dict[str, Any]:
        """The parameters as a JSON object."""
        return {entry.name: getattr(self, entry.name) for entry in fields(self)}

    @classmethod
    def _wrong(cls, message: str, remedy: str, place: str) -> ErrorBody:
        return ErrorBody(INVALID_PARAMS, message, "bad-params", remedy, place)


@dataclass(frozen=True, kw_only=True)
class InitializeParams(Params):
    METHOD = INITIALIZE
    protocol: int
    client: str = ""


@dataclass(frozen=True, kw_only=True)
class DeviceParams(Params):
    """Asks for the device that "auto" stands for, which takes loading torch."""

    METHOD = DEVICE


@dataclass(frozen=True, kw_only=True)
class GenerateParams(Params):
    """`seconds` of motion, `variants` of it from `seed` on; `mode` is fast, paper or reference; results go to `job_dir`."""

    METHOD = GENERATE
    job_dir: str
    pack: str
    seconds: float = 6.0
    seed: int = 0
    variants: int = 1
    mode: str = "fast"
    in_place: bool = False
    device: str = "auto"


@dataclass(frozen=True, kw_only=True)
class PosesParams(Params):
    """Says what the pose file or folder `file` holds. 0 and "" stand for what the file is to say; `width` and `height` of the image and `focal`
    in pixels. With a `skeleton` the tracks of the ids `tracks` ("all" stands for all, none for the only one) are written to `job_dir`."""

    METHOD = POSES
    file: str
    format: str = ""
    joints: str = ""
    fps: float = 0.0
    width: int = 0
    height: int = 0
    focal: float = 0.0
    y_up: bool = False
    skeleton: str = ""
    tracks: list = field(default_factory=list)
    job_dir: str = ""


@dataclass(frozen=True, kw_only=True)
class LiftParams(Params):
    """Lifts the 2D pose file `poses`; `height` of the subject in metres, 0 for the pack's usual one; results go to `job_dir`."""

    METHOD = LIFT
    job_dir: str
    pack: str
    poses: str
    height: float = 0.0
    seed: int = 0
    plant: bool = True
    device: str = "auto"


@dataclass(frozen=True, kw_only=True)
class FitParams(Params):
    """Fits the motion file `motion` to the armature file `armature`; `contacts` is auto, always, never or grounding; the fit file goes to
    `job_dir`."""

    METHOD = FIT
    job_dir: str
    motion: str
    armature: str
    contacts: str = "auto"


@dataclass(frozen=True, kw_only=True)
class ImportParams(Params):
    """Reads the motion `file` of another program; 0 and "" where the file is to say it (see `import-motion`); results go to `job_dir`."""

    METHOD = IMPORT
    job_dir: str
    file: str
    scale: float = 0.0
    up: str = ""
    fps: float = 0.0
    preset: str = ""


@dataclass(frozen=True, kw_only=True)
class CancelParams(Params):
    METHOD = CANCEL
    id: int
