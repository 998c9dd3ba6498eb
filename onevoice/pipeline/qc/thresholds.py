"""What is good enough: limits by measure, from the carried file and one of the user's own."""

from __future__ import annotations

from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError, field_validator

from onevoice.errors import ConfigError
from onevoice.pipeline.qc.measures import LINE_MEASURES, UNITS
from onevoice.pipeline.qc.model import Limit, Part


class Thresholds(Part):
    """Limits by name of the measure, for the programme and for a line."""

    programme: dict[str, Limit] = Field(default_factory=dict)
    lines: dict[str, Limit] = Field(default_factory=dict)
    name: str = "default"
    """Of the file they are from."""

    @field_validator("programme")
    @classmethod
    def _known(cls, limits: dict[str, Limit]) -> dict[str, Limit]:
        return _checked(limits, tuple(UNITS))

    @field_validator("lines")
    @classmethod
    def _known_lines(cls, limits: dict[str, Limit]) -> dict[str, Limit]:
        return _checked(limits, LINE_MEASURES)


def load_thresholds(path: Path | None = None) -> Thresholds:
    """The carried thresholds, under those of a file.

    Raises
    ------
    ConfigError
        There is no such file, it is no YAML, or it names what nobody measures.
    """
    carried = files("onevoice.pipeline.qc").joinpath("thresholds.yaml").read_text("utf-8")
    tree: dict[str, Any] = yaml.safe_load(carried)
    if path is None:
        return Thresholds.model_validate(tree)
    own = _read(path)
    try:
        given = Thresholds.model_validate({**own, "name": path.name})
    except ValidationError as exc:
        first = exc.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        message = str(first["msg"]).removeprefix("Value error, ")
        raise ConfigError(
            f"{path}: {where}: {message}", hint="onevoice qc --help; docs/qc.md lists the measures"
        ) from exc
    default = Thresholds.model_validate(tree)
    return Thresholds(
        programme={**default.programme, **given.programme},
        lines={**default.lines, **given.lines},
        name=given.name,
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise ConfigError(
            f"the thresholds {path} cannot be read: {exc.strerror}", hint="check the path"
        ) from exc
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{path} is no YAML: {exc}", hint="see docs/qc.md for the form") from exc
    if not isinstance(tree, dict):
        raise ConfigError(f"{path} holds no thresholds", hint="see docs/qc.md for the form")
    return {str(key): value or {} for key, value in tree.items()}


def _checked(limits: dict[str, Limit], known: tuple[str, ...]) -> dict[str, Limit]:
    for name in limits:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            raise ValueError(f"there is no measure {name!r}: {hint}")
    return limits
