"""Imports a file, and reports the CPU time of that and how many events it came to."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from mindlytics.transcripts import Problem, read, record

from . import report


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("path")
    parser.add_argument("kind")
    parser.add_argument("url")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        resume = Path(folder, "stored") if options.kind == "batch" else None
        began = time.process_time()
        if options.kind == "read":
            events = sum(0 if isinstance(item, Problem) else len(item.steps) + 2 for item in read(options.path))
        else:
            service = {"server_endpoint": options.url, "api_key": "local", "project_id": "local"}
            events = record(options.path, resume=resume, batch=options.kind == "batch", **service).delivered
        report(events=events, importing=time.process_time() - began)


if __name__ == "__main__":
    main()
