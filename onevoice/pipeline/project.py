"""A job's folder beside its output: what a person may read and edit, and what a run remembers.

::

    talk.onevoice/
      transcript.yaml      what was heard: edit text, speaker, times, keep
      lines.<lang>.yaml    what will be said: edit text, voice, times, keep_original, lock
      summary.yaml         what it is about, where a language model read it
      report.<lang>.json   how the dub measures; report.<lang>.html shows it
      usage.jsonl          what hosted engines were paid, a line for each request
      consent.yaml         whose voice may be cloned, with the papers in consent/
      state.json           baselines and results of earlier runs; not for editing

Files are written to a temporary name and renamed. One run at a time holds the folder.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from onevoice import languages
from onevoice.errors import OutputUnwritable, ProjectBusy, ProjectInvalid
from onevoice.media import output_error
from onevoice.pipeline.bookings import Bookings
from onevoice.pipeline.edits import Merged, Record, baseline_of, merge
from onevoice.pipeline.memory import Memory
from onevoice.pipeline.sheets import (
    LINES,
    SEGMENTS,
    Sheet,
    line_of,
    line_record,
    segment_record,
)
from onevoice.pipeline.speakers import everybody
from onevoice.pipeline.summary_file import SummaryFile
from onevoice.subtitles import Cue
from onevoice.types import Line, Segment, Speaker, Transcript

SUFFIX = ".onevoice"


def project_folder(source: Path, out: Path | None) -> Path:
    """``talk.onevoice`` beside the output of ``talk.mp4``."""
    return (out or source.parent) / f"{source.stem}{SUFFIX}"


class Project:
    """The folder and its files. Open it with :meth:`open`; hold it with :meth:`hold`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._memory = Memory(folder / "state.json")
        self.summary = SummaryFile(folder / "summary.yaml", self._memory)
        self.bookings = Bookings(folder / "usage.jsonl")

    @classmethod
    def open(cls, folder: Path) -> Project:
        """An existing project. Raises ProjectInvalid when there is none."""
        project = cls(folder)
        if not project.transcript_path.is_file():
            raise ProjectInvalid(
                f"{folder} is no OneVoice project: it has no transcript.yaml",
                hint="run onevoice dub VIDEO --to LANGUAGE --stop-after translate first",
            )
        project.load()
        return project

    def load(self) -> None:
        """Read what earlier runs remembered, without holding the folder (for looking only)."""
        self._memory.load()

    @contextmanager
    def hold(self, wait: float = 3.0) -> Iterator[None]:
        """Keep other runs out of the folder, which is made where it is missing.

        Raises
        ------
        ProjectBusy
            Another run still holds it after ``wait`` seconds.
        """
        lock = FileLock(self.folder / ".lock")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=wait)
        except Timeout as exc:
            raise ProjectBusy(
                f"another run is working on {self.folder}",
                hint="wait until it has ended, or give another folder with --out",
            ) from exc
        except OSError as exc:
            raise OutputUnwritable(
                f"the folder {self.folder} cannot be written: {exc.strerror or exc}",
                hint="give another folder with --out",
            ) from exc
        try:
            self.load()
            yield
        finally:
            lock.release()

    @contextmanager
    def work_folder(self, name: str) -> Iterator[Path]:
        """A folder for results under way, on the disk of the results; removed at the end."""
        folder = self.folder / ".work" / name
        try:
            shutil.rmtree(folder, ignore_errors=True)  # a killed run may have left one
            folder.mkdir(parents=True)
            yield folder
        except OSError as exc:
            raise output_error(folder, exc) from exc
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    # -- paths -------------------------------------------------------------------------------

    @property
    def transcript_path(self) -> Path:
        return self.folder / "transcript.yaml"

    def lines_path(self, language: str) -> Path:
        return self.folder / f"lines.{language}.yaml"

    def report_path(self, language: str) -> Path:
        return self.folder / f"report.{language}.json"

    def languages(self) -> tuple[str, ...]:
        """Target languages that have lines here."""
        names = (p.name for p in self.folder.glob("lines.*.yaml"))
        return tuple(sorted(n.removeprefix("lines.").removesuffix(".yaml") for n in names))

    # -- transcript --------------------------------------------------------------------------

    def transcript(self) -> Transcript:
        """The transcript as it stands in the file."""
        head, records = SEGMENTS.read(self.transcript_path)
        speakers = [
            Speaker(id=str(s["id"]), pitch_hz=s.get("pitch_hz"), seconds=s.get("seconds", 0.0))
            for s in head.get("speakers") or []
            if isinstance(s, dict) and "id" in s
        ]
        transcript = Transcript(
            language=str(head.get("language", "und")),
            duration=float(head.get("duration", 0.0)),
            speakers=tuple(speakers),
            segments=(),
        )
        segments = tuple(Segment(**record) for record in records)
        return replace(transcript, speakers=everybody(transcript, segments), segments=segments)

    def sync_transcript(self, generated: Transcript) -> tuple[Transcript, Merged]:
        """Lay edits over a newly made transcript, and write the file."""
        transcript, merged = self._merged_transcript(generated)
        head = {
            "version": 1,
            "language": generated.language,
            "duration": round(generated.duration, 3),
            "speakers": [
                {"id": s.id, "pitch_hz": s.pitch_hz, "seconds": round(s.seconds, 1)}
                for s in transcript.speakers
            ],
        }
        machine = [segment_record(segment) for segment in generated.segments]
        self._write_sheet(SEGMENTS, self.transcript_path, head, merged.records, machine)
        return transcript, merged

    def preview_transcript(self, generated: Transcript) -> Transcript:
        """What :meth:`sync_transcript` would return; nothing is written."""
        return self._merged_transcript(generated)[0]

    def _merged_transcript(self, generated: Transcript) -> tuple[Transcript, Merged]:
        current = None
        if self.transcript_path.is_file():
            current = SEGMENTS.read(self.transcript_path)[1]
        merged = merge(
            [segment_record(segment) for segment in generated.segments],
            current,
            self._memory.baselines("transcript"),
            fields=SEGMENTS.fields,
            removed={"keep": True},
        )
        heard = {segment.id: segment for segment in generated.segments}
        segments = []
        for record in merged.records:
            segment = heard.get(record["id"])
            # Pauses point into the text that was heard; an edited text has none.
            as_heard = segment is not None and segment.text == record["text"]
            pauses = segment.pauses if segment is not None and as_heard else ()
            segments.append(Segment(**record, pauses=pauses))
        speakers = everybody(generated, segments)
        return replace(generated, speakers=speakers, segments=tuple(segments)), merged

    # -- lines -------------------------------------------------------------------------------

    def lines(self, language: str) -> tuple[Line, ...]:
        """The lines of a language as they stand in the file."""
        _, records = LINES.read(self.lines_path(language))
        return tuple(line_of(record) for record in records)

    def sync_lines(
        self, language: str, generated: Sequence[Line]
    ) -> tuple[tuple[Line, ...], Merged]:
        """Lay edits over newly translated lines. Nothing is written: see :meth:`write_lines`.

        A line whose text a person changed comes back locked: no engine may shorten it.
        """
        records = [line_record(line) for line in generated]
        path = self.lines_path(language)
        current = None
        if path.is_file():
            _, current = LINES.read(path)
            # A locked text stays, whatever the translator now says.
            locked = {r["id"]: r for r in current if r["lock"]}
            records = [
                {**r, "text": locked[r["id"]]["text"], "lock": True} if r["id"] in locked else r
                for r in records
            ]
        merged = merge(
            records,
            current,
            self._memory.baselines(f"lines.{language}"),
            fields=LINES.fields,
            removed={"keep_original": True},
        )
        lines = []
        for record in merged.records:
            by_hand = "text" in merged.edited.get(record["id"], ())
            line = line_of(record)
            lines.append(replace(line, lock=line.lock or by_hand))
        return tuple(lines), merged

    def write_lines(
        self,
        language: str,
        lines: Sequence[Line],
        edited: Merged,
        *,
        voices: dict[str, str],
        by_hand: dict[str, str],
    ) -> None:
        """Write the lines as they will be spoken; what people changed stays marked as theirs.

        ``voices`` are the speakers' voices, ``by_hand`` those among them that a person gave.
        """
        records, machine = [], []
        for line in lines:
            record = line_record(line)
            touched = edited.edited.get(line.id, frozenset())
            records.append(record)
            # An edited field must stay different from the baseline to be seen as edited.
            machine.append({k: v for k, v in record.items() if k not in touched})
        head = {"version": 1, "language": language, "voices": voices}
        self.remember("voices", language, {"written": voices, "by_hand": by_hand})
        self._write_sheet(LINES, self.lines_path(language), head, records, machine)

    def edited_voices(self, language: str) -> dict[str, str]:
        """Voices by speaker that a person gave at the head of the file of lines, now or before."""
        path = self.lines_path(language)
        if not path.is_file():
            return {}
        known = self.recall("voices", language) or {}
        chosen = dict(known.get("by_hand", {}))
        head = LINES.read(path)[0].get("voices")
        for speaker, voice in (head if isinstance(head, dict) else {}).items():
            if voice and known.get("written", {}).get(speaker) not in (None, voice):
                chosen[str(speaker)] = str(voice)
        return chosen

    def set_line(self, language: str, line_id: str, **changes: Any) -> Line:
        """Change a line as a person would in an editor.

        Raises
        ------
        ProjectInvalid
            There is no such line, or a value is wrong.
        """
        path = self.lines_path(language)
        head, records = LINES.read(path)
        if "keep" in changes:
            changes["keep_original"] = changes.pop("keep")
        found = next((r for r in records if r["id"] == line_id), None)
        if found is None:
            raise ProjectInvalid(
                f"there is no line {line_id!r} in {path}",
                hint="onevoice segments show lists them",
            )
        found.update({k: v for k, v in changes.items() if v is not None})
        found["full_text"] = "" if "text" in changes else found.get("full_text", "")
        checked = [LINES.check(record, path) for record in records]
        LINES.write(path, head, checked)
        return line_of(next(r for r in checked if r["id"] == line_id))

    def import_lines(self, language: str, cues: Sequence[Cue]) -> int:
        """Replace the texts of lines by a subtitle file's; returns how many changed."""
        path = self.lines_path(language)
        head, records = LINES.read(path)
        texts: dict[str, list[str]] = {}
        for cue in cues:
            best = max(records, key=lambda r: _overlap(r, cue), default=None)
            if best is not None and _overlap(best, cue) > 0:
                texts.setdefault(best["id"], []).append(cue.text)
        changed = 0
        for record in records:
            text = languages.joined(texts.get(record["id"], ()))
            if text and text != record["text"]:
                record.update(text=text, full_text="")
                changed += 1
        LINES.write(path, head, records)
        return changed

    # -- the rest ----------------------------------------------------------------------------

    def remember(self, section: str, key: str, value: Any) -> None:
        """Keep a small fact for later runs; written at once."""
        self._memory.remember(section, {key: value})

    def remember_keys(self, language: str | None, parts: dict[str, dict[str, Any]]) -> None:
        """What each stage's key was made of: a plan says from it why a stage reruns."""
        facts = {f"{language or ''}/{stage}": made_of for stage, made_of in parts.items()}
        self._memory.remember("keys", facts)

    def recall(self, section: str, key: str) -> Any:
        return self._memory.recall(section, key)

    def _write_sheet(
        self,
        sheet: Sheet,
        path: Path,
        head: dict[str, Any],
        records: Sequence[Record],
        machine: Sequence[Record],
    ) -> None:
        """Remember what the machine says, then write the file; see :mod:`.edits` for the order."""
        self._memory.remember_baseline(path.stem, baseline_of(machine, sheet.fields))
        sheet.write(path, head, records)


def _overlap(record: Record, cue: Cue) -> float:
    return float(min(record["end"], cue.end) - max(record["start"], cue.start))
