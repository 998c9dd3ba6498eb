"""What the documents say of the code is still so."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from typer import Context
from typer.main import get_command

from onevoice.cli.app import app
from onevoice.cli.exits import ExitStatus
from onevoice.config import load_settings, parse_set
from onevoice.engines import assets, registry
from onevoice.engines.base import KINDS, EngineInfo, Runtime
from onevoice.glossary import Glossary
from onevoice.pipeline.costs import CHARACTERS_PER_SECOND, GROWTH
from onevoice.pipeline.stages import STAGE_NAMES

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    [
        *(ROOT / name for name in ("README.md", "README.ko.md", "CONTRIBUTING.md", "CHANGELOG.md")),
        *(ROOT / "docs").rglob("*.md"),
        ROOT / "samples" / "README.md",
    ]
)
READMES = (ROOT / "README.md", ROOT / "README.ko.md")
HOSTED = ROOT / "docs/hosted-engines.md"
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_COMMAND = re.compile(r"^onevoice [^\n]*(?:\\\n[^\n]*)*", re.MULTILINE)
_STATUS = re.compile(r"^\| (\d+) \|", re.MULTILINE)
_SET = re.compile(r"--set '?([a-z_.]+=[^\s`']+)")
_YAML = re.compile(r"```yaml\n(.*?)```", re.DOTALL)
_PRICE = re.compile(r"^\| `(\w+)\.(\w+)` \| (?:`([^`]+)`)? ?\| ([\d.]+) \|$", re.MULTILINE)
_MINUTES = 10
"""The length of the film of the table of prices."""


def _shell(text: str) -> list[str]:
    """The onevoice commands of a document's code blocks, one string each."""
    blocks = re.findall(r"```(?:sh|bash)\n(.*?)```", text, re.DOTALL)
    return [found.replace("\\\n", " ") for block in blocks for found in _COMMAND.findall(block)]


@pytest.fixture(scope="module")
def infos(make_engines: ModuleType) -> list[EngineInfo]:
    """What the built-in engines say of themselves."""
    return [
        registry.load(kind, name).info for kind in KINDS for name in make_engines.built_in(kind)
    ]


@pytest.fixture(scope="module")
def make_engines() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_engines", ROOT / "docs/make_engines.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_engines_page_is_what_the_engines_say(make_engines: ModuleType) -> None:
    written = (ROOT / "docs/engines.md").read_text(encoding="utf-8")
    assert written == make_engines.page(), "run python docs/make_engines.py"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    links = _LINK.findall(document.read_text(encoding="utf-8"))
    local = [link.partition("#")[0] for link in links if "://" not in link]
    assert [link for link in local if link and not (document.parent / link).exists()] == []


@pytest.mark.parametrize("page", (*READMES, HOSTED), ids=lambda path: path.name)
def test_commands_and_options_exist(page: Path) -> None:
    commands = _shell(page.read_text(encoding="utf-8"))
    assert len(commands) > 10
    for command in commands:
        words = command.partition("#")[0].split()[1:]
        known: Any = get_command(app)
        while words and hasattr(known, "commands"):
            found = known.get_command(Context(known), words[0])  # those of the server, too
            if found is None:
                break
            known = found
            words.pop(0)
        assert not hasattr(known, "commands"), command
        options = {name for param in known.params for name in (*param.opts, *param.secondary_opts)}
        used = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
        assert used <= options, command


@pytest.mark.parametrize("page", (*READMES, HOSTED), ids=lambda path: path.name)
def test_settings_named_with_set_exist(page: Path) -> None:
    given = _SET.findall(page.read_text(encoding="utf-8"))
    assert given
    for text in given:
        settings = load_settings(overrides=[parse_set(text)], environ={})
        kind, _, rest = text.partition(".")
        if kind in KINDS:
            _check_engines(settings, kind, rest)


def _check_engines(settings: Any, kind: Any, path: str) -> None:
    """The engines that are chosen exist, and take the settings that are given under their names."""
    section = getattr(settings, kind)
    name = path.partition(".")[0]
    for engine in [*section.engines, *([name] if name in registry.names(kind) else [])]:
        registry.parse_params(kind, engine, registry.load(kind, engine), section.options(engine))


