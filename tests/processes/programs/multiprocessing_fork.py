"""Records in four children of multiprocessing, and before and after in their parent."""

import multiprocessing

from starts import session


def work(c: int) -> None:
    for n in range(10):
        session.track_event(event=f"child-{c}-{n}")


for n in range(20):
    session.track_event(event=f"parent-{n}")
context = multiprocessing.get_context("fork")
children = [context.Process(target=work, args=(c,)) for c in range(4)]
for child in children:
    child.start()
for child in children:
    child.join()
    assert child.exitcode == 0
for n in range(20, 30):
    session.track_event(event=f"parent-{n}")
