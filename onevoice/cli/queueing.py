"""``onevoice dub … --queue``: the same batch, done by the workers of a OneVoice server.

Inputs are uploaded, jobs submitted, and results fetched to where a dub on this machine would have
put them. Uploads and jobs are known by their content: the same command, run again, goes on, and
tries again what failed.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onevoice import errors
from onevoice.cli import output
from onevoice.cli.exits import ExitStatus, status_of_batch
from onevoice.cli.fetched import Fetched
from onevoice.cli.inputs import PROJECT_SUFFIX
from onevoice.cli.output import Column
from onevoice.cli.text import path as shown
from onevoice.cli.text import plural
from onevoice.errors import (
    Cancelled,
    ConfigError,
    EngineUnavailable,
    OneVoiceError,
    ServiceFailed,
)

if TYPE_CHECKING:
    from onevoice.cli.requests import Batch
    from onevoice.client import Client
    from onevoice.pipeline.results import DubRequest

SCHEMA = "onevoice.queue/1"
URL_VARIABLE = "ONEVOICE_API_URL"
KEY_VARIABLE = "ONEVOICE_API_KEY"
DEFAULT_URL = "http://127.0.0.1:8300"
LOOK_S = 2.0
_RETRIED = frozenset({"partial", "failed", "cancelled"})
_SUFFIX = re.compile(r"\.[a-z0-9]{1,5}")


@dataclass(slots=True)
class Sent:
    """One input, and its job at the server."""

    request: DubRequest
    job: Any
    outputs: list[Path] = field(default_factory=list)
    told: str = ""
    over: bool = False
    """Everything of it was fetched."""

    @property
    def input(self) -> Path:
        return self.request.input


@dataclass(slots=True)
class Outcome:
    """What came of a batch."""

    server: str
    sent: list[Sent] = field(default_factory=list)
    failures: list[tuple[Path, OneVoiceError]] = field(default_factory=list)

    def status(self) -> ExitStatus:
        done = sum(language["status"] == "done" for s in self.sent for language in _languages(s))
        return status_of_batch(done, [error for _, error in self.failures])


def check_local_only(**given: Any) -> None:
    """Refuse options that mean something on this machine only. Raises ConfigError."""
    named = [name for name, value in given.items() if value]
    if named:
        option = "--" + named[0].replace("_", "-")
        raise ConfigError(
            f"{option} does not go with --queue: the server has settings of its own",
            hint=f"leave out {option}, or dub on this machine without --queue",
        )


def run_queued(batch: Batch, *, profile: str | None, quiet: bool) -> Outcome:
    """Upload, submit, follow, fetch. Errors of one input do not stop the others."""
    try:
        from onevoice.client import Client
    except ImportError as exc:
        raise EngineUnavailable(
            "--queue needs the package httpx", hint="pip install 'onevoice[cloud]'"
        ) from exc
    outcome = Outcome(server=os.environ.get(URL_VARIABLE) or DEFAULT_URL)
    for bad in batch.rejected:
        _failed(outcome, bad.input, bad.error)
    if not batch.requests:
        return outcome
    with Client(outcome.server, _key()) as client:
        try:
            for request in batch.requests:
                try:
                    outcome.sent.append(_send(client, request, profile=profile, quiet=quiet))
                except OneVoiceError as exc:
                    _failed(outcome, request.input, exc)
            _follow(client, outcome, quiet=quiet)
        except KeyboardInterrupt:
            # The jobs belong to the server now: only the waiting ends.
            stopped = Cancelled(
                "stopped waiting; the jobs go on",
                hint="run the same command again to fetch what is done",
            )
            over = {sent.input for sent in outcome.sent if sent.over}
            over |= {path for path, _ in outcome.failures}
            for request in batch.requests:
                if request.input not in over:
                    _failed(outcome, request.input, stopped)
    return outcome


def options_of(request: DubRequest) -> dict[str, Any]:
    """What a request asks for, as the API's options."""
    settings = request.settings
    options: dict[str, Any] = {
        "source_language": settings.source.language,
        "speakers": settings.diarization.speakers,
        "voices": settings.voices,
        "quality": settings.translation.quality,
        "keep_original_audio": settings.output.keep_original_audio,
        "deliverables": ["video", *settings.output.subtitles],
    }
    if settings.glossary:
        from onevoice.glossary import Glossary

        entries = Glossary.read(Path(settings.glossary)).entries
        options["glossary"] = [
            {
                "term": entry.term,
                "keep": entry.keep,
                "translations": entry.translations,
                "pronunciation": entry.pronunciation,
                "case_sensitive": entry.case_sensitive,
                "note": entry.note,
            }
            for entry in entries
        ]
    return options


def _key() -> str:
    from onevoice.engines import keys

    return keys.require(KEY_VARIABLE, "the OneVoice server")


def _send(client: Client, request: DubRequest, *, profile: str | None, quiet: bool) -> Sent:
    if not request.force:
        kinds = (request.input.suffix, *(f".{x}" for x in request.settings.output.subtitles))
        _fetched(request).refuse_foreign(
            _target(request, language, kind) for language in request.languages for kind in kinds
        )
    if not quiet:
        output.note(f"{shown(request.input)}: uploading")
    video = client.upload(request.input)
    job = client.dub(video["id"], request.languages, profile=profile, options=options_of(request))
    if job["status"] in _RETRIED:  # of an earlier run of the same command
        job = client.retry(job)
    if not quiet:
        output.note(f"{shown(request.input)}: {job['id']}, {job['quote']['minutes']} min of credit")
    return Sent(request=request, job=job)