def test_settings_files_of_the_page_on_hosted_engines_load(tmp_path: Path) -> None:
    blocks = _YAML.findall(HOSTED.read_text(encoding="utf-8"))
    assert blocks
    for block in blocks:
        path = tmp_path / "mine.yaml"
        path.write_text(block, encoding="utf-8")
        settings = load_settings(config=path, environ={})
        for kind in yaml.safe_load(block):
            _check_engines(settings, kind, "")


@pytest.mark.parametrize("readme", READMES, ids=lambda path: path.name)
def test_the_glossary_of_the_tour_can_be_read(readme: Path, tmp_path: Path) -> None:
    (block,) = _YAML.findall(readme.read_text(encoding="utf-8"))
    path = tmp_path / "terms.yaml"
    path.write_text(block, encoding="utf-8")
    terms = Glossary.read(path).terms_in("OpenAI on dubbing", "en", "ko")
    assert dict(terms) == {"OpenAI": "OpenAI", "dubbing": "더빙"}


def test_prices_are_those_the_engines_quote(tmp_path: Path) -> None:
    rows = _PRICE.findall(HOSTED.read_text(encoding="utf-8"))
    assert len(rows) > 8
    text = _MINUTES * 60 * CHARACTERS_PER_SECOND
    amounts = {"translation": text, "synthesis": text * GROWTH}
    for kind, name, model, price in rows:
        options = {"model": model} if model else {}
        engine = registry.create(kind, name, options, Runtime(models_dir=tmp_path))
        quoted = engine.quote(amounts.get(kind, _MINUTES * 60.0)) / _MINUTES
        # Two digits are told.
        assert float(price) == pytest.approx(quoted, rel=0.05), (kind, name, model)


def test_every_hosted_engine_and_key_is_explained(infos: list[EngineInfo]) -> None:
    text = HOSTED.read_text(encoding="utf-8")
    hosted = [f"{info.kind}.{info.name}" for info in infos if info.hosted]
    assert [name for name in hosted if f"`{name}`" not in text] == []
    assert [info.key for info in infos if info.key and f"| `{info.key}` |" not in text] == []


@pytest.mark.parametrize("readme", READMES, ids=lambda path: path.name)
def test_exit_statuses_are_all_there(readme: Path) -> None:
    rows = _STATUS.findall(readme.read_text(encoding="utf-8"))
    assert {int(row) for row in rows} == {int(status) for status in ExitStatus}


def test_the_readmes_are_in_step() -> None:
    english, korean = (path.read_text(encoding="utf-8") for path in READMES)
    assert len(re.findall(r"^#+ ", english, re.MULTILINE)) == len(
        re.findall(r"^#+ ", korean, re.MULTILINE)
    )
    assert [c.split("#")[0].split()[:2] for c in _shell(english)] == [
        c.split("#")[0].split()[:2] for c in _shell(korean)
    ]


def test_architecture_tells_of_every_stage_and_module() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    assert [stage for stage in STAGE_NAMES if f"\n| `{stage}`" not in text] == []
    pipeline = {path.stem for path in (ROOT / "onevoice/pipeline").glob("*.py")} - {"__init__"}
    assert sorted(name for name in pipeline if f"`{name}`" not in text) == []
    shared = {path.name for path in (ROOT / "onevoice/engines").glob("*.py")} - {"__init__.py"}
    assert sorted(name for name in shared if name not in text) == []


def test_decisions_are_numbered_and_in_form() -> None:
    for number, path in enumerate(sorted((ROOT / "docs/decisions").glob("*.md")), 1):
        text = path.read_text(encoding="utf-8")
        assert path.name.startswith(f"{number:04}-")
        assert text.startswith(f"# {number}. ")
        parts = re.findall(r"^\*\*(\w+)\.\*\*", text, re.MULTILINE)
        assert parts == ["Context", "Decision", "Consequences"], path.name


def test_notice_names_every_model(infos: list[EngineInfo]) -> None:
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    assert [asset.name for asset in assets.catalog() if asset.name not in notice] == []
    apart = [i for i in infos if i.extra not in ("", "embedded", "cloud")]
    assert [f"{i.kind}.{i.name}" for i in apart if f"{i.kind}.{i.name}" not in notice] == []
