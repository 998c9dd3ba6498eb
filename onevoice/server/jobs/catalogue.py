"""What jobs can be asked for: profiles, the languages they speak, and their voices."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from onevoice import languages as tags
from onevoice.server.auth.dependencies import Principal, require
from onevoice.server.jobs import offers
from onevoice.server.jobs.ordering import wanted_profile
from onevoice.server.settings import ServerSettings
from onevoice.server.unit_of_work import Services

router = APIRouter(tags=["jobs"])

Reader = Annotated[Principal, require("jobs:read")]


class ProfileOut(BaseModel):
    """A way to dub: which engines, on which machines."""

    name: str = Field(examples=["embedded"])
    default: bool
    gpu: bool = Field(description="Its jobs are done by workers with a GPU.")
    languages: list[str] = Field(
        description="Target languages; empty where its engines do not limit them.",
        examples=[["en", "es", "ko"]],
    )


class VoiceOut(BaseModel):
    name: str = Field(examples=["ef_dora"])
    engine: str = Field(examples=["kokoro"])
    language: str = Field(examples=["es"])
    sex: Literal["female", "male", "unknown"]
    licence: str = ""


@router.get("/profiles")
async def list_profiles(user: Reader, services: Services) -> list[ProfileOut]:
    """The profiles a job may have, the default first."""
    return await asyncio.to_thread(profiles, services.settings)


@router.get("/voices")
async def list_voices(
    user: Reader,
    services: Services,
    language: Annotated[
        str,
        Query(min_length=2, max_length=20, pattern=r"^[A-Za-z0-9-]+$", examples=["es"]),
    ],
    profile: Annotated[str | None, Query(max_length=100)] = None,
) -> list[VoiceOut]:
    """The voices of a language, the preferred first. A job names them in `options.voices`.

    Voices of an account at a vendor are not listed: they are the operator's.
    """
    chosen = wanted_profile(profile, services.settings)
    return await asyncio.to_thread(voices, chosen, tags.normalize(language))


def profiles(settings: ServerSettings) -> list[ProfileOut]:
    """The profiles of a server."""
    return [
        ProfileOut(
            name=name,
            default=place == 0,
            gpu=name in settings.gpu_profiles,
            languages=sorted(offers.spoken(name)),
        )
        for place, name in enumerate(settings.profiles)
    ]


def voices(profile: str, language: str) -> list[VoiceOut]:
    """The voices of a profile's own synthesizers."""
    return [
        VoiceOut(
            name=voice.name,
            engine=engine,
            language=voice.language,
            sex=voice.sex,
            licence=voice.licence,
        )
        for engine, voice in offers.voices(profile, language)
    ]
