"""What can be asked for: profiles, languages, voices. With the real engines of the profiles."""

from __future__ import annotations

import asyncio

import pytest

from onevoice.server.settings import ServerSettings
from tests.integration.server.dubbing import join, settings, studio

__all__ = ["settings"]

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def test_profiles_and_voices(settings: ServerSettings) -> None:
    async def work() -> None:
        async with studio(settings) as ada:
            (profile,) = await ada.ok("GET", "/profiles")
            assert profile["name"] == "embedded" and profile["default"] and not profile["gpu"]
            assert {"es", "ko"} <= set(profile["languages"])
            for language in profile["languages"]:
                voices = await ada.ok("GET", "/voices", params={"language": language})
                assert voices and all(voice["name"] for voice in voices), language
            assert (await ada.ok("GET", "/voices", params={"language": "ES"}))[0][
                "language"
            ].startswith("es")

    asyncio.run(work())


def test_what_there_is_none_of(settings: ServerSettings) -> None:
    async def work() -> None:
        async with studio(settings) as ada:
            for params in (
                {},
                {"language": "../x"},
                {"language": "zz"},
                {"language": "es", "profile": "../../etc"},
            ):
                answer = await ada.ask("GET", "/voices", params=params)
                assert answer.status_code == 422, params
            silent = (await ada.ok("GET", "/voices", params={"language": "mt"})) == []
            video = await ada.video()
            answer = await ada.ask("POST", "/jobs", json=ada.order(video, "mt"))
            assert silent == (answer.json().get("code") == "language_unspoken")
            stranger = await join(ada.server)
            stranger.key = "ov_x_y"
            for path in ("/profiles", "/voices?language=es"):
                assert (await stranger.ask("GET", path)).status_code == 401

    asyncio.run(work())
