"""Records in ten green threads of gevent, which has replaced Python's threads."""

from gevent import monkey

monkey.patch_all()
import gevent  # noqa: E402
from starts import client, session  # noqa: E402


def work(c: int) -> None:
    for n in range(20):
        session.track_event(event=f"{c}-{n}")
        gevent.sleep(0)


gevent.joinall([gevent.spawn(work, c) for c in range(10)])
result = client.flush(20)
assert (result.delivered, result.pending) == (200, 0), result
session.track_event(event="last")
