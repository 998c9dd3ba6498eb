"""Tiny Whisper, wav2vec 2.0 and pyannote models, in the folders their packages load them from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

SENTENCE = "one little boat goes over seven tall waves"
WORDS = (*SENTENCE.split(), "no", "yes", "maybe", "never")
WIDTH = 64
_SOT, _EOT, _SIZE = 50_258, 50_257, 51_865
_FIRST = 4
"""What Whisper is told before it speaks: start, language, task, no timestamps."""


def whisper(folder: Path, said: str = SENTENCE, times: int = 1) -> Path:
    """A CTranslate2 Whisper that hears ``said``, ``times`` over, whatever the sound.

    A Whisper of one layer whose layers add nothing: the position alone decides what comes next,
    so that what must come out is known. It is built by transformers' own class and converted by
    CTranslate2's own converter.
    """
    import torch
    from ctranslate2.converters import TransformersConverter
    from transformers import (
        PreTrainedTokenizerFast,
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
    )

    source = folder / "source"
    tokenizer = _tokenizer()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|endoftext|>",
        additional_special_tokens=[f"<|{code}|>" for code in _languages()],
    ).save_pretrained(source)
    WhisperFeatureExtractor().save_pretrained(source)
    torch.manual_seed(1)
    config = WhisperConfig(
        vocab_size=_SIZE, d_model=WIDTH, encoder_layers=1, decoder_layers=1,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=WIDTH,
        decoder_ffn_dim=WIDTH, pad_token_id=_EOT, bos_token_id=_EOT, eos_token_id=_EOT,
        decoder_start_token_id=_SOT, suppress_tokens=[], begin_suppress_tokens=[],
    )  # fmt: skip
    model = WhisperForConditionalGeneration(config)
    decoder = model.model.decoder
    known = {token: tokenizer.token_to_id(token) for token in ("<|en|>", "<|de|>", "<|endoftext|>")}
    spoken = [tokenizer.token_to_id(f"Ġ{word}") for word in said.split()] * times
    with torch.no_grad():
        for layer in decoder.layers:
            for block in (layer.self_attn.out_proj, layer.encoder_attn.out_proj, layer.fc2):
                block.weight.zero_()
                block.bias.zero_()
        directions = torch.nn.functional.normalize(torch.randn(_SIZE, WIDTH), dim=1)
        alive = [*known.values(), *(tokenizer.token_to_id(f"Ġ{word}") for word in WORDS)]
        decoder.embed_tokens.weight.zero_()
        decoder.embed_tokens.weight[alive] = directions[alive]
        decoder.embed_positions.weight.zero_()
        decoder.embed_positions.weight[0] = 20 * directions[known["<|en|>"]]
        decoder.embed_positions.weight[_FIRST - 1 :] = 20 * directions[_EOT]
        for place, token in enumerate(spoken):
            decoder.embed_positions.weight[_FIRST - 1 + place] = 20 * directions[token]
        decoder.layer_norm.weight.fill_(4.0)
        decoder.layer_norm.bias.zero_()
    model.generation_config.suppress_tokens = []
    model.generation_config.begin_suppress_tokens = []
    model.save_pretrained(source)
    out = folder / "whisper"
    TransformersConverter(
        str(source), copy_files=["tokenizer.json", "preprocessor_config.json"]
    ).convert(str(out))
    return out


def _languages() -> list[str]:
    from faster_whisper.tokenizer import _LANGUAGE_CODES

    return list(_LANGUAGE_CODES)[:99]


def _tokenizer() -> Any:
    """Whisper's layout of tokens, with bytes and our words in place of its vocabulary."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    plain = [*sorted(pre_tokenizers.ByteLevel.alphabet()), *(f"Ġ{word}" for word in WORDS)]
    # The last of Whisper's is empty: by that CTranslate2 tells that it knows many languages.
    plain += [*(f"<unused{i}>" for i in range(_EOT - len(plain) - 1)), ""]
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(plain)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    names = ["endoftext", "startoftranscript", *_languages(), "translate", "transcribe"]
    names += ["startoflm", "startofprev", "nospeech", "notimestamps"]
    tokenizer.add_special_tokens([AddedToken(f"<|{name}|>", special=True) for name in names])
    assert tokenizer.token_to_id("<|startoftranscript|>") == _SOT
    return tokenizer


