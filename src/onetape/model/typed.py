"""Convert data to typed values, from any thread.

msgspec analyses a type on its first use, and two threads that do so at once read each other's unfinished result: the
process crashes (0.22.0; a test shows it). Here a type is prepared by one thread at a time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Annotated, Any, TypeVar, overload

import msgspec

__all__ = ["Millis", "from_builtins", "from_json", "from_msgpack"]

Millis = Annotated[int, msgspec.Meta(ge=0, le=2**63 // 10**6 - 1)]  # milliseconds that fit 64 bits as ns
T = TypeVar("T")
Decode = Callable[[Any], Any]

_json: dict[Any, Decode] = {}  # by type
_msgpack: dict[Any, Decode] = {}
_preparing = threading.Lock()


@overload
def from_json(data: bytes | bytearray | memoryview | str, kind: type[T]) -> T: ...
@overload
def from_json(data: bytes | bytearray | memoryview | str, kind: Any) -> Any: ...
def from_json(data: bytes | bytearray | memoryview | str, kind: Any) -> Any:
    """Parse JSON. Raises msgspec.DecodeError."""
    decode = _json.get(kind) or _prepared(_json, msgspec.json.Decoder, kind)
    return decode(data)


@overload
def from_msgpack(data: bytes | bytearray | memoryview, kind: type[T]) -> T: ...
@overload
def from_msgpack(data: bytes | bytearray | memoryview, kind: Any) -> Any: ...
def from_msgpack(data: bytes | bytearray | memoryview, kind: Any) -> Any:
    """Parse MessagePack. Raises msgspec.DecodeError."""
    decode = _msgpack.get(kind) or _prepared(_msgpack, msgspec.msgpack.Decoder, kind)
    return decode(data)


@overload
def from_builtins(value: object, kind: type[T], *, strict: bool = ...) -> T: ...
@overload
def from_builtins(value: object, kind: Any, *, strict: bool = ...) -> Any: ...
def from_builtins(value: object, kind: Any, *, strict: bool = True) -> Any:
    """Convert plain values. Raises msgspec.ValidationError."""
    if kind not in _msgpack:
        _prepared(_msgpack, msgspec.msgpack.Decoder, kind)
    return msgspec.convert(value, kind, strict=strict)


def _prepared(decoders: dict[Any, Decode], decoder: Callable[[Any], Any], kind: Any) -> Decode:
    with _preparing:
        decode: Decode = decoders.setdefault(kind, decoder(kind).decode)
    return decode
