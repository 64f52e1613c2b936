"""Records in four children made by os.fork, which leave by sys.exit, and before and after in their parent."""

import os
import sys

from starts import new_session, session

for n in range(20):
    session.track_event(event=f"parent-{n}")
children = []
for c in range(4):
    pid = os.fork()
    if pid == 0:
        for n in range(10):
            new_session().track_event(event=f"child-{c}-{n}")
        sys.exit(0)
    children.append(pid)
for pid in children:
    assert os.waitpid(pid, 0)[1] == 0
for n in range(20, 30):
    session.track_event(event=f"parent-{n}")
