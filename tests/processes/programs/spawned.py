"""Records in two children of multiprocessing, started by the method in METHOD."""

import multiprocessing
import os
from typing import Any

from starts import session


def work(c: int) -> None:
    for n in range(10):
        session.track_event(event=f"child-{c}-{n}")


if __name__ == "__main__":
    context: Any = multiprocessing.get_context(os.environ["METHOD"])
    children = [context.Process(target=work, args=(c,)) for c in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join()
        assert child.exitcode == 0
