"""Plans: what is built in, what a file may say, and how a wrong one is refused."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from onevoice.errors import ConfigError
from onevoice.server.billing.plans import BUILT_IN, Pack, Plan, Plans


def changed(tmp_path: Path, **plan: object) -> Path:
    """The built-in file with the second plan changed."""
    content = yaml.safe_load(BUILT_IN.read_text(encoding="utf-8"))
    content["plans"][1] |= plan
    path = tmp_path / "plans.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def test_the_built_in_plans() -> None:
    plans = Plans.load()
    assert [plan.name for plan in plans.plans] == ["free", "creator", "studio"]
    assert [pack.name for pack in plans.packs] == ["pack-60", "pack-600"]
    assert plans.free.seconds == 600
    for less, more in zip(plans.plans, plans.plans[1:], strict=False):
        for limit in ("minutes", "max_bytes", "max_seconds", "jobs_at_once", "languages_per_job"):
            assert getattr(less, limit) < getattr(more, limit), limit
    assert all(offer.title.ko for offer in [*plans.plans, *plans.packs])
    with pytest.raises(ValueError, match="frozen"):
        plans.free.minutes = 100


def test_plans_of_users_and_prices(tmp_path: Path) -> None:
    plans = Plans.load(changed(tmp_path, paddle_price_id="pri_01creator"))
    assert plans.of(SimpleNamespace(plan="studio")).priority == "high"
    assert plans.of(SimpleNamespace(plan="no longer sold")) is plans.free
    creator = plans.by_price("pri_01creator")
    assert isinstance(creator, Plan)
    assert creator.name == "creator"
    assert plans.by_price("pri_other") is None
    assert isinstance(plans.offer("pack-60"), Pack)
    assert plans.offer("nothing") is None
    assert plans.greatest({"creator", "studio", "gone"}).name == "studio"
    assert plans.greatest(set()) is plans.free


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"minutes": -5}, "plans.1.minutes"),
        ({"minutes": "many"}, "plans.1.minutes"),
        ({"max_bytes": None}, "plans.1.max_bytes"),
        ({"priority": "urgent"}, "plans.1.priority"),
        ({"colour": "red"}, "plans.1.colour"),
        ({"title": {"en": "Creator"}}, "plans.1.title.ko"),
        ({"price": {"currency": "dollars", "amount": "1"}}, "plans.1.price.currency"),
        ({"paddle_price_id": "prod_1"}, "plans.1.paddle_price_id"),
        ({"name": "pack-60"}, "pack-60 is the name of more than one"),
        ({"name": "no spaces please"}, "plans.1.name"),
    ],
)
def test_a_wrong_key_is_named(tmp_path: Path, change: dict[str, object], said: str) -> None:
    path = changed(tmp_path, **change)
    with pytest.raises(ConfigError) as caught:
        Plans.load(path)
    assert str(path) in caught.value.message
    assert said in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("text", ["", "[]", "plans: {", "plans: []\n", "\x00"])
def test_a_file_that_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "plans.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"plans\.yaml"):
        Plans.load(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.yaml"):
        Plans.load(tmp_path / "gone.yaml")


def test_the_free_plan_is_there_and_not_sold(tmp_path: Path) -> None:
    content = yaml.safe_load(BUILT_IN.read_text(encoding="utf-8"))
    path = tmp_path / "plans.yaml"
    content["plans"][0]["paddle_price_id"] = "pri_free"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(ConfigError, match="not sold"):
        Plans.load(path)
    del content["plans"][0]
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(ConfigError, match="called free"):
        Plans.load(path)
