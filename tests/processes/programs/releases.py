"""Releases a service that holds its replies, see ``tests.sink.held``."""

import os
import urllib.request


def release() -> None:
    urllib.request.urlopen(os.environ["MLSDK_SERVER_BASE"] + "/release").close()
