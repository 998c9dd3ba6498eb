"""Where settings come from, and how they are merged.

A value comes from the first of: the command line (``--set a.b=c`` and the flags that stand for
it), the environment (``ONEVOICE_A__B=c``), a file (``--config``), the profile (``configs/``),
the defaults of the tree. An unknown key is an error that names the nearest one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

import yaml
from platformdirs import user_cache_path, user_data_path
from pydantic import BaseModel, ValidationError

from onevoice.config.tree import Settings
from onevoice.errors import ConfigError, UnknownSetting

ENV_PREFIX = "ONEVOICE_"
ENV_RESERVED = frozenset(
    {
        "ONEVOICE_API_KEY",
        "ONEVOICE_API_URL",
        "ONEVOICE_ASSETS_DIR",
        "ONEVOICE_CACHE_DIR",
        "ONEVOICE_DATA_DIR",
        "ONEVOICE_LOG",
        "ONEVOICE_PROFILE",
    }
)
ENV_RESERVED_PREFIXES = ("ONEVOICE_SERVER_",)
"""Variables that are no settings: folders, logging, and what a server reads for itself."""


@dataclass(frozen=True, slots=True)
class Override:
    """One setting given on the command line: a dotted key, its value, and what it was called."""

    key: str
    value: Any
    origin: str


def parse_set(text: str) -> Override:
    """Read ``a.b=value``; the value is YAML (``1.5``, ``true``, ``[a, b]``, ``text``)."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(
            f"--set needs KEY=VALUE, got {text!r}", hint="for example --set synthesis.engine=kokoro"
        )
    if key.strip() == "profile":
        raise ConfigError("a profile cannot be --set", hint=f"use --profile {value}")
    return Override(key.strip(), _yaml_value(value, f"--set {key.strip()}"), "--set")


def cache_dir() -> Path:
    """Folder for models and stage artifacts: ONEVOICE_CACHE_DIR or the platform's own."""
    given = os.environ.get("ONEVOICE_CACHE_DIR")
    return Path(given).expanduser() if given else user_cache_path("onevoice", appauthor=False)


def data_dir() -> Path:
    """Folder for what must not be lost with a cache: ONEVOICE_DATA_DIR or the platform's own."""
    given = os.environ.get("ONEVOICE_DATA_DIR")
    return Path(given).expanduser() if given else user_data_path("onevoice", appauthor=False)


def profile_path(name: str) -> Path:
    """The file of a profile that comes with OneVoice. Raises ConfigError."""
    known = _profiles()
    if name not in known:
        near = get_close_matches(name, known, n=1)
        raise ConfigError(
            f"no profile is called {name!r}",
            hint=f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}",
        )
    return known[name]


def profile_names() -> tuple[str, ...]:
    """The profiles that come with OneVoice."""
    return tuple(_profiles())


def _profiles() -> dict[str, Path]:
    package = Path(__file__).parents[1]
    installed, source_tree = package / "configs", package.parent / "configs"
    folder = installed if installed.is_dir() else source_tree
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting with its dotted key, its value, and where the value came from."""

    key: str
    value: Any
    origin: str


def load_settings(
    *,
    profile: str | None = None,
    config: Path | None = None,
    overrides: Sequence[Override] = (),
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Merge all layers and validate the result. Raises ConfigError, UnknownSetting."""
    tree: dict[str, Any] = {}
    for layer in _layers(profile, config, overrides, environ):
        tree = layer.onto(tree)
    try:
        return Settings.model_validate(tree)
    except ValidationError as exc:
        first = exc.errors()[0]
        where = _known_part(first["loc"])
        raise ConfigError(
            f"{where}: {first['msg'].removeprefix('Value error, ')} (got {first.get('input')!r})",
            hint="onevoice config show lists every setting",
        ) from exc


def trace_settings(
    *,
    profile: str | None = None,
    config: Path | None = None,
    overrides: Sequence[Override] = (),
    environ: Mapping[str, str] | None = None,
) -> list[Setting]:
    """Every setting of :func:`load_settings`, by key, with the layer that decided it."""
    settings = load_settings(profile=profile, config=config, overrides=overrides, environ=environ)
    origins: dict[str, str] = {}
    for layer in _layers(profile, config, overrides, environ):
        origins.update((key, layer.origin) for key, _ in _flatten(layer.tree))
    values = _flatten(settings.model_dump(mode="json"))
    return [Setting(key, value, origins.get(key, "default")) for key, value in values]


@dataclass(frozen=True, slots=True)
class _Layer:
    """One source of settings: a partial tree, already checked for unknown keys."""

    origin: str
    tree: dict[str, Any]

    def onto(self, base: dict[str, Any]) -> dict[str, Any]:
        return _merge(base, self.tree)


