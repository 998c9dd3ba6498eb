"""The plug-in of the documents: built, installed beside OneVoice, found, and held to its word."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from onevoice.engines.base import Runtime
from tests.contract import synthesis_suite as suite

SOURCE = Path(__file__).parents[2] / "docs" / "example-engine"
MODULE = SOURCE / "onevoice_example_engine.py"

SPEAK = """
import json, sys
from pathlib import Path
from onevoice.engines import registry
from onevoice.engines.base import Runtime, SpeechRequest
from onevoice.errors import OneVoiceError

options = json.loads(sys.argv[1])
try:
    runtime = Runtime(models_dir=Path("models"))
    with registry.create("synthesis", "example", options, runtime) as engine:
        request = SpeechRequest(text="Buenos días.", language="es", voice="high")
        speech = engine.speak(request)
    print(json.dumps({"seconds": speech.duration, "peak": float(abs(speech.samples).max())}))
except OneVoiceError as error:
    print(json.dumps({"error": error.code, "message": error.message, "hint": error.hint}))
"""


def run(arguments: Sequence[str], site: Path) -> Any:
    """The JSON that Python prints with ``site`` among its packages."""
    done = subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": str(site)},
        cwd=site.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example installed in it, without asking any index."""
    folder = tmp_path_factory.mktemp("plug-in") / "site"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    done = subprocess.run(
        [*pip, "--no-deps", "--no-build-isolation", "--no-index", "--target", folder, SOURCE],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    broken = folder / "onevoice_broken-1.0.dist-info"
    broken.mkdir()
    (broken / "METADATA").write_text("Metadata-Version: 2.1\nName: onevoice-broken\nVersion: 1.0\n")
    (broken / "entry_points.txt").write_text(
        "[onevoice.engines]\nsynthesis.broken = onevoice_broken:Engine\n"
        "synthesis.absent = onevoice_absent:Engine\n"
    )
    (folder / "onevoice_broken.py").write_text("raise RuntimeError('no such luck')\n")
    return folder


@pytest.fixture(scope="module")
def module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("onevoice_example_engine", MODULE)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def build(module: ModuleType, **runtime: Any) -> Any:
    return module.Example(module.ExampleParams(), Runtime(models_dir=Path("models"), **runtime))


def test_it_is_short_and_uses_what_is_documented() -> None:
    text = MODULE.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 80
    used = [
        node.module
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("onevoice")
    ]
    page = (SOURCE.parent / "writing-an-engine.md").read_text(encoding="utf-8")
    assert used
    assert [name for name in used if f"`{name}" not in page] == []


def test_it_is_listed_and_a_broken_one_is_no_harm(site: Path) -> None:
    shown = run(["-m", "onevoice", "engines", "--json"], site)
    rows = {row["name"]: row for row in shown["engines"] if row["kind"] == "synthesis"}
    assert rows["example"]["available"]
    assert rows["example"]["languages"] == ["en", "es", "pt"]
    assert rows["example"]["licence"] == "Apache-2.0"
    assert not rows["broken"]["available"]
    assert "no such luck" in rows["broken"]["reason"]
    assert "onevoice_broken:Engine" in rows["broken"]["hint"]
    assert not rows["absent"]["available"]
    assert "onevoice_absent" in rows["absent"]["reason"]


def test_it_speaks(site: Path) -> None:
    said = run(["-c", SPEAK, "{}"], site)
    assert said["seconds"] == pytest.approx(10 / 14, abs=0.05)  # ten letters, fourteen a second
    assert 0.05 < said["peak"] <= 1.0
    faster = run(["-c", SPEAK, '{"speed": 2.0}'], site)
    assert faster["seconds"] == pytest.approx(said["seconds"] / 2, abs=0.05)


@pytest.mark.parametrize(
    ("options", "code", "message", "hint"),
    [
        ({"sped": 2.0}, "config_unknown_setting", "synthesis.example.sped", "speed"),
        ({"speed": 9.0}, "config", "synthesis.example.speed", "less than or equal to 2"),
    ],
)
def test_wrong_settings_are_refused(
    site: Path, options: dict[str, float], code: str, message: str, hint: str
) -> None:
    said = run(["-c", SPEAK, json.dumps(options)], site)
    assert said["error"] == code
    assert message in said["message"]
    assert hint in said["message"] + said["hint"]


def test_it_keeps_the_promises_of_a_synthesizer(module: ModuleType) -> None:
    engine = build(module)
    suite.check_is_a_synthesizer(engine)
    suite.check_voices_speak(engine, ("en", "es", "pt"), rated=True)
    suite.check_length_follows_rate(engine, 0.02)
    suite.check_same_request_same_samples(engine)
    suite.check_side_by_side(engine)
    suite.check_long_text(engine)
    suite.check_unknown_voice(engine)
    suite.check_unknown_language(engine)
    suite.check_bad_rates(engine)
    suite.check_region_is_no_obstacle(engine)
    suite.check_stops_when_asked(lambda **runtime: build(module, **runtime))
    suite.check_speaks_again_after_close(engine)
    for text in suite.ODD_TEXTS:
        suite.check_odd_text(engine, text)
    for text in suite.EMPTY_TEXTS:
        suite.check_nothing_to_say(engine, text)
    faster = module.Example(module.ExampleParams(speed=1.5), engine.runtime)
    suite.check_identity(engine, build(module), faster)
