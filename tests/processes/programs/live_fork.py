"""Listens in a parent and in its forked child."""

import os
import sys
import time
import warnings

from hears import hear, names

from mindlytics import Client

warnings.simplefilter("ignore", DeprecationWarning)  # of forking where threads are
client = Client()
session = client.create_session(session_id="parent", on_event=hear)
session.track_event(event="Before")
while "Before" not in names:
    time.sleep(0.01)
sys.stdout.flush()
child = os.fork()
if child == 0:
    before = len(names)
    session.track_event(event="In the child")
    session.end_session()
    session.flush()
    assert len(names) == before, names
    with client.create_session(session_id="child", on_event=hear) as own:
        own.track_event(event="Own")
    client.close()
    print(names[before:], flush=True)
    os._exit(0)
os.waitpid(child, 0)
while names[-1] != "Session Ended":
    time.sleep(0.01)
client.close()
print(names)
