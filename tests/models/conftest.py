"""No hub, no network; and at the end a line that says what ran, and what did not and why."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from onevoice.engines.base import CancelToken, Runtime

# Read when the packages are imported, so before any of them is.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"
os.environ["WANDB_MODE"] = "disabled"

THREADS = 2


def runtime(folder: Path, **options: Any) -> Runtime:
    """On the GPU where there is one."""
    return Runtime(models_dir=folder, threads=THREADS, **options)


@pytest.fixture
def token() -> CancelToken:
    return CancelToken()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Other people's packages may warn as they like: these tests are about our engines."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore"))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    ran = Counter[str]()
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            if report.when == "call":
                ran[Path(report.nodeid.split("::")[0]).stem.removeprefix("test_")] += 1
    skipped = [report.longrepr for report in terminalreporter.stats.get("skipped", [])]
    done = ", ".join(f"{name} {count}" for name, count in sorted(ran.items())) or "nothing"
    terminalreporter.write_line(f"models on {device()}: ran {done}; skipped {len(skipped)}")
    for reason in sorted({entry[2] for entry in skipped if isinstance(entry, tuple)}):
        terminalreporter.write_line(f"  {reason.removeprefix('Skipped: ')}")


def device() -> str:
    try:
        import torch
    except ImportError:
        return "no torch"
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "the CPU"
