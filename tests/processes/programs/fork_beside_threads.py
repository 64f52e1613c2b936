"""Forks 15 times while three threads record. Each child records one event and exits with 0 if it was delivered."""

import os
import threading

from starts import client, session

stop = threading.Event()


def record() -> None:
    while not stop.is_set():
        session.track_event(event="parent")


threads = [threading.Thread(target=record) for _ in range(3)]
for thread in threads:
    thread.start()
children = []
for c in range(15):
    pid = os.fork()
    if pid == 0:
        session.track_event(event=f"child-{c}")
        result = client.flush(20)
        os._exit(0 if (result.delivered, result.pending) == (1, 0) else 1)
    children.append(pid)
stop.set()
for thread in threads:
    thread.join()
codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
assert codes == [0] * 15, codes
client.flush(30)
stats = client.stats()
print(stats.delivered)
assert stats.accepted == stats.delivered + stats.dropped, stats
