"""What the documents say of the code is still so."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
from typer.main import get_command

from onevoice.cli.app import app
from onevoice.cli.exits import ExitStatus
from onevoice.config import load_settings, parse_set
from onevoice.engines import assets
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
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_COMMAND = re.compile(r"^onevoice [^\n]*(?:\\\n[^\n]*)*", re.MULTILINE)
_STATUS = re.compile(r"^\| (\d+) \|", re.MULTILINE)


def _shell(text: str) -> list[str]:
    """The onevoice commands of a document's code blocks, one string each."""
    blocks = re.findall(r"```(?:sh|bash)\n(.*?)```", text, re.DOTALL)
    return [found.replace("\\\n", " ") for block in blocks for found in _COMMAND.findall(block)]


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


@pytest.mark.parametrize("readme", READMES, ids=lambda path: path.name)
def test_commands_and_options_exist(readme: Path) -> None:
    commands = _shell(readme.read_text(encoding="utf-8"))
    assert len(commands) > 10
    for command in commands:
        words = command.partition("#")[0].split()[1:]
        known = get_command(app)
        while words and words[0] in getattr(known, "commands", {}):
            known = known.commands[words.pop(0)]
        assert not hasattr(known, "commands"), command
        options = {name for param in known.params for name in (*param.opts, *param.secondary_opts)}
        used = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
        assert used <= options, command


@pytest.mark.parametrize("readme", READMES, ids=lambda path: path.name)
def test_settings_named_with_set_exist(readme: Path) -> None:
    given = re.findall(r"--set ([a-z_.]+=\S+?)[\s`]", readme.read_text(encoding="utf-8"))
    assert given
    load_settings(overrides=[parse_set(text) for text in given], environ={})


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


def test_notice_names_every_model() -> None:
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    assert [asset.name for asset in assets.catalog() if asset.name not in notice] == []
