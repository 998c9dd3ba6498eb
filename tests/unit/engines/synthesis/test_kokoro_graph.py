from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from onevoice.engines import assets
from onevoice.engines.base import Runtime
from onevoice.engines.synthesis import kokoro_graph, onnx_wire
from onevoice.engines.synthesis.onnx_wire import Node, make_node

DURATIONS = (
    make_node("Div", ["seconds", "speed"], "slowed"),
    make_node("Round", ["slowed"], "frames"),
    make_node("Round", ["other"], "untouched"),
)
CONVOLUTION = (
    Node("DynamicQuantizeLinear", ("x",), ("q", "scale", "zero")),
    Node("ConvInteger", ("q", "w", "zero", "wz"), ("y",), b"\x1a\x01n"),
    Node("ConvInteger", ("q", "w2", "zero", "wz2"), ("y2",)),
    Node("ConvInteger", ("image", "w", "iz", "wz"), ("z",)),
    Node("Constant", (), ("c",)),
)


def test_durations_become_differences_of_a_rounded_running_sum() -> None:
    nodes = list(kokoro_graph.even_durations(DURATIONS))
    last = next(node for node in nodes if node.outputs == ("frames",))
    assert last.op == "Sub"
    assert last.inputs == ("frames/until", "frames/before")
    assert [node.op for node in nodes] == [
        "Div", "CumSum", "Round", "CumSum", "Round", "Sub", "Round",
    ]  # fmt: skip
    assert nodes[-1] == DURATIONS[-1]


@pytest.mark.parametrize("nodes", [(), DURATIONS[:1], DURATIONS[1:], (*DURATIONS, DURATIONS[1])])
def test_another_model_is_not_touched(nodes: tuple[Node, ...]) -> None:
    with pytest.raises(ValueError, match="not Kokoro"):
        list(kokoro_graph.even_durations(nodes))


def test_convolutions_get_signed_inputs_shifted_once() -> None:
    nodes = list(kokoro_graph.signed_activations(CONVOLUTION))
    convolutions = [node for node in nodes if node.op == "ConvInteger"]
    assert convolutions[0].inputs == ("q/signed", "w", "zero/signed", "wz")
    assert convolutions[0].rest == CONVOLUTION[1].rest
    assert convolutions[1].inputs == ("q/signed", "w2", "zero/signed", "wz2")
    assert convolutions[2] == CONVOLUTION[3]
    assert [node.op for node in nodes].count("BitwiseXor") == 2
    assert [node.op for node in nodes].count("Cast") == 2


def message(number: int, payload: bytes) -> bytes:
    assert len(payload) < 128
    return bytes([number << 3 | 2, len(payload)]) + payload


def test_the_wire_keeps_what_is_not_changed() -> None:
    node = make_node("Cast", ["a"], "b", to=3)
    head, tensor, tail = b"\x08\x09", message(5, b"\x42\x01w"), message(8, b"\x10\x14")
    model = head + message(7, message(1, node.encode()) + tensor) + tail
    assert onnx_wire.rewrite(model, list, []) == model
    scalar = onnx_wire.make_scalar("c", onnx_wire.UINT8, b"\x80")
    added = onnx_wire.rewrite(model, list, [scalar])
    graph = message(1, node.encode()) + tensor + message(5, scalar)
    assert added == head + message(7, graph) + tail


@pytest.mark.parametrize("data", [b"", b"\x00", b"ONNX?", b"\x3a\x7fshort", b"\xff" * 20])
def test_what_is_no_model_is_an_error(data: bytes) -> None:
    with pytest.raises(ValueError):
        onnx_wire.rewrite(data, list, [])


@pytest.mark.models
def test_the_real_model_speaks_the_same_with_signed_activations_and_evenly_at_any_speed() -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    folder = assets.ensure(
        Runtime(models_dir=Path(os.environ["ONEVOICE_CACHE_DIR"]) / "models"), "kokoro-82m"
    )
    data = (folder / "kokoro.onnx").read_bytes()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    tokens = np.array([[0, *([47, 54, 43, 16, 55, 63, 56, 46, 57, 16] * 5), 0]], np.int64)
    style = np.zeros((1, 256), np.float32)

    def speak(signed: bool, *speeds: float) -> list[np.ndarray]:
        model = kokoro_graph.adapt(data, signed=signed)
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        return [
            session.run(
                None, {"tokens": tokens, "style": style, "speed": np.array([s], np.float32)}
            )[0].ravel()
            for s in speeds
        ]

    one, faster, slower = speak(False, 1.0, 1.25, 0.8)
    # One frame is 600 samples; the sum is rounded once, the least length of a sound is a frame.
    assert len(faster) * 1.25 == pytest.approx(len(one), abs=3 * 600)
    assert len(slower) * 0.8 == pytest.approx(len(one), abs=3 * 600)
    if kokoro_graph.has_dot_product():
        assert np.array_equal(one, speak(True, 1.0)[0])
