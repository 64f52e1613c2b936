"""Preforking servers and task queues, as they are started in production."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest
import requests

from .. import sink as faults
from ..programs import UNMEASURED, environment, skip_without
from ..sink import Sink
from . import PROGRAMS


@pytest.mark.parametrize("per_request", ["", "yes"], ids=["one client", "a client per request"])
@pytest.mark.parametrize("worker", ["sync", "gthread", "gevent"])
def test_gunicorn_preloading_its_app_loses_no_turn(sink: Sink, per_request: str, worker: str) -> None:
    skip_without("gunicorn")
    arguments = ["--preload", "--workers", "3", "--worker-class", worker, "--threads", "2", "--bind", "127.0.0.1:0"]
    server = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", *arguments, "--graceful-timeout", "20", "flask_app:app"],
        cwd=PROGRAMS, env=environment(sink, PER_REQUEST=per_request, **UNMEASURED), stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert server.stderr is not None
    try:
        address = ""
        for line in server.stderr:
            if "Listening at:" in line:
                address = line.split("Listening at: ")[1].split()[0]
                break
        noise: list[str] = []
        drain = threading.Thread(target=lambda: noise.extend(server.stderr or ()), daemon=True)
        drain.start()

        def load(client: int) -> None:
            with requests.Session() as session:
                for number in range(40):
                    assert "ok" == session.get(f"{address}/{client}-{number}", timeout=30).text

        threads = [threading.Thread(target=load, args=(client,)) for client in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)
        drain.join(10)
        server.stderr.close()
    expected = Counter(f"{client}-{number}" for client in range(4) for number in range(40))
    assert expected == Counter(faults.texts(sink.events)), "".join(noise)
    assert [] == [line for line in noise if "mindlytics" in line or "Traceback" in line]


@pytest.mark.parametrize(
    "settings", [{"MLSDK_FLUSH_ON_SIGTERM": "true"}, {"CLOSES": "yes"}], ids=["flush_on_sigterm", "the lifespan"]
)
def test_gunicorn_with_uvicorns_worker_delivers_at_sigterm(sink: Sink, settings: dict[str, str]) -> None:
    """The worker sends itself the signal again, without a handler, so Python's exit hooks never run."""
    skip_without("uvicorn_worker")
    arguments = ["--worker-class", "uvicorn_worker.UvicornWorker", "--bind", "127.0.0.1:0", "fastapi_app:app"]
    command = [sys.executable, "-m", "gunicorn", *arguments]
    env = environment(sink, **UNMEASURED, **settings)
    server = subprocess.Popen(command, cwd=PROGRAMS, env=env, stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    try:
        address = next(line for line in server.stderr if "Listening at:" in line).split("Listening at: ")[1].split()[0]
        for _ in range(20):
            assert requests.get(address, timeout=30).ok
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=30)
    assert ["e"] * 20 == sink.names()


def test_celerys_prefork_pool_loses_nothing(sink: Sink, tmp_path: Path) -> None:
    skip_without("celery")
    broker = tmp_path / "broker"
    broker.mkdir()
    env = environment(sink, BROKER=str(broker), MLSDK_FLUSH_INTERVAL="600", PYTHONPATH=str(PROGRAMS), **UNMEASURED)
    subprocess.run([sys.executable, str(PROGRAMS / "celery_fill.py")], cwd=tmp_path, env=env, check=True)
    worker = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "celery_tasks", "worker", "-P", "prefork", "-c", "2", "-l", "INFO"],
        cwd=tmp_path, env=env, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert worker.stderr is not None
    done = 0
    lines: list[str] = []
    for line in worker.stderr:
        lines.append(line)
        done += " succeeded in " in line
        if done == 30:
            break
    worker.send_signal(signal.SIGTERM)
    rest = worker.communicate(timeout=60)[1]
    assert [str(number) for number in range(30)] == sorted(sink.names(), key=int), "".join(lines) + rest
