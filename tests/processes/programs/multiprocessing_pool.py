"""Records in the children of a pool of multiprocessing, and before in their parent."""

import multiprocessing

from starts import session


def work(c: int) -> None:
    for n in range(10):
        session.track_event(event=f"child-{c}-{n}")


for n in range(30):
    session.track_event(event=f"parent-{n}")
with multiprocessing.get_context("fork").Pool(2) as pool:
    pool.map(work, range(4))
    pool.close()
    pool.join()
