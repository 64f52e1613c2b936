"""Forks by the C library, which calls none of Python's hooks, and records in the child and on both sides of it."""

import ctypes
import os
import time

from starts import client, new_session, session

session.track_event(event="parent-0")
while client.stats().pending:
    time.sleep(0.01)
child = ctypes.PyDLL(None).fork()
if child == 0:
    for n in range(5):
        new_session().track_event(event=f"child-{n}")
    for _ in range(1000):
        if client.stats().delivered == 5:
            os._exit(0)
        time.sleep(0.01)
    os._exit(1)
assert os.waitpid(child, 0)[1] == 0
session.track_event(event="parent-1")