def _follow(client: Client, outcome: Outcome, *, quiet: bool) -> None:
    from onevoice.client import ENDED

    waiting = list(outcome.sent)
    while waiting:
        for sent in list(waiting):
            try:
                sent.job = client.job(sent.job["id"])
                if sent.job["status"] in ENDED:
                    waiting.remove(sent)
                    _end(client, outcome, sent)
            except OneVoiceError as exc:
                if sent in waiting:
                    waiting.remove(sent)
                _failed(outcome, sent.input, exc)
            _tell(sent, quiet=quiet)
        if waiting:
            time.sleep(LOOK_S)


def _end(client: Client, outcome: Outcome, sent: Sent) -> None:
    """Say what failed, and fetch the rest."""
    for language in _languages(sent):
        if language["status"] != "done":
            _failed(outcome, sent.input, _error_of(language))
    fetched = _fetched(sent.request)
    fetched.make_room()
    for file in client.results(sent.job["id"]):
        target = _target_of(sent.request, file)
        if not sent.request.force:
            fetched.refuse_foreign([target])
        sent.outputs.append(client.download(file, target.parent, name=target.name))
        fetched.remember(target)
    sent.over = True


def _error_of(language: Any) -> OneVoiceError:
    """Why a language did not come out, as the same error that a dub here would have ended with."""
    told = language.get("error") or {"message": language["status"]}
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    found = {kind.code: kind for kind in kinds if issubclass(kind, OneVoiceError)}
    kind = found.get(told.get("code", ""), ServiceFailed)
    return kind(f"{language['language']}: {told['message']}", hint=told.get("hint", ""))


def _fetched(request: DubRequest) -> Fetched:
    return Fetched(_folder(request) / f"{request.input.stem}{PROJECT_SUFFIX}")


def _folder(request: DubRequest) -> Path:
    return request.out or request.input.parent


def _target(request: DubRequest, language: str, suffix: str) -> Path:
    return _folder(request) / f"{request.input.stem}.{language}{suffix}"


def _target_of(request: DubRequest, file: Any) -> Path:
    """Where a result goes. Of its name at the server no more is taken than the kind of file."""
    language, suffix = str(file["language"]), Path(str(file["name"])).suffix.lower()
    if language not in request.languages or not _SUFFIX.fullmatch(suffix):
        raise ServiceFailed(
            f"the server has a result that nobody asked for: {file['name']!r} in {language!r}",
            hint=f"is {URL_VARIABLE} a OneVoice server?",
        )
    return _target(request, language, suffix)


def _tell(sent: Sent, *, quiet: bool) -> None:
    """A line for each change of status or tenth of the work."""
    parts = [
        f"{x['language']} {x['status']}"
        if x["status"] != "running"
        else f"{x['language']} {int(x['progress'] * 10) * 10} %"
        for x in _languages(sent)
    ]
    told = ", ".join(parts)
    if told != sent.told and not quiet:
        output.note(f"{shown(sent.input)}: {told}")
    sent.told = told


def _languages(sent: Sent) -> list[Any]:
    return list((sent.job or {}).get("languages", ()))


def _failed(outcome: Outcome, path: Path, error: OneVoiceError) -> None:
    outcome.failures.append((path, error))
    about = "" if shown(path) in error.message else shown(path)
    output.error(error, about=about)


def as_dict(outcome: Outcome) -> dict[str, Any]:
    """The pinned JSON answer."""
    return {
        "schema": SCHEMA,
        "server": outcome.server,
        "jobs": [
            {
                "input": str(sent.input),
                "job": sent.job["id"],
                "status": sent.job["status"],
                "languages": [
                    {
                        "language": x["language"],
                        "status": x["status"],
                        "charged_seconds": x["charged_seconds"],
                    }
                    for x in _languages(sent)
                ],
                "outputs": [str(path) for path in sent.outputs],
            }
            for sent in outcome.sent
        ],
        "errors": [output.error_json(error, input=str(path)) for path, error in outcome.failures],
    }


def show(outcome: Outcome, *, quiet: bool) -> None:
    """The summary for people."""
    if quiet:
        for sent in outcome.sent:
            for path in sent.outputs:
                output.line(shown(path))
        return
    if not outcome.sent:
        return
    columns = [
        Column("Input", fold=True), Column("Job", fold=True), Column("To"), Column("Status"),
        Column("Charged", "right"),
    ]  # fmt: skip
    output.table(columns, [row for sent in outcome.sent for row in _rows(sent)])
    files = sum(len(sent.outputs) for sent in outcome.sent)
    output.line(f"{plural(files, 'file')} fetched from {outcome.server}.")


def _rows(sent: Sent) -> Sequence[tuple[object, ...]]:
    return [
        (
            shown(sent.input),
            sent.job["id"],
            x["language"],
            x["status"],
            f"{x['charged_seconds']} s",
        )
        for x in _languages(sent)
    ]
