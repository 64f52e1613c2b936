"""Does three jobs in forked children that leave by os._exit, as the default worker of RQ does."""

import os

from starts import client


def job(n: int) -> None:
    with client.create_session(id="u") as session:
        session.track_event(event=f"block-{n}")
    client.create_session(id="u").track_event(event=f"flush-{n}")
    client.flush(20)


for n in range(3):
    child = os.fork()
    if child == 0:
        job(n)
        os._exit(0)
    os.waitpid(child, 0)
