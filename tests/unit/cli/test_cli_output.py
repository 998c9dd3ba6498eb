from __future__ import annotations

import io
import json
import subprocess
import sys

import pytest

from onevoice.cli import output
from onevoice.cli.output import Column
from onevoice.errors import EngineUnavailable


def test_errors_say_what_and_what_next(capsys: pytest.CaptureFixture[str]) -> None:
    output.error(EngineUnavailable("no\nengine [bold]x[/bold]", hint="pip install"), about="a.mp4")
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "error: a.mp4: no\\nengine [bold]x[/bold]\nhint: pip install\n"


def test_long_errors_stay_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    output.error(EngineUnavailable("x " * 200))
    assert capsys.readouterr().err.count("\n") == 1


def test_tables_are_literal_and_fit_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    long = "이름 [red] " * 20
    output.table([Column("A"), Column("B", fold=True)], [("x\ny", long), (None, 3)])
    lines = capsys.readouterr().out.splitlines()
    assert r"x\ny" in lines[2]
    assert "".join(line[5:].strip() for line in lines[2:]).count("[red]") >= 15
    from rich.cells import cell_len

    assert max(cell_len(line) for line in lines) <= 80


def test_json_is_one_readable_object(capsys: pytest.CaptureFixture[str]) -> None:
    output.as_json({"name": "이야기\n"})
    out = capsys.readouterr().out
    assert json.loads(out) == {"name": "이야기\n"}
    assert "이야기" in out


@pytest.mark.parametrize(("encoding", "name"), [("ascii", "이야기 🚀"), ("utf-8", "bad\udc80")])
def test_json_survives_any_name_and_encoding(
    monkeypatch: pytest.MonkeyPatch, encoding: str, name: str
) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="backslashreplace")
    monkeypatch.setattr(sys, "stdout", stream)
    output.as_json({"name": name})
    assert json.loads(stream.buffer.getvalue()) == {"name": name}


def test_what_libraries_print_does_not_reach_stdout() -> None:
    """From Python, by descriptor, and through a C library's own buffer."""
    script = (
        "import ctypes, os\n"
        "from onevoice.cli import output\n"
        "with output.stdout_kept_clean():\n"
        "    print('from python')\n"
        "    os.write(1, b'from a descriptor\\n')\n"
        "    ctypes.CDLL(None).printf(b'from C\\n')\n"
        "output.line('the result')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "the result\n"
    for source in ("from python", "from a descriptor", "from C"):
        assert source in done.stderr


def test_debug_shows_where_an_error_came_from(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def told() -> str:
        try:
            raise EngineUnavailable("x") from ValueError("the cause")
        except EngineUnavailable as exc:
            output.error(exc)
        return capsys.readouterr().err

    assert "Traceback" not in told()
    monkeypatch.setenv("ONEVOICE_LOG", "debug")
    assert "ValueError: the cause" in told()
