"""How Gunicorn serves the API: Uvicorn workers behind nginx and a load balancer."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

METRICS = "PROMETHEUS_MULTIPROC_DIR"

wsgi_app = "onevoice.server.app:create_app()"
worker_class = "uvicorn_worker.UvicornWorker"
bind = f"{os.environ.get('BIND_HOST', '127.0.0.1')}:{os.environ.get('PORT', '8000')}"
workers = int(os.environ.get("WEB_CONCURRENCY") or max(2, os.cpu_count() or 1))
timeout = 60
# Requests under way are finished; streams of events never are, and their clients come back.
graceful_timeout = 30
# Longer than nginx and the balancer keep theirs: whoever sends a request finds the connection open.
keepalive = 125
# A worker that grew is replaced; the jitter keeps them from being replaced together.
max_requests = 20_000
max_requests_jitter = 2_000
# Only the proxy on this machine may say whom it speaks for; the application counts the rest.
forwarded_allow_ips = os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1")
# The heartbeat of workers is a file: on a disk, a busy one could have them killed.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 (memory, so that a heartbeat waits for no disk)
accesslog = None  # the application writes a line for each request, without secrets
errorlog = "-"
control_socket_disable = True


def _share_metrics() -> None:
    """Workers write their figures into one folder, which begins empty with each start."""
    folder = Path(os.environ.get(METRICS) or Path(tempfile.gettempdir()) / "onevoice-metrics")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.environ[METRICS] = str(folder)


def on_starting(server: Any) -> None:
    _share_metrics()


def child_exit(server: Any, worker: Any) -> None:
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)
