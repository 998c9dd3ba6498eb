from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import pytest

from onevoice.engines.synthesis import espeak
from onevoice.engines.synthesis.kokoro import BRITISH
from onevoice.errors import EngineFailed, EngineUnavailable

ECHO = """
import json, sys
for line in sys.stdin:
    request = json.loads(line)
    if "die" in request["clauses"]:
        sys.exit(3)
    if request["voice"] == "none":
        print(json.dumps({"error": "no such voice"}), flush=True)
        continue
    print(json.dumps({"phonemes": [c + " (en)x" for c in request["clauses"]]}), flush=True)
"""
ONCE = """
import json, sys, pathlib
mark = pathlib.Path(sys.argv[1])
for line in sys.stdin:
    if not mark.exists():
        mark.touch()
        sys.exit(1)
    print(json.dumps({"phonemes": json.loads(line)["clauses"]}), flush=True)
"""
needs_library = pytest.mark.skipif(
    find_spec("espeakng_loader") is None, reason="needs onevoice[embedded]"
)


@pytest.fixture
def echo() -> espeak.Helper:
    return espeak.Helper([sys.executable, "-c", ECHO])


def test_answers_come_back_in_order_and_tidy(echo: espeak.Helper) -> None:
    assert echo.phonemes(["uno", "'; rm -rf /", "셋\n넷"], "es") == [
        "uno x",
        "'; rm -rf / x",
        "셋 넷 x",
    ]
    assert echo.phonemes([], "es") == []
    echo.close()
    assert echo.phonemes(["otra vez"], "es") == ["otra vez x"]
    echo.close()


def test_threads_may_share_it(echo: espeak.Helper) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda i: echo.phonemes([str(i)], "es"), range(40)))
    echo.close()
    assert answers == [[f"{i} x"] for i in range(40)]


def test_a_helper_that_dies_is_started_again(tmp_path: Path) -> None:
    helper = espeak.Helper([sys.executable, "-c", ONCE, str(tmp_path / "died")])
    assert helper.phonemes(["hola"], "es") == ["hola"]
    assert (tmp_path / "died").exists()
    helper.close()


def test_a_helper_that_always_dies_is_an_error(echo: espeak.Helper) -> None:
    with pytest.raises(EngineFailed, match="died twice"):
        echo.phonemes(["die"], "es")
    assert echo.phonemes(["lives"], "es") == ["lives x"]
    echo.close()


def test_its_errors_are_ours(echo: espeak.Helper) -> None:
    with pytest.raises(EngineFailed, match="no such voice"):
        echo.phonemes(["a"], "none")
    echo.close()
    with pytest.raises(EngineUnavailable, match="does not start"):
        espeak.Helper(["/nonexistent/python"]).phonemes(["a"], "es")


def test_a_helper_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(espeak, "_TIMEOUT", 0.3)
    helper = espeak.Helper([sys.executable, "-c", "import time; time.sleep(60)"])
    with pytest.raises(EngineFailed, match="died twice"):
        helper.phonemes(["hola"], "es")
    helper.close()


def program(folder: Path, body: str) -> str:
    path = folder / "espeak-ng"
    path.write_text(f"#!{sys.executable}\nimport sys\n{body}", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def test_the_systems_program_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = (
        "if '--version' in sys.argv: print('eSpeak NG text-to-speech: 1.51.7  Data at: /x')\n"
        "else: print(' '.join(sys.argv[1:]) + '|' + sys.stdin.read())\n"
    )
    program(tmp_path, body)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert espeak.source() == "program 1.51.7"
    (answer,) = espeak.find().phonemes(["--help; hola"], "pt-br")
    options, _, text = answer.partition("|")
    assert text == "--help; hola"
    assert "-v pt-br" in options and "hola" not in options


def test_a_program_that_fails_says_why(tmp_path: Path) -> None:
    path = program(tmp_path, "sys.exit('voice does not exist')\n")
    with pytest.raises(EngineFailed, match="voice does not exist"):
        espeak.Program(path).phonemes(["a"], "xx")


def test_without_any_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(espeak, "find_spec", lambda name: None)
    with pytest.raises(EngineUnavailable) as caught:
        espeak.find()
    assert "onevoice[embedded]" in caught.value.hint


@needs_library
def test_the_carried_library_speaks_ipa_in_its_own_process() -> None:
    helper = espeak.Helper()
    assert helper.phonemes(["hola a todos"], "es") == ["ˈola a tˈoðos"]
    assert helper.phonemes(["choose"], "en-us") == ["t^ʃˈuːz"]
    with pytest.raises(EngineFailed, match="no voice"):
        helper.phonemes(["a"], "no-such-voice")
    helper.close()
    assert "espeakng_loader" not in sys.modules


@needs_library
def test_the_carried_library_knows_british_english() -> None:
    helper = espeak.Helper()
    british, american = (helper.phonemes(["hot"], voice)[0] for voice in (BRITISH, "en-us"))
    helper.close()
    assert british != american
