"""A GGUF language model run in process by llama.cpp (xllamacpp): chat in, text out."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from onevoice.engines.base import Runtime
from onevoice.errors import AssetDamaged, AssetMissing, EngineFailed, EngineUnavailable

CONTEXT_TOKENS = 3072
"""Enough for a sentence with its frame, and for a page of transcript."""
_SLOTS = 3
"""Frames kept ready: of first attempts, of retries, of back-translations."""
_SILENT = -1
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Completion:
    """What the model wrote; ``cut`` when it ran into ``max_tokens``.

    ``confidence`` is the mean log-probability of its tokens: 0 is certain.
    """

    text: str
    cut: bool
    confidence: float = 0.0


class LocalModel:
    """Loads on the first completion. One request at a time: two only share the same cores.

    The last message of a chat is its own, the ones before are its frame. Chats of one frame
    cost less after the first: a few frames stay ready.

    Parameters
    ----------
    path
        The GGUF file.
    mend
        The hint of an error with that file.
    context
        Tokens a chat and its answer may have together.
    """

    def __init__(
        self, path: Path, runtime: Runtime, *, mend: str, context: int = CONTEXT_TOKENS
    ) -> None:
        self._path = path
        self._context = context
        self._runtime = runtime
        self._mend = mend
        self._server: Any = None
        self._frames: list[list[dict[str, str]]] = []
        self._lock = Lock()

    def complete(
        self,
        messages: Sequence[dict[str, str]],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        seed: int = 0,
        grammar: str = "",
        schema: dict[str, Any] | None = None,
        repeat_penalty: float = 1.0,
    ) -> Completion:
        """Answer a chat. The same arguments give the same answer.

        Raises
        ------
        AssetMissing, AssetDamaged
            The file is not there or is no model.
        EngineFailed
            llama.cpp refuses the request.
        """
        body: dict[str, Any] = {
            "messages": list(messages),
            "max_tokens": max_tokens,
            "temperature": temperature,
            "seed": seed,
            "repeat_penalty": repeat_penalty,
            "cache_prompt": True,
            "logprobs": True,
            "top_logprobs": 1,
        }
        if grammar:
            body["grammar"] = grammar
        if schema is not None:
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": schema},
            }
        with self._lock:
            if self._server is None:
                self._server = self._load()
            try:
                body["id_slot"] = self._prime(messages)
                reply = self._server.handle_chat_completions(body)
            except (RuntimeError, ValueError) as exc:
                raise self._failed(str(exc)) from exc
        if "choices" not in reply:
            raise self._failed(str(reply.get("error", reply)))
        choice = reply["choices"][0]
        return Completion(
            choice["message"]["content"] or "",
            cut=choice["finish_reason"] == "length",
            confidence=_mean_logprob(choice),
        )

    def close(self) -> None:
        with self._lock:
            self._server = None
            self._frames = []

    def _prime(self, messages: Sequence[dict[str, str]]) -> int:
        """Leave in a slot what all chats of this frame begin with, and nothing else; which slot.

        The rounding of a model's sums depends on how many tokens it computes at once. Left to
        itself the cache would keep a different share of each prompt, depending on the one
        before, and a run that was interrupted would go on in other words than one that was not.
        """
        label, colon, _ = messages[-1]["content"].partition(": ")
        stub = label + ":" if colon and label.isalpha() else ""
        frame = [*messages[:-1], {**messages[-1], "content": stub}]
        known = frame in self._frames
        if not known and len(self._frames) < _SLOTS:
            self._frames.append(frame)
        elif not known:
            self._frames[-1] = frame  # the first one is that of most sentences: it stays
        slot = self._frames.index(frame)
        self._server.handle_chat_completions(
            {"messages": frame, "max_tokens": 0, "cache_prompt": known, "id_slot": slot}
        )
        return slot

    def _load(self) -> Any:
        xllamacpp = import_runtime()
        check_file(self._path, mend=self._mend)
        params = xllamacpp.CommonParams()
        params.model.path = str(self._path)
        params.n_ctx = self._context * _SLOTS
        params.n_parallel = _SLOTS
        params.kv_unified = False
        params.cpuparams.n_threads = self._runtime.threads
        params.cpuparams_batch.n_threads = self._runtime.threads
        params.n_gpu_layers = 0 if self._runtime.device == "cpu" else -1
        params.warmup = False
        params.cache_ram_mib = 0
        params.verbosity = _SILENT
        # The runtime opens a port on the loopback that nobody here uses: nobody else may either.
        params.api_keys = [secrets.token_urlsafe(32)]
        params.ui = False
        try:
            return xllamacpp.Server(params)
        except (RuntimeError, ValueError) as exc:
            raise AssetDamaged(
                f"{self._path} does not load as a model: {exc}", hint=self._mend
            ) from exc

    def _failed(self, why: str) -> EngineFailed:
        return EngineFailed(
            f"the language model did not answer: {why}",
            hint="run again; if it stays, use another model: --set translation.llama.model=PATH",
        )


def _mean_logprob(choice: dict[str, Any]) -> float:
    tokens = (choice.get("logprobs") or {}).get("content") or []
    return sum(token["logprob"] for token in tokens) / len(tokens) if tokens else 0.0


def import_runtime() -> Any:
    """The module xllamacpp. Raises EngineUnavailable."""
    try:
        # Threads that wait by spinning starve each other where cores are shared: measured on two
        # busy cores, sleeping made an answer ten times faster, and cost nothing on idle ones.
        # OpenMP reads the variable once, when the library is loaded.
        with _environment(OMP_WAIT_POLICY="PASSIVE"):
            import xllamacpp
    except ImportError as exc:
        if "libgomp" in str(exc):
            raise EngineUnavailable(
                "llama needs the OpenMP library libgomp", hint="apt-get install libgomp1"
            ) from exc
        raise EngineUnavailable(
            f"llama needs the package xllamacpp: {exc}", hint="pip install 'onevoice[embedded]'"
        ) from exc
    return xllamacpp


@contextmanager
def _environment(**defaults: str) -> Iterator[None]:
    """Variables for the time of the block, where the user has not set them."""
    unset = [name for name in defaults if name not in os.environ]
    os.environ.update({name: defaults[name] for name in unset})
    try:
        yield
    finally:
        for name in unset:
            del os.environ[name]


def check_file(path: Path, *, mend: str) -> None:
    """Raise AssetMissing or AssetDamaged unless ``path`` is a file that begins like a GGUF."""
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as exc:
        raise AssetMissing(
            f"cannot read the model {path}: {exc.strerror or exc}", hint=mend
        ) from exc
    if magic != b"GGUF":
        raise AssetDamaged(f"{path} is no GGUF model", hint=mend)


def fingerprint(path: Path) -> str:
    """Digest of a file's size, head and tail: enough to tell two models apart in no time."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(_MIB)
            file.seek(max(0, size - _MIB))
            tail = file.read(_MIB)
    except OSError as exc:
        raise AssetMissing(
            f"cannot read the model {path}: {exc.strerror or exc}",
            hint="check --set translation.llama.model=PATH",
        ) from exc
    return hashlib.sha256(b"%d\n" % size + head + tail).hexdigest()
