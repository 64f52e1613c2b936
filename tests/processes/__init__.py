"""Whole programs in processes of their own: forks, servers, signals, threads. The programs are in ``programs/``."""

from pathlib import Path

PROGRAMS = Path(__file__).parent / "programs"
