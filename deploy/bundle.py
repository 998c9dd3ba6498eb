"""Make the source bundles of Elastic Beanstalk.

python -m build --wheel
python deploy/bundle.py web --wheel dist/onevoice-*.whl --out web.zip
python deploy/bundle.py worker --out worker.zip
"""

from __future__ import annotations

import argparse
import zipfile
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
_WHEN = (1980, 1, 1, 0, 0, 0)
"""The same files make the same bundle, byte for byte."""


def contents(kind: str, wheel: Path | None) -> Iterator[tuple[str, bytes, int]]:
    """Name, bytes and mode of each member."""
    root = HERE / kind
    for path in sorted(root.rglob("*")):
        if path.is_file():
            mode = 0o755 if path.suffix == ".sh" else 0o644
            yield path.relative_to(root).as_posix(), path.read_bytes(), mode
    if kind == "web":
        if wheel is None:
            raise SystemExit("the web bundle carries the wheel: --wheel dist/onevoice-….whl")
        requirements = f"--constraint constraints.txt\n./{wheel.name}[server]\n"
        yield "gunicorn.conf.py", (HERE / "gunicorn.conf.py").read_bytes(), 0o644
        yield "constraints.txt", (HERE.parent / "constraints.txt").read_bytes(), 0o644
        yield "requirements.txt", requirements.encode(), 0o644
        yield wheel.name, wheel.read_bytes(), 0o644


def write(out: Path, kind: str, wheel: Path | None = None) -> None:
    """Write the bundle under another name, then give it its own."""
    scratch = out.with_name(out.name + ".part")
    with zipfile.ZipFile(scratch, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, data, mode in contents(kind, wheel):
            member = zipfile.ZipInfo(name, _WHEN)
            member.external_attr = (0o100000 | mode) << 16
            member.compress_type = zipfile.ZIP_DEFLATED
            bundle.writestr(member, data)
    scratch.replace(out)


def main() -> None:
    parser = argparse.ArgumentParser(description="Make a source bundle of Elastic Beanstalk.")
    parser.add_argument("kind", choices=["web", "worker"])
    parser.add_argument("--wheel", type=Path, help="the wheel that the web bundle carries")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    write(given.out, given.kind, given.wheel)


if __name__ == "__main__":
    main()
