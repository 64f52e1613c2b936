"""Records 50 events on a thread, once the main thread has ended."""

import threading

from starts import session


def work() -> None:
    threading.main_thread().join()
    for n in range(50):
        session.track_event(event=str(n))


threading.Thread(target=work).start()
