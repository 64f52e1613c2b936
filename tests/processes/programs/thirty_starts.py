"""Forks 30 children, each of which records 100 events until the spool is full, and is killed."""

import os
import signal
import time

from starts import client, session

for _ in range(30):
    child = os.fork()
    if child == 0:
        for _ in range(100):
            session.track_event(event="x", properties={"text": "y" * 1000})
        until, spooler = time.monotonic() + 5, client.pipeline.spooler
        while not spooler.is_full and client.stats().spooled < 100 and time.monotonic() < until:
            time.sleep(0.005)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
