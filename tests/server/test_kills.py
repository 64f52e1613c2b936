"""A short form of ``python -m tests.server.kills``: what is acknowledged is stored once, whatever is killed."""

from __future__ import annotations

from pathlib import Path

from ..postgres import cluster, sqlite_only
from .kills import Outcome, of_connections, of_postgresql, of_server


def check(outcome: Outcome, kills: int) -> None:
    assert (kills, 0, 0) == (outcome.kills, outcome.lost, outcome.twice)
    assert outcome.acknowledged > 0


@sqlite_only
def test_a_server_on_a_file_is_killed(tmp_path: Path) -> None:
    check(of_server(tmp_path / "kills.db", kills=6, seed=1), 6)


@sqlite_only
def test_postgresql_is_killed() -> None:
    with cluster() as database:
        check(of_postgresql(database, kills=2, seed=1), 2)


@sqlite_only
def test_connections_are_ended() -> None:
    with cluster() as database:
        check(of_connections(database, kills=20, seed=1), 20)
