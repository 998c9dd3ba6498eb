"""Read and write ONNX graphs on the wire, so that no ONNX tool-kit has to be installed.

Field numbers are those of onnx.proto3. Only what :mod:`.kokoro_graph` needs is here: nodes are
taken apart and put together, everything else passes through unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

_MODEL_GRAPH = 7
_GRAPH_NODE, _GRAPH_INITIALIZER = 1, 5
_NODE_INPUT, _NODE_OUTPUT, _NODE_NAME, _NODE_OP, _NODE_ATTRIBUTE = 1, 2, 3, 4, 5
_ATTRIBUTE_NAME, _ATTRIBUTE_INT, _ATTRIBUTE_TYPE = 1, 3, 20
_ATTRIBUTE_IS_INT = 2
_TENSOR_TYPE, _TENSOR_NAME, _TENSOR_RAW = 2, 8, 9
UINT8, INT8, INT64 = 2, 3, 7
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True, slots=True)
class Node:
    """A node; ``rest`` holds its other fields as they were read."""

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    rest: bytes = b""

    def encode(self) -> bytes:
        return b"".join(
            [
                *(_bytes_field(_NODE_INPUT, name.encode()) for name in self.inputs),
                *(_bytes_field(_NODE_OUTPUT, name.encode()) for name in self.outputs),
                _bytes_field(_NODE_OP, self.op.encode()),
                self.rest,
            ]
        )


def make_node(op: str, inputs: Sequence[str], output: str, **attributes: int) -> Node:
    """A new node with one output, named after it, and attributes that are integers."""
    rest = [_bytes_field(_NODE_NAME, output.encode())]
    for name, value in attributes.items():
        attribute = (
            _bytes_field(_ATTRIBUTE_NAME, name.encode())
            + _varint_field(_ATTRIBUTE_INT, value)
            + _varint_field(_ATTRIBUTE_TYPE, _ATTRIBUTE_IS_INT)
        )
        rest.append(_bytes_field(_NODE_ATTRIBUTE, attribute))
    return Node(op, tuple(inputs), (output,), b"".join(rest))


def make_scalar(name: str, kind: int, raw: bytes) -> bytes:
    """A constant (initializer) without dimensions; ``kind`` is an ONNX data type."""
    return (
        _varint_field(_TENSOR_TYPE, kind)
        + _bytes_field(_TENSOR_NAME, name.encode())
        + _bytes_field(_TENSOR_RAW, raw)
    )


def rewrite(
    model: bytes, change: Callable[[Sequence[Node]], Iterable[Node]], constants: Iterable[bytes]
) -> bytes:
    """The model with its nodes put through ``change``, and ``constants`` added.

    Raises
    ------
    ValueError
        ``model`` is no serialised ONNX model.
    """
    fields = list(_fields(model))
    if [kind for number, kind, _ in fields if number == _MODEL_GRAPH] != [_BYTES]:
        raise ValueError("not an ONNX model: it has no graph")
    parts = []
    for number, kind, payload in fields:
        if number == _MODEL_GRAPH:
            parts.append(_bytes_field(number, _rewrite_graph(payload, change, constants)))
        else:
            parts.append(_raw_field(number, kind, payload))
    return b"".join(parts)


def _rewrite_graph(
    graph: memoryview,
    change: Callable[[Sequence[Node]], Iterable[Node]],
    constants: Iterable[bytes],
) -> bytes:
    nodes: list[Node] = []
    rest: list[bytes] = []
    for number, kind, payload in _fields(graph):
        if number == _GRAPH_NODE:
            nodes.append(_decode_node(payload))
        else:
            rest.append(_raw_field(number, kind, payload))
    changed = [_bytes_field(_GRAPH_NODE, node.encode()) for node in change(nodes)]
    added = [_bytes_field(_GRAPH_INITIALIZER, constant) for constant in constants]
    return b"".join([*changed, *rest, *added])


def _decode_node(data: memoryview) -> Node:
    op, inputs, outputs, rest = "", [], [], []
    for number, kind, payload in _fields(data):
        if number == _NODE_INPUT:
            inputs.append(str(payload, "utf-8"))
        elif number == _NODE_OUTPUT:
            outputs.append(str(payload, "utf-8"))
        elif number == _NODE_OP:
            op = str(payload, "utf-8")
        else:
            rest.append(_raw_field(number, kind, payload))
    return Node(op, tuple(inputs), tuple(outputs), b"".join(rest))


def _fields(data: memoryview | bytes) -> Iterator[tuple[int, int, memoryview]]:
    """(field number, wire type, payload) of one message, in order."""
    view = memoryview(data)
    at = 0
    while at < len(view):
        key, at = _read_varint(view, at)
        number, kind = key >> 3, key & 7
        start = at
        if kind == _VARINT:
            _, at = _read_varint(view, at)
        elif kind == _BYTES:
            length, start = _read_varint(view, at)
            at = start + length
        elif kind in (_FIXED64, _FIXED32):
            at += 8 if kind == _FIXED64 else 4
        else:
            raise ValueError(f"not protobuf: wire type {kind}")
        if at > len(view) or number == 0:
            raise ValueError("not protobuf: cut short")
        yield number, kind, view[start:at]


def _read_varint(view: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(view) and shift < 70:
        byte = view[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    raise ValueError("not protobuf: cut short")


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _raw_field(number: int, kind: int, payload: memoryview) -> bytes:
    length = _varint(len(payload)) if kind == _BYTES else b""
    return b"".join((_varint(number << 3 | kind), length, payload))


def _bytes_field(number: int, payload: bytes) -> bytes:
    return b"".join((_varint(number << 3 | _BYTES), _varint(len(payload)), payload))


def _varint_field(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)
