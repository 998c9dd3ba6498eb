"""Names under which things of a job are kept: holds in the ledger, objects in the storage."""

from __future__ import annotations

from pathlib import Path


def hold_key(job_id: str, language: str, round_: int) -> str:
    """The hold for one language in one round of a job."""
    return f"hold:{job_id}:{language}:{round_}"


def account_prefix(user_id: str) -> str:
    """Everything of a user."""
    return f"accounts/{user_id}/"


def job_prefix(user_id: str, job_id: str) -> str:
    """Results and project folders of a job."""
    return f"accounts/{user_id}/jobs/{job_id}/"


def project_key(user_id: str, job_id: str, group: int) -> str:
    """The project folder of a group of languages, as an archive."""
    return f"{job_prefix(user_id, job_id)}projects/{group}.tar"


def results_prefix(user_id: str, job_id: str, round_: int) -> str:
    """Results of one round of a job."""
    return f"{job_prefix(user_id, job_id)}results/{round_}/"


def result_key(user_id: str, job_id: str, round_: int, language: str, name: str) -> str:
    return f"{results_prefix(user_id, job_id, round_)}{language}/{name}"


def artifacts_prefix(user_id: str, video_id: str) -> str:
    """What stages made of a video: deleted with it."""
    return f"accounts/{user_id}/videos/{video_id}/artifacts/"


def local_artifacts(data_dir: Path, user_id: str, video_id: str) -> Path:
    """The same on the disk of this machine: all there is of them on a local server."""
    return data_dir / "artifacts" / user_id / video_id
