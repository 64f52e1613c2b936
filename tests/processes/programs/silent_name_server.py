"""Runs the program in PROGRAM on a machine whose name server never answers."""

import os
import runpy
import socket
import time
from typing import NoReturn


def hang(*_: object, **__: object) -> NoReturn:
    time.sleep(40)
    raise socket.gaierror


socket.getaddrinfo = hang
runpy.run_path(os.environ["PROGRAM"], run_name="__main__")
