"""Keys come from the environment or the keyring, and go nowhere else."""

from __future__ import annotations

import keyring
import pytest
from keyring.backend import KeyringBackend

from onevoice.engines import keys
from onevoice.errors import EngineUnavailable


class InMemory(KeyringBackend):
    priority = 1.0

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


@pytest.fixture
def ring(monkeypatch: pytest.MonkeyPatch) -> InMemory:
    ring = InMemory()
    monkeypatch.setattr(keyring, "get_password", ring.get_password)
    return ring


def test_the_environment_comes_before_the_keyring(
    ring: InMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert keys.find("ACME_API_KEY") is None
    ring.set_password(keys.SERVICE, "ACME_API_KEY", "from-the-ring")
    assert keys.find("ACME_API_KEY") == "from-the-ring"
    monkeypatch.setenv("ACME_API_KEY", " from-the-environment\n")
    assert keys.find("ACME_API_KEY") == "from-the-environment"


def test_a_missing_key_names_the_variable_and_both_ways_to_give_it(ring: InMemory) -> None:
    with pytest.raises(EngineUnavailable, match="Acme needs a key in ACME_API_KEY") as caught:
        keys.require("ACME_API_KEY", "Acme")
    assert "export ACME_API_KEY=" in caught.value.hint
    assert "onevoice keys set ACME_API_KEY" in caught.value.hint


def test_templates_are_expanded_only_where_they_say_so(
    ring: InMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "abc${HOME}def")
    assert keys.expand("Bearer ${MY_KEY} $MY_KEY", "Acme") == "Bearer abc${HOME}def $MY_KEY"
    assert keys.variables("Bearer ${MY_KEY}/${OTHER}") == ("MY_KEY", "OTHER")
    with pytest.raises(EngineUnavailable, match="OTHER"):
        keys.expand("${OTHER}", "Acme")


def test_redaction_takes_out_keys_and_their_beginnings(
    ring: InMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "zq-9a8b7c6d5e4f")
    keys.find("MY_KEY")
    assert keys.redact("got zq-9a8b7c6d5e4f here") == "got *** here"
    assert keys.redact("got zq-9a8*****4f.") == "got ***"
    assert keys.redact("nothing here") == "nothing here"


def test_a_short_value_is_used_but_not_searched_for(
    ring: InMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "none")
    assert keys.find("MY_KEY") == "none"
    assert keys.redact("none of it") == "none of it"


@pytest.mark.parametrize("value", ["sk-acme-12\n34567", "sk-acme-1234\u200b567", "sk-acme-12345é"])
def test_what_no_header_can_carry_is_no_key(
    ring: InMemory, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("MY_KEY", value)
    with pytest.raises(EngineUnavailable, match="what MY_KEY holds is no key") as caught:
        keys.require("MY_KEY", "Acme")
    assert "sk-acme" not in caught.value.message + caught.value.hint
    monkeypatch.setenv("MY_KEY", "Bearer sk-acme-1234567")
    assert keys.require("MY_KEY", "Acme") == "Bearer sk-acme-1234567"
