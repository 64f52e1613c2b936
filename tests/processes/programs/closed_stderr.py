"""Loses an event and closes stderr. With CHILD set, a forked child does so, and its exit code is printed."""

import multiprocessing
import os
import sys

from starts import client, session


def work() -> None:
    session.track_event(event="e")
    client.flush(20)
    sys.stderr.close()


if os.environ.get("CHILD"):
    child = multiprocessing.get_context("fork").Process(target=work)
    child.start()
    child.join()
    print(child.exitcode)
else:
    work()
