"""Names under which things of a job are kept: holds in the ledger, objects in the storage."""

from __future__ import annotations

from pathlib import Path

from onevoice.server.users.keys import account_prefix
from onevoice.server.videos.keys import video_prefix


def hold_key(job_id: str, language: str, round_: int) -> str:
    """The hold for one language in one round of a job."""
    return f"hold:{job_id}:{language}:{round_}"


def job_prefix(user_id: str, job_id: str) -> str:
    """Results and project folders of a job."""
    return f"{account_prefix(user_id)}jobs/{job_id}/"


def projects_prefix(user_id: str, job_id: str, group: int) -> str:
    """The project folders of a group of languages, as archives: the greatest name is the newest."""
    return f"{job_prefix(user_id, job_id)}projects/{group}/"


def project_key(user_id: str, job_id: str, group: int, round_: int, fence: int) -> str:
    """Each attempt has its own: a worker that was thought dead replaces nobody's."""
    return f"{projects_prefix(user_id, job_id, group)}{round_:06d}.{fence:06d}.tar"


def results_prefix(user_id: str, job_id: str, round_: int) -> str:
    """Results of one round of a job."""
    return f"{job_prefix(user_id, job_id)}results/{round_}/"


def result_key(user_id: str, job_id: str, round_: int, language: str, fence: int, name: str) -> str:
    """Each attempt has its own, as with projects: what the database names is never replaced."""
    return f"{results_prefix(user_id, job_id, round_)}{language}/{fence}/{name}"


def artifacts_prefix(user_id: str, video_id: str) -> str:
    """What stages made of a video: deleted with it."""
    return f"{video_prefix(user_id, video_id)}/artifacts/"


def local_artifacts(data_dir: Path, user_id: str, video_id: str) -> Path:
    """The same on the disk of this machine: all there is of them on a local server."""
    return data_dir / "artifacts" / user_id / video_id
