"""Make a quantised ONNX model's convolutions use the processor's 8-bit dot product.

Kokoro's int8 export feeds every ``ConvInteger`` unsigned weights *and* unsigned activations.
ONNX Runtime has no kernel with the VNNI instructions for that pairing: ``vpdpbusd`` multiplies
unsigned by signed. Shifting the activations and their zero point by 128 gives signed ones;
the 32-bit sums, and so the speech, stay the same to the bit, and each convolution takes half
the time (the whole model two thirds).

The rewrite edits the protobuf on the wire, so that no ONNX tool-kit has to be installed. Field
numbers are those of onnx.proto3 (``ModelProto.graph`` = 7, ``GraphProto.node`` = 1, …).
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
from pathlib import Path

_MODEL_GRAPH = 7
_GRAPH_NODE, _GRAPH_INITIALIZER = 1, 5
_NODE_INPUT, _NODE_OUTPUT, _NODE_NAME, _NODE_OP, _NODE_ATTRIBUTE = 1, 2, 3, 4, 5
_ATTRIBUTE_NAME, _ATTRIBUTE_INT, _ATTRIBUTE_TYPE = 1, 3, 20
_TENSOR_TYPE, _TENSOR_NAME, _TENSOR_RAW = 2, 8, 9
_UINT8, _INT8 = 2, 3
_ATTRIBUTE_IS_INT = 2
_SIGN_BIT = "onevoice/sign_bit"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def worthwhile() -> bool:
    """Whether this processor has the 8-bit dot product (x86 with VNNI).

    Without it the signed kernel adds pairs in 16 bits, which saturate: never use it there.
    """
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return False
    try:
        info = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    flags = next((line for line in info.splitlines() if line.startswith("flags")), "").split()
    return "avx512_vnni" in flags or "avx_vnni" in flags


def with_signed_activations(model: bytes) -> bytes:
    """The same model, every ``ConvInteger`` fed signed activations.

    A model whose convolutions have other inputs than a ``DynamicQuantizeLinear`` makes comes
    back as it was.

    Raises
    ------
    ValueError
        ``model`` is no serialised ONNX model.
    """
    fields = list(_fields(memoryview(model)))
    graphs = [payload for number, kind, payload in fields if (number, kind) == (_MODEL_GRAPH, 2)]
    if len(graphs) != 1:
        raise ValueError("not an ONNX model: it has no graph")
    graph = _rewrite_graph(graphs[0])
    return b"".join(
        _field(number, graph) if number == _MODEL_GRAPH else _raw(number, kind, payload)
        for number, kind, payload in fields
    )


def _rewrite_graph(graph: memoryview) -> bytes:
    fields = list(_fields(graph))
    nodes = [bytes(payload) for number, _, payload in fields if number == _GRAPH_NODE]
    quantised = {
        name
        for node in nodes
        if _text(node, _NODE_OP) == ["DynamicQuantizeLinear"]
        for name in _text(node, _NODE_OUTPUT)
    }
    out: list[bytes] = []
    shifted: set[str] = set()
    for number, kind, payload in fields:
        if number != _GRAPH_NODE or _text(bytes(payload), _NODE_OP) != ["ConvInteger"]:
            out.append(_raw(number, kind, payload))
            continue
        node = bytes(payload)
        inputs = _text(node, _NODE_INPUT)
        unsigned = [inputs[0], inputs[2]] if len(inputs) > 2 else []
        if not unsigned or not quantised.issuperset(unsigned):
            out.append(_raw(number, kind, payload))
            continue
        for name in unsigned:
            if name not in shifted:
                shifted.add(name)
                out += _shift_nodes(name)
        out.append(_field(_GRAPH_NODE, _with_inputs(node, [_signed(n) for n in unsigned])))
    if shifted:
        out.append(_field(_GRAPH_INITIALIZER, _sign_bit_tensor()))
    return b"".join(out)


def _signed(name: str) -> str:
    return f"{name}/signed"


def _shift_nodes(name: str) -> list[bytes]:
    """x XOR 0x80, read as signed, is x − 128."""
    flipped = f"{name}/flipped"
    to_int8 = (
        _field(_ATTRIBUTE_NAME, b"to")
        + _varint_field(_ATTRIBUTE_INT, _INT8)
        + _varint_field(_ATTRIBUTE_TYPE, _ATTRIBUTE_IS_INT)
    )
    flip = _node("BitwiseXor", [name, _SIGN_BIT], flipped)
    cast = _node("Cast", [flipped], _signed(name)) + _field(_NODE_ATTRIBUTE, to_int8)
    return [_field(_GRAPH_NODE, flip), _field(_GRAPH_NODE, cast)]


def _node(op: str, inputs: list[str], output: str) -> bytes:
    return (
        b"".join(_field(_NODE_INPUT, name.encode()) for name in inputs)
        + _field(_NODE_OUTPUT, output.encode())
        + _field(_NODE_NAME, output.encode())
        + _field(_NODE_OP, op.encode())
    )


def _with_inputs(node: bytes, signed: list[str]) -> bytes:
    """A ConvInteger (x, w, x_zero, w_zero) with x and x_zero replaced."""
    inputs = _text(node, _NODE_INPUT)
    inputs[0], inputs[2] = signed
    rest = [_raw(n, kind, payload) for n, kind, payload in _fields(node) if n != _NODE_INPUT]
    return b"".join([*(_field(_NODE_INPUT, name.encode()) for name in inputs), *rest])


def _sign_bit_tensor() -> bytes:
    return (
        _varint_field(_TENSOR_TYPE, _UINT8)
        + _field(_TENSOR_NAME, _SIGN_BIT.encode())
        + _field(_TENSOR_RAW, b"\x80")
    )


# --- protobuf on the wire -------------------------------------------------------------------


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


def _raw(number: int, kind: int, payload: memoryview) -> bytes:
    length = _varint(len(payload)) if kind == _BYTES else b""
    return b"".join((_varint(number << 3 | kind), length, payload))


def _field(number: int, payload: bytes) -> bytes:
    return b"".join((_varint(number << 3 | _BYTES), _varint(len(payload)), payload))


def _varint_field(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _text(node: bytes, number: int) -> list[str]:
    return [bytes(payload).decode() for n, _, payload in _fields(node) if n == number]
