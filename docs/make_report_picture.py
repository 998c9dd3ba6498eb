"""Take ``docs/images/report.png``: the upper part of a report, as a browser shows it.

::

    onevoice dub samples/talk.mp4 --to pt -o out
    python -m docs.make_report_picture out/talk.onevoice/report.pt.html

It needs Chromium, and what the tests need.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from tests.e2e.browser import browser

IMAGE = Path(__file__).parent / "images" / "report.png"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("report", type=Path)
    parser.add_argument("--out", type=Path, default=IMAGE, metavar="FILE")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, browser(Path(folder)) as tab:
        tab.open(args.report, width=1200, height=1000)
        tab.run("document.querySelector('.timeline').scrollIntoView()")
        args.out.write_bytes(tab.picture())


if __name__ == "__main__":
    main()
