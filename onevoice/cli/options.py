"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Inputs = Annotated[
    list[str], typer.Argument(metavar="INPUTS", help="Videos, audio files, folders, patterns.")
]
To = Annotated[
    list[str] | None,
    typer.Option("--to", metavar="LANGS", help="Target languages: ko,es,pt."),
]
From = Annotated[
    str | None,
    typer.Option("--from", metavar="LANG", help="Spoken language [default: heard]."),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        metavar="DIR",
        help="Folder for the results [default: beside the input].",
    ),
]
Recursive = Annotated[
    bool,
    typer.Option("--recursive", "-r", help="Also look in folders below a folder."),
]
Salvage = Annotated[
    bool,
    typer.Option(
        "--salvage",
        help="Use the readable part of a file that is cut short.",
    ),
]
Voices = Annotated[
    list[str] | None,
    typer.Option(
        "--voice",
        metavar="SPEAKER=VOICE",
        help="S1=ef_dora, or S1.es=ef_dora for one language.",
    ),
]
Speakers = Annotated[
    str | None,
    typer.Option(
        "--speakers",
        metavar="N",
        help="How many people speak [default: 1]; auto counts them.",
    ),
]
Glossary = Annotated[
    Path | None,
    typer.Option(
        "--glossary",
        metavar="FILE",
        help="Terms, what they become, how they sound (YAML, CSV).",
    ),
]
Series = Annotated[
    str | None,
    typer.Option(
        "--series",
        metavar="NAME",
        help="Remember accepted translations from film to film.",
    ),
]
KeepLanguages = Annotated[
    list[str] | None,
    typer.Option(
        "--keep-language",
        metavar="LANGS",
        help="Leave lines in these languages as they are: fr; other for all.",
    ),
]
Quality = Annotated[
    str | None,
    typer.Option(
        "--quality",
        metavar="HOW",
        help="standard, or reflect: criticise and rewrite each line.",
    ),
]
Loudness = Annotated[
    str | None,
    typer.Option(
        "--loudness",
        metavar="HOW",
        help="match the source [default], ebu-r128, streaming …, or LUFS: -16.",
    ),
]
MaxCost = Annotated[
    str | None,
    typer.Option(
        "--max-cost",
        metavar="USD",
        help="Most that hosted engines may charge: 5usd.",
    ),
]
Lines = Annotated[
    list[str] | None,
    typer.Option(
        "--lines",
        metavar="LANG=FILE",
        help="A translated subtitle file to speak: ko=talk.ko.srt.",
    ),
]
StopAfter = Annotated[
    str | None,
    typer.Option(
        "--stop-after",
        metavar="STAGE",
        help="End after this stage, e.g. translate, to look it over.",
    ),
]
Deliver = Annotated[
    list[str] | None,
    typer.Option(
        "--deliver",
        metavar="WHAT",
        help="per-language, multitrack, audio, stems; several with commas.",
    ),
]
BurnSubtitles = Annotated[
    bool,
    typer.Option("--burn-subtitles", help="Draw subtitles into the picture."),
]
Retime = Annotated[
    str | None,
    typer.Option(
        "--retime",
        metavar="video:X",
        help="Show the picture X times as long, for more words [at most video:1.1].",
    ),
]
AudioTrack = Annotated[
    int | None,
    typer.Option(
        "--audio-track",
        metavar="N",
        min=0,
        help="Which audio track is dubbed, counted from 0 [default: 0].",
    ),
]
Force = Annotated[
    bool,
    typer.Option("--force", help="Replace files that are not ours."),
]
Config = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Settings in YAML."),
]
Profile = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="NAME",
        help="Settings to start from [default: embedded].",
    ),
]
Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="One setting: mix.duck_db=-9 (onevoice config show).",
    ),
]
FailOn = Annotated[
    list[str] | None,
    typer.Option(
        "--fail-on",
        metavar="WHAT",
        help="Measures or warnings that make exit status 5: cer,holes; any.",
    ),
]
Queue = Annotated[
    bool,
    typer.Option(
        "--queue",
        help="Have the workers of a OneVoice server do it, and fetch the results.",
    ),
]
Json = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON object, nothing else."),
]
QuietFlag = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="Only errors, and the paths of the results."),
]