def _layers(
    profile: str | None,
    config: Path | None,
    overrides: Iterable[Override],
    environ: Mapping[str, str] | None,
) -> list[_Layer]:
    """All sources, the weakest first."""
    environ = os.environ if environ is None else environ
    from_file = _read_yaml(config) if config else {}
    candidates = {
        "--profile": profile,
        "ONEVOICE_PROFILE": environ.get("ONEVOICE_PROFILE"),
        f"file {config}": from_file.get("profile"),
        "default": "embedded",
    }
    origin, name = next((o, str(n)) for o, n in candidates.items() if n)
    layers = [_Layer(f"profile {name}", _read_yaml(profile_path(name)))]
    if config:
        layers.append(_Layer(f"file {config}", from_file))
    so_far: dict[str, Any] = {}
    for layer in layers:
        so_far = layer.onto(so_far)
    for override in [*_from_environment(environ), *overrides]:
        tree = _nested(override, so_far)
        layers.append(_Layer(override.origin, tree))
        so_far = _merge(so_far, tree)
    for layer in layers:
        _check_keys(layer.tree, Settings, "", layer.origin)
    return [*layers, _Layer(origin, {"profile": name})]


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as exc:
        raise ConfigError(f"no such settings file: {path}", hint="check the --config path") from exc
    except yaml.MarkedYAMLError as exc:
        line = f"line {exc.problem_mark.line + 1}: " if exc.problem_mark else ""
        raise ConfigError(
            f"the settings in {path} are no YAML: {line}{exc.problem}", hint="mend the file"
        ) from exc
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as exc:
        raise ConfigError(
            f"cannot read the settings in {path}: {exc}", hint="mend the file"
        ) from exc
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError(f"{path} holds no settings", hint="it must be a YAML mapping")
    return data


def _yaml_value(text: str, origin: str) -> Any:
    try:
        return yaml.safe_load(text) if text.strip() else ""
    except yaml.YAMLError as exc:
        raise ConfigError(f"{origin}: {text!r} is no value", hint="quote it") from exc


def _from_environment(environ: Mapping[str, str]) -> Iterator[Override]:
    """``ONEVOICE_MIX__DUCK_DB`` is ``mix.duck_db``; one that is no setting is an error."""
    for name in sorted(environ):
        if not name.startswith(ENV_PREFIX) or name in ENV_RESERVED:
            continue
        if name.startswith(ENV_RESERVED_PREFIXES):
            continue
        key = _key_of_variable(name)
        if key.partition(".")[0] not in Settings.model_fields or key == "profile":
            known = [*ENV_RESERVED, *(_variable_of_key(key) for key in _all_keys())]
            near = get_close_matches(name, known, n=1, cutoff=0.5)
            raise UnknownSetting(
                f"the environment variable {name} is no setting",
                hint=f"did you mean {near[0]}?" if near else f"unset {name}",
            )
        yield Override(key, _yaml_value(environ[name], name), name)


def _key_of_variable(name: str) -> str:
    section, dot, rest = name.removeprefix(ENV_PREFIX).partition("__")
    if section.lower() != "voices":
        rest = rest.lower()
    else:  # speakers are called S1, languages es
        speaker, sep, language = rest.partition("__")
        rest = speaker + sep + language.lower()
    return f"{section.lower()}{'.' if dot else ''}{rest.replace('__', '.')}"


def _variable_of_key(key: str) -> str:
    return ENV_PREFIX + key.upper().replace(".", "__")


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """``over`` laid onto ``base``; a section left empty changes nothing."""
    out = dict(base)
    for key, value in over.items():
        old = out.get(key)
        if isinstance(old, dict) and value is None:
            continue
        out[key] = (
            _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
        )
    return out


def _nested(override: Override, below: Mapping[str, Any]) -> dict[str, Any]:
    """``a.b=c`` as a tree. Raises ConfigError where ``a`` is a value in what lies below."""
    *parents, leaf = override.key.split(".")
    node: Any = below
    for i, part in enumerate(parents):
        node = node.get(part)
        if node is None:
            break
        if not isinstance(node, dict):
            raise ConfigError(
                f"{override.origin}: {'.'.join(parents[: i + 1])} is a value, not a section",
                hint="onevoice config show lists every setting",
            )
    tree: Any = override.value
    for part in reversed([*parents, leaf]):
        tree = {part: tree}
    return dict(tree)


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and their values; an empty section is a value of its own."""
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _check_keys(tree: Mapping[str, Any], model: type[BaseModel], prefix: str, origin: str) -> None:
    """Name the nearest setting for an unknown key, at any depth."""
    open_ended = model.model_config.get("extra") == "allow"
    for key, value in tree.items():
        field = model.model_fields.get(str(key))
        if field is None:
            if open_ended and isinstance(value, dict | None):
                continue  # an engine's own settings: whoever knows the engines checks them
            known = sorted(_all_keys())
            near = get_close_matches(f"{prefix}{key}", known, n=1, cutoff=0.5)
            raise UnknownSetting(
                f"unknown setting {prefix}{key} ({origin})",
                hint=f"did you mean {near[0]}?" if near else "onevoice config show lists them all",
            )
        inner = _section_of(field.annotation)
        if inner is not None and isinstance(value, dict):
            _check_keys(value, inner, f"{prefix}{key}.", origin)


def _section_of(annotation: Any) -> type[BaseModel] | None:
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def _all_keys(model: type[BaseModel] = Settings, prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield prefix + name
        inner = _section_of(field.annotation)
        if inner is not None:
            yield from _all_keys(inner, f"{prefix}{name}.")


def _known_part(loc: Sequence[str | int]) -> str:
    """The dotted key an error is about, without the union members pydantic adds to it."""
    model: type[BaseModel] | None = Settings
    parts: list[str] = []
    for part in map(str, loc):
        if model is None or part not in model.model_fields:
            break
        parts.append(part)
        model = _section_of(model.model_fields[part].annotation)
    return ".".join(parts) or "settings"
