"""Records in 32 sessions from 16 threads."""

from concurrent.futures import ThreadPoolExecutor

from starts import client


def work(c: int) -> None:
    session = client.create_session(session_id=f"s{c}", id="u")
    for n in range(200):
        session.track_event(event=str(n))


with ThreadPoolExecutor(16) as pool:
    list(pool.map(work, range(32)))