def aligner(folder: Path) -> Path:
    """A wav2vec 2.0 CTC model of 20,000 random weights over the English letters."""
    import torch
    from transformers import (
        Wav2Vec2Config,
        Wav2Vec2CTCTokenizer,
        Wav2Vec2FeatureExtractor,
        Wav2Vec2ForCTC,
        Wav2Vec2Processor,
    )

    folder.mkdir(parents=True, exist_ok=True)
    letters = ["<pad>", "<s>", "</s>", "<unk>", "|", *"abcdefghijklmnopqrstuvwxyz'"]
    vocabulary = folder / "letters.json"
    vocabulary.write_text(json.dumps({letter: i for i, letter in enumerate(letters)}))
    torch.manual_seed(2)
    config = Wav2Vec2Config(
        vocab_size=len(letters), hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, conv_dim=(16,) * 7, num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2, pad_token_id=0,
    )  # fmt: skip
    Wav2Vec2ForCTC(config).save_pretrained(folder)
    Wav2Vec2Processor(
        feature_extractor=Wav2Vec2FeatureExtractor(),
        tokenizer=Wav2Vec2CTCTokenizer(str(vocabulary)),
    ).save_pretrained(folder)
    return folder


def diarizer(folder: Path) -> Path:
    """A pyannote 4 pipeline as its makers publish it: config.yaml and three small folders."""
    import torch
    from pyannote.audio.core.task import Problem, Resolution, Specifications
    from pyannote.audio.models.embedding import XVectorSincNet
    from pyannote.audio.models.segmentation import PyanNet

    torch.manual_seed(3)
    segmentation = PyanNet(
        lstm={"hidden_size": 8, "num_layers": 1}, linear={"hidden_size": 8, "num_layers": 1}
    )
    segmentation.specifications = Specifications(
        problem=Problem.MONO_LABEL_CLASSIFICATION,
        resolution=Resolution.FRAME,
        duration=5.0,
        classes=["a", "b", "c"],
        powerset_max_classes=2,
        permutation_invariant=True,
    )
    segmentation.build()
    with torch.no_grad():
        segmentation.classifier.weight.mul_(20)
    embedding = XVectorSincNet(dimension=32)
    embedding.specifications = Specifications(
        problem=Problem.REPRESENTATION, resolution=Resolution.CHUNK, duration=5.0
    )
    embedding.build()
    for name, model in (("segmentation", segmentation), ("embedding", embedding)):
        (folder / name).mkdir(parents=True)
        _save(model, folder / name / "pytorch_model.bin")
    rng = np.random.default_rng(4)
    (folder / "plda").mkdir()
    np.savez(
        folder / "plda" / "xvec_transform.npz",
        mean1=np.zeros(32), mean2=np.zeros(16), lda=rng.standard_normal((32, 16)),
    )  # fmt: skip
    np.savez(
        folder / "plda" / "plda.npz",
        mu=np.zeros(16), tr=np.linalg.qr(rng.standard_normal((16, 16)))[0],
        psi=np.linspace(4, 1, 16),
    )  # fmt: skip
    (folder / "config.yaml").write_text(PIPELINE)
    return folder


PIPELINE = """\
dependencies: {pyannote.audio: 4.0.0}
pipeline:
  name: pyannote.audio.pipelines.SpeakerDiarization
  params:
    clustering: VBxClustering
    segmentation: $model/segmentation
    segmentation_step: 0.5
    segmentation_batch_size: 8
    embedding: $model/embedding
    embedding_batch_size: 8
    embedding_exclude_overlap: true
    plda: $model/plda
params:
  clustering: {threshold: 0.6, Fa: 0.07, Fb: 0.8}
  segmentation: {min_duration_off: 0.0}
"""


def _save(model: Any, path: Path) -> None:
    """As pytorch-lightning writes a checkpoint."""
    import pytorch_lightning
    import torch

    checkpoint = {
        "pytorch-lightning_version": pytorch_lightning.__version__,
        "state_dict": model.state_dict(),
        "hyper_parameters": dict(model.hparams),
        "hparams_name": "kwargs",
    }
    model.on_save_checkpoint(checkpoint)
    torch.save(checkpoint, path)
