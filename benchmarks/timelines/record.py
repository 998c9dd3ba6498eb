"""Write ``talk.json``: when the sample's segments were recognised, and who speaks.

onevoice dub samples/talk.mp4 --to pt --out demo-output
python benchmarks/timelines/record.py demo-output/talk.onevoice/transcript.yaml
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import yaml


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("transcript", type=Path)
    transcript = yaml.safe_load(parser.parse_args().transcript.read_text(encoding="utf-8"))
    kept = {
        "duration": transcript["duration"],
        "segments": [
            {name: segment[name] for name in ("start", "end", "speaker")}
            for segment in transcript["segments"]
        ],
    }
    path = Path(__file__).with_name("talk.json")
    path.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
