"""The sound of a language, encoded once for all the files it goes into."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from onevoice import media
from onevoice.pipeline.fingerprint import fingerprint
from onevoice.pipeline.runner import Job
from onevoice.pipeline.stage import SCHEMA
from onevoice.pipeline.store import Artifact

_VERSION = 2


def encoded(
    job: Job, mixed: Artifact, codec: str, *, progress: Callable[[float], None] | None = None
) -> Path:
    """A mix in the kind of sound that a file wants, from the cache where it is there.

    So films, sound files and the file with all languages have the same packets, and a language
    that comes later does not encode the others again.
    """
    bitrate = "" if codec in media.LOSSLESS else job.settings.output.audio_bitrate
    key = fingerprint(
        {
            "schema": SCHEMA,
            "stage": "encode",
            "version": _VERSION,
            "inputs": {"mix.audio": mixed.digest},
            "params": {"codec": codec, "bitrate": bitrate, "seconds": round(job.seconds, 6)},
        }
    )
    entry = job.store.get(key)
    if entry is None:
        with job.store.scratch() as folder:
            made = folder / "sound"
            media.encode(
                job.store.path(mixed),
                made,
                codec=codec,
                bitrate=bitrate,
                seconds=job.seconds,
                progress=progress,
                cancel=job.cancel,
            )
            entry = job.store.put(key, {"sound": made}, meta={"stage": "encode"})
    return job.store.path(entry.outputs["sound"])
