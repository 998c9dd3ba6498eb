"""Two changes to Kokoro's ONNX graph, made in memory when it is loaded.

**Even durations.** Kokoro predicts how many 25 ms frames each sound lasts, divides by the
speed and rounds each sound by itself. Most sounds last two or three whole frames, so the speed
acts in steps: nothing happens, then at 1.34 every two-frame sound loses half its length at
once. Rounding the *running sum* instead carries each remainder on to the next sound: the line
lasts what was asked, and no sound is more than a frame from its share.

**Signed activations.** The int8 export feeds every ``ConvInteger`` unsigned weights *and*
unsigned activations, a pairing for which ONNX Runtime cannot use the processor's 8-bit dot
product (VNNI ``vpdpbusd`` multiplies unsigned by signed). Activations and their zero points
shifted by 128 are signed; the 32-bit sums, so the speech, stay the same to the bit, and the
convolutions take half the time.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from onevoice.engines.synthesis.onnx_wire import (
    INT8,
    INT64,
    UINT8,
    Node,
    make_node,
    make_scalar,
    rewrite,
)

_SIGN_BIT, _TIME_AXIS = "onevoice/sign_bit", "onevoice/time_axis"


def adapt(model: bytes, *, signed: bool) -> bytes:
    """The model with even durations and, if wanted, signed activations.

    Raises
    ------
    ValueError
        It is no ONNX model, or not Kokoro: nothing in it is rounded after division by ``speed``.
    """

    def change(nodes: Sequence[Node]) -> Iterable[Node]:
        even = list(even_durations(nodes))
        return signed_activations(even) if signed else even

    constants = [make_scalar(_TIME_AXIS, INT64, (1).to_bytes(8, "little"))]
    if signed:
        constants.append(make_scalar(_SIGN_BIT, UINT8, b"\x80"))
    return rewrite(model, change, constants)


def has_dot_product() -> bool:
    """Whether this processor has the 8-bit dot product (x86 with VNNI, on Linux).

    Without it the signed kernel adds pairs in 16 bits, which saturate: never use it there.
    """
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return False
    try:
        info = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    flags = next((row for row in info.splitlines() if row.startswith("flags")), "").split()
    return "avx512_vnni" in flags or "avx_vnni" in flags


def even_durations(nodes: Sequence[Node]) -> Iterator[Node]:
    """Frames = round(sum up to and with a sound) − round(sum up to it).

    Raises
    ------
    ValueError
        There is not exactly one rounding of something divided by ``speed``.
    """
    slowed = {node.outputs[0] for node in nodes if node.op == "Div" and "speed" in node.inputs}
    found = 0
    for node in nodes:
        if node.op != "Round" or not slowed.intersection(node.inputs):
            yield node
            continue
        found += 1
        exact, frames = node.inputs[0], node.outputs[0]
        for part, exclusive in (("until", 0), ("before", 1)):
            total = f"{frames}/{part}"
            yield make_node("CumSum", [exact, _TIME_AXIS], f"{total}/exact", exclusive=exclusive)
            yield make_node("Round", [f"{total}/exact"], total)
        yield make_node("Sub", [f"{frames}/until", f"{frames}/before"], frames)
    if found != 1:
        raise ValueError(f"not Kokoro: {found} durations divided by speed and rounded, not 1")


def signed_activations(nodes: Sequence[Node]) -> Iterator[Node]:
    """Feed every ``ConvInteger`` signed activations where it has dynamically quantised ones."""
    quantised = {name for n in nodes if n.op == "DynamicQuantizeLinear" for name in n.outputs}
    shifted: set[str] = set()
    for node in nodes:
        unsigned = (*node.inputs[:1], *node.inputs[2:3])
        if node.op != "ConvInteger" or len(unsigned) < 2 or not quantised.issuperset(unsigned):
            yield node
            continue
        for name in unsigned:
            if name not in shifted:
                shifted.add(name)
                # x XOR 0x80, its bits read as signed, is x − 128.
                yield make_node("BitwiseXor", [name, _SIGN_BIT], f"{name}/flipped")
                yield make_node("Cast", [f"{name}/flipped"], f"{name}/signed", to=INT8)
        inputs = [f"{name}/signed" if name in unsigned else name for name in node.inputs]
        yield Node(node.op, tuple(inputs), node.outputs, node.rest)
