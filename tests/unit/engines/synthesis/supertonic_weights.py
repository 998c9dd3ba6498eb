"""Supertonic's four models with tiny random weights: right graphs, wrong voice.

The graphs take and give what the real ones do (see the package's ``core.py``), so the whole
package runs on them, from a folder as it would hold the real ones.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

RATE = 16_000
LATENT, COMPRESS, BASE_CHUNK = 4, 2, 80
CHANNELS = LATENT * COMPRESS
CHUNK = BASE_CHUNK * COMPRESS
STYLE = (1, 3, 8)
PER_CHARACTER_S = 0.065


def write(folder: Path, voices: tuple[str, ...] = ("F1", "F2", "M1")) -> Path:
    """A folder of weights for ``model_dir``."""
    rng = np.random.default_rng(7)
    models = folder / "onnx"
    styles = folder / "voice_styles"
    models.mkdir(parents=True)
    styles.mkdir()
    config = {
        "ae": {"sample_rate": RATE, "base_chunk_size": BASE_CHUNK},
        "ttl": {"chunk_compress_factor": COMPRESS, "latent_dim": LATENT},
    }
    (models / "tts.json").write_text(json.dumps(config), encoding="utf-8")
    # Latin and Korean are known (as jamo: the package decomposes), snowmen and Chinese are not.
    ranges = (range(0x20, 0x250), range(0x300, 0x370), range(0x1100, 0x1200))
    known = {code for codes in ranges for code in codes}
    indexer = [code % 97 if code in known else -1 for code in range(1 << 16)]
    (models / "unicode_indexer.json").write_text(json.dumps(indexer), encoding="utf-8")
    for name in voices:
        style = {
            key: {"dims": STYLE, "data": rng.standard_normal(STYLE).tolist()}
            for key in ("style_ttl", "style_dp")
        }
        (styles / f"{name}.json").write_text(json.dumps(style), encoding="utf-8")
    _duration(models / "duration_predictor.onnx")
    _text_encoder(models / "text_encoder.onnx", rng)
    _vector_estimator(models / "vector_estimator.onnx", rng)
    _vocoder(models / "vocoder.onnx", rng)
    return folder


def _save(
    path: Path,
    inputs: dict[str, tuple[int, list[Any]]],
    output: str,
    nodes: list[Any],
    constants: dict[str, np.ndarray],
) -> None:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    graph = helper.make_graph(
        nodes,
        path.stem,
        [helper.make_tensor_value_info(n, kind, shape) for n, (kind, shape) in inputs.items()],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)


def _float(*shape: Any) -> tuple[int, list[Any]]:
    return 1, list(shape)


def _integer(*shape: Any) -> tuple[int, list[Any]]:
    return 7, list(shape)


def _node(kind: str, inputs: str, output: str, **attributes: Any) -> Any:
    from onnx import helper

    return helper.make_node(kind, inputs.split(), [output], **attributes)


def _duration(path: Path) -> None:
    """As many seconds as there are characters."""
    inputs = {
        "text_ids": _integer("b", "t"),
        "style_dp": _float("b", *STYLE[1:]),
        "text_mask": _float("b", 1, "t"),
    }
    nodes = [
        _node("ReduceSum", "text_mask axes", "letters", keepdims=0),
        _node("Mul", "letters seconds", "duration"),
    ]
    constants = {
        "axes": np.array([1, 2], np.int64),
        "seconds": np.array(PER_CHARACTER_S, np.float32),
    }
    _save(path, inputs, "duration", nodes, constants)


def _text_encoder(path: Path, rng: np.random.Generator) -> None:
    """A column for each character."""
    inputs = {
        "text_ids": _integer("b", "t"),
        "style_ttl": _float("b", *STYLE[1:]),
        "text_mask": _float("b", 1, "t"),
    }
    nodes = [
        _node("Gather", "table text_ids", "rows", axis=0),
        _node("Transpose", "rows", "columns", perm=[0, 2, 1]),
        _node("Mul", "columns text_mask", "text_emb"),
    ]
    table = rng.standard_normal((128, CHANNELS)).astype(np.float32)
    _save(path, inputs, "text_emb", nodes, {"table": table})


def _vector_estimator(path: Path, rng: np.random.Generator) -> None:
    """Turns the noise, and bends it by what the text and the style are on average."""
    inputs = {
        "noisy_latent": _float("b", CHANNELS, "l"),
        "text_emb": _float("b", CHANNELS, "t"),
        "style_ttl": _float("b", *STYLE[1:]),
        "text_mask": _float("b", 1, "t"),
        "latent_mask": _float("b", 1, "l"),
        "current_step": _float("b"),
        "total_step": _float("b"),
    }
    nodes = [
        _node("MatMul", "turn noisy_latent", "turned"),
        _node("ReduceMean", "text_emb", "text", axes=[2], keepdims=1),
        _node("ReduceMean", "style_ttl", "style", axes=[1, 2], keepdims=1),
        _node("Div", "current_step total_step", "share"),
        _node("ReduceMean", "share", "done", keepdims=1),
        _node("Add", "turned text", "with_text"),
        _node("Add", "with_text style", "with_style"),
        _node("Add", "with_style done", "stepped"),
        _node("Tanh", "stepped", "bounded"),
        _node("Mul", "bounded latent_mask", "denoised_latent"),
    ]
    turn = rng.standard_normal((CHANNELS, CHANNELS)).astype(np.float32)
    _save(path, inputs, "denoised_latent", nodes, {"turn": turn})


def _vocoder(path: Path, rng: np.random.Generator) -> None:
    """Each column of the latent becomes a chunk of samples."""
    nodes = [
        _node("Transpose", "latent", "rows", perm=[0, 2, 1]),
        _node("MatMul", "rows waves", "chunks"),
        _node("Reshape", "chunks flat", "wav_tts"),
    ]
    constants = {
        "waves": (0.1 * rng.standard_normal((CHANNELS, CHUNK))).astype(np.float32),
        "flat": np.array([0, -1], np.int64),
    }
    _save(path, {"latent": _float("b", CHANNELS, "l")}, "wav_tts", nodes, constants)
