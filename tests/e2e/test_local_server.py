"""The README's walkthrough of a service of one's own, run word for word against a fresh server."""

from __future__ import annotations

import os
import re
import shutil
import signal
import stat
import subprocess
import time
from email import policy
from email.parser import BytesParser
from pathlib import Path

import pytest

from onevoice import media
from tests.conftest import REPOSITORY, SAMPLE
from tests.e2e.hosting import local

SECTION = re.compile(
    r"^### (?:Your own service|나만의 서버)\n(.*?)(?=^##)", re.MULTILINE | re.DOTALL
)
BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)
ADDRESS = "http://127.0.0.1:8300"


def walkthrough(readme: str) -> str:
    """The block of the section that calls the API."""
    found = SECTION.search((REPOSITORY / readme).read_text(encoding="utf-8"))
    assert found is not None
    (block,) = (text for text in BLOCK.findall(found[1]) if "curl" in text)
    assert ADDRESS in block
    return str(block)


def without_comments(block: str) -> list[str]:
    lines = (re.sub(r"\s+# .*|^# .*", "", line) for line in block.splitlines())
    return [line for line in lines if line]


def test_both_readmes_do_the_same() -> None:
    english, korean = walkthrough("README.md"), walkthrough("README.ko.md")
    assert without_comments(english) == without_comments(korean)


@pytest.mark.models
@pytest.mark.slow
def test_the_walkthrough_of_the_readme(tmp_path: Path, cache: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed, and the walkthrough is made of it")
    here = tmp_path / "here"
    (here / "samples").mkdir(parents=True)
    (here / "samples" / SAMPLE.name).symlink_to(SAMPLE)
    with local(tmp_path / "server", cache=cache) as server:
        block = walkthrough("README.md").replace(ADDRESS, server.url)
        environment = {"PATH": os.environ["PATH"], "HOME": str(here)}
        done = subprocess.run(
            ["bash", "-eu", "-o", "pipefail", "-c", block], cwd=here, env=environment,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=900, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

        made = {"talk.es.mp4", "talk.es.srt", "talk.es.vtt"}
        assert {path.name for path in here.iterdir()} == made | {"samples"}
        source, dub = media.probe(SAMPLE), media.probe(here / "talk.es.mp4")
        assert [a.language for a in dub.audio] == [s.language for s in dub.subtitles] == ["spa"]
        assert abs(dub.duration - source.duration) <= 1 / 25
        assert dub.synthetic_voice
        kinds = re.findall(r"^event: (\S+)$", done.stdout, re.MULTILINE)
        assert kinds[0] == "job.queued" and kinds[-1] == "job.done"
        assert "job.progress" in kinds and "job.language.done" in kinds
        numbers = [int(n) for n in re.findall(r"^id: (\d+)$", done.stdout, re.MULTILINE)]
        assert numbers == list(range(1, len(numbers) + 1))

        # Mails of a server of one's own lie in a folder, for its owner alone.
        outbox = tmp_path / "server" / "data" / "server" / "outbox"
        end = time.monotonic() + 30
        while len(list(outbox.glob("*.eml"))) < 2 and time.monotonic() < end:
            time.sleep(0.1)  # a mail is a task of its own, after the job
        mails = [BytesParser(policy=policy.default).parsebytes(p.read_bytes())
                 for p in sorted(outbox.iterdir())]  # fmt: skip
        assert {str(mail["To"]) for mail in mails} == {"ada@example.com"}
        assert len(mails) == 2, "one to verify the address, one that the dub is done"
        assert all(stat.S_IMODE(p.stat().st_mode) == 0o600 for p in outbox.iterdir())
        token = re.search(r'"access_token":"([^"]+)"', done.stdout)
        assert token is None, "the walkthrough shows no token"
        assert server.command("db", "check").returncode == 0


def test_ctrl_c_ends_the_server_without_a_word(tmp_path: Path) -> None:
    with local(tmp_path / "server") as server:
        process = server.processes["serve"]
        assert f"OneVoice on {server.url}" in process.text
        status = process.stop(number=signal.SIGINT)
        assert status in (0, 130), process.text
        assert "Traceback" not in process.text and "error:" not in process.text
        again = server.start("again", "onevoice", "serve", "--port", server.url.rpartition(":")[2])
        server.wait_until_ready(again)
        assert again.stop() == 0
