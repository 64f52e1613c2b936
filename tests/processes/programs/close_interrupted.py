"""Interrupts its own close() by a signal, as Ctrl-C does, while 50 events are pending."""

import signal

from releases import release
from starts import client, session


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


for n in range(50):
    session.track_event(event=str(n))
signal.signal(signal.SIGALRM, interrupt)
try:
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    client.close()
except KeyboardInterrupt:
    assert client.stats().pending == 50
else:
    raise AssertionError("close() was not interrupted")
release()
