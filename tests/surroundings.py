"""What the suite is started from: a terminal, cron, ``nohup``, a CI. None of it reaches a test or a test's program."""

from __future__ import annotations

import os
import signal

FOUND = dict(os.environ)
"""The environment as it was, for what has to reach a package index."""

SETTINGS = ("MLSDK_", "ALIGNAI_", "MINDLYTICS_API_KEY", "SUPER_API_KEY")
NETWORK = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_", "SSLKEYLOGFILE", "NETRC")
TERMINAL = ("FORCE_COLOR", "NO_COLOR", "CLICOLOR", "TTY_", "TERM", "COLORTERM", "COLUMNS", "LINES")
LANGUAGE = ("LANG", "LC_")
SERVERS = ("GUNICORN_", "UVICORN_", "WEB_CONCURRENCY", "FLASK_", "CELERY_", "GEVENT_")
PREFIXES = (*SETTINGS, *NETWORK, *TERMINAL, *LANGUAGE, *SERVERS)
"""How the names of variables begin that change what a program does."""

SENT = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
"""What tests send. A shell ignores SIGINT in what it starts in the background, and its children inherit that."""


def is_from_outside(name: str) -> bool:
    of_python = name.startswith("PYTHON") and name not in {"PYTHONPATH", "PYTHONHOME"}
    return of_python or name.startswith(PREFIXES) or name.lower().endswith("_proxy")


def clear() -> None:
    """Leave them behind, in this process and so in all that it starts."""
    for name in filter(is_from_outside, FOUND):
        os.environ.pop(name, None)
    for number in SENT:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number is signal.SIGINT else signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SENT)
