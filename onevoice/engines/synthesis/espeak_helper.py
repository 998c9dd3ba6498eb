"""The eSpeak NG library behind a pipe: JSON lines in, JSON lines out.

eSpeak NG is GPL-3. It is loaded here, in a small program of its own that is started as
``python -m onevoice.engines.synthesis.espeak_helper``, and nowhere else in OneVoice.

A request is ``{"voice": "pt-br", "clauses": ["olá pessoal"]}``; the answer
``{"phonemes": ["olˈa pesoˈa^ʊ"]}`` or ``{"error": "…"}``.
"""

from __future__ import annotations

import ctypes
import json
import signal
import sys
from typing import Any

# From speak_lib.h: the library makes no sound, and phonemes come as IPA with ^ as the tie.
_AUDIO_OUTPUT_RETRIEVAL = 1
_CHARS_UTF8 = 1
_PHONEMES_IPA = 0x02
_PHONEMES_TIE = 0x80
_MODE = _PHONEMES_IPA | _PHONEMES_TIE | ord("^") << 8


class Library:
    """``libespeak-ng`` from the package espeakng-loader, through ctypes."""

    def __init__(self) -> None:
        import espeakng_loader

        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        data = espeakng_loader.get_data_path().encode()
        if self._library.espeak_Initialize(_AUDIO_OUTPUT_RETRIEVAL, 0, data, 0) < 0:
            raise OSError("eSpeak NG cannot read its data")
        self._library.espeak_SetVoiceByName.argtypes = [ctypes.c_char_p]
        self._to_phonemes = self._library.espeak_TextToPhonemes
        self._to_phonemes.argtypes = [ctypes.POINTER(ctypes.c_void_p), ctypes.c_int, ctypes.c_int]
        self._to_phonemes.restype = ctypes.c_char_p
        self._voice = ""

    def use(self, voice: str) -> None:
        if voice != self._voice:
            if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
                raise ValueError(f"eSpeak NG has no voice {voice}")
            self._voice = voice

    def phonemes(self, clause: str) -> str:
        text = ctypes.create_string_buffer(clause.encode("utf-8"))
        at = ctypes.c_void_p(ctypes.addressof(text))
        parts: list[str] = []
        # Each call consumes one clause as the library sees it, and clears the pointer at the end.
        while at.value:
            parts.append((self._to_phonemes(ctypes.byref(at), _CHARS_UTF8, _MODE) or b"").decode())
        return " ".join(part.strip() for part in parts if part.strip())


def answer(library: Library, request: Any) -> dict[str, Any]:
    """The answer to one request; what is wrong with it is an answer too."""
    try:
        library.use(str(request["voice"]))
        return {"phonemes": [library.phonemes(str(clause)) for clause in request["clauses"]]}
    except (KeyError, TypeError, ValueError) as exc:
        return {"error": f"{type(exc).__name__}: {exc}"}


def main() -> None:
    # Ctrl-C is for the program that started us; we end when it closes the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    library = Library()
    for line in sys.stdin:
        reply = answer(library, json.loads(line))
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
