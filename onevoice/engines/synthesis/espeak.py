"""Phonemes from eSpeak NG, always in a process of its own.

The system's ``espeak-ng`` program is used where there is one; without it, the library of the
package espeakng-loader in a helper process (see :mod:`.espeak_helper`). Both get text through
a pipe, never as an argument and never through a shell.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import threading
import weakref
from collections.abc import Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Protocol

from onevoice.errors import EngineFailed, EngineUnavailable

_TIMEOUT = 30.0
"""Seconds for one request; eSpeak NG needs milliseconds."""
_HELPER = "onevoice.engines.synthesis.espeak_helper"
_LANGUAGE_SWITCH = re.compile(r"\([a-z-]+\)")


class Espeak(Protocol):
    """Turns clauses (text without punctuation) into IPA; ``^`` ties the parts of one sound."""

    def phonemes(self, clauses: Sequence[str], voice: str) -> list[str]: ...

    def close(self) -> None: ...


def source() -> str:
    """Which eSpeak NG would be used, with its version: ``program 1.52.0``.

    Raises
    ------
    EngineUnavailable
        There is none.
    """
    program = shutil.which("espeak-ng")
    if program is not None:
        return f"program {_program_version(program)}"
    if find_spec("espeakng_loader") is not None:
        try:
            return f"espeakng-loader {version('espeakng-loader')}"
        except PackageNotFoundError:
            return "espeakng-loader"
    raise EngineUnavailable(
        "there is no eSpeak NG, which turns text into phonemes",
        hint="pip install 'onevoice[embedded]', or install the system's espeak-ng package",
    )


def find() -> Espeak:
    """The eSpeak NG to use here. Starts nothing yet. Raises EngineUnavailable."""
    source()
    program = shutil.which("espeak-ng")
    return Program(program) if program is not None else Helper()


class Program:
    """The system's ``espeak-ng``, started once for each clause."""

    def __init__(self, path: str) -> None:
        self._path = path

    def phonemes(self, clauses: Sequence[str], voice: str) -> list[str]:
        return [self._one(clause, voice) for clause in clauses]

    def close(self) -> None:
        return None

    def _one(self, clause: str, voice: str) -> str:
        command = [self._path, "-q", "--ipa", "--tie=^", "-b", "1", "-v", voice, "--stdin"]
        try:
            done = subprocess.run(
                command, input=clause.encode(), capture_output=True, timeout=_TIMEOUT, check=True
            )
        except subprocess.CalledProcessError as exc:
            last = exc.stderr.decode(errors="replace").strip().splitlines()[-1:]
            raise EngineFailed(
                f"espeak-ng failed for the voice {voice}: {' '.join(last)}",
                hint="espeak-ng --voices lists what it has",
            ) from exc
        except (OSError, subprocess.TimeoutExpired) as exc:
            raise EngineFailed(
                f"espeak-ng did not answer: {exc}", hint="does espeak-ng run by itself?"
            ) from exc
        return _tidy(done.stdout.decode(errors="replace"))


class Helper:
    """The carried library in one long-lived helper process; safe to share between threads."""

    def __init__(self, command: Sequence[str] = (sys.executable, "-m", _HELPER)) -> None:
        self._command = list(command)
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._finalizer: weakref.finalize[[subprocess.Popen[str]], Helper] | None = None

    def phonemes(self, clauses: Sequence[str], voice: str) -> list[str]:
        if not clauses:
            return []
        request = json.dumps({"voice": voice, "clauses": list(clauses)}) + "\n"
        with self._lock:
            reply = self._ask(request) or self._ask(request)
        if reply is None:
            raise EngineFailed(
                "the eSpeak NG helper died twice on the same text",
                hint="install the system's espeak-ng package, which is then used instead",
            )
        answer = json.loads(reply)
        if "error" in answer:
            raise EngineFailed(
                f"eSpeak NG: {answer['error']}", hint="pip install -U espeakng-loader"
            )
        return [_tidy(part) for part in answer["phonemes"]]

    def close(self) -> None:
        with self._lock:
            self._stop()

    def _ask(self, request: str) -> str | None:
        """One line back, or None when the process died or hung; the next call starts anew."""
        process = self._process or self._start()
        assert process.stdin is not None and process.stdout is not None  # noqa: S101
        watchdog = threading.Timer(_TIMEOUT, process.kill)
        watchdog.daemon = True
        watchdog.start()
        try:
            process.stdin.write(request)
            process.stdin.flush()
            reply = process.stdout.readline()
        except OSError:
            reply = ""
        finally:
            watchdog.cancel()
        if reply.endswith("\n"):
            return reply
        self._stop()
        return None

    def _start(self) -> subprocess.Popen[str]:
        try:
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                encoding="utf-8",
            )
        except OSError as exc:
            raise EngineUnavailable(
                f"the eSpeak NG helper does not start: {exc}",
                hint="pip install 'onevoice[embedded]'",
            ) from exc
        self._process = process
        self._finalizer = weakref.finalize(self, _end, process)
        return process

    def _stop(self) -> None:
        self._process = None
        if self._finalizer is not None:
            self._finalizer()
            self._finalizer = None


def _end(process: subprocess.Popen[str]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            try:
                pipe.close()
            except OSError:
                continue  # it is dead already, with our text still in the pipe
    try:
        process.wait(timeout=1)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _tidy(ipa: str) -> str:
    """One line, without the marks of a change of language such as ``(en)``."""
    return " ".join(_LANGUAGE_SWITCH.sub("", ipa).split())


@cache
def _program_version(path: str) -> str:
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=_TIMEOUT)
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise EngineUnavailable(
            f"{path} does not run: {exc}", hint="install the system's espeak-ng package again"
        ) from exc
    found = re.search(r"\d+(?:\.\d+)+\S*", done.stdout)
    return found.group() if found else "unknown"
