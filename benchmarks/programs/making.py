"""Makes sessions and clients again and again, as a web app does that keeps none."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

from mindlytics import AsyncClient, Client

from ..figures import percentile
from . import report


def median_of(make: Callable[[], object], count: int) -> float:
    """Microseconds that making one takes and letting go of it."""
    spent = []
    for _ in range(count):
        before = time.perf_counter_ns()
        make()
        spent.append(time.perf_counter_ns() - before)
    return percentile(spent, 0.5) / 1e3


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("count", type=int)
    chosen = parser.parse_args()
    settings = {"api_key": "key", "project_id": "project", "server_endpoint": chosen.url}
    client, other = Client(**settings), AsyncClient(**settings)
    report(
        session=median_of(lambda: client.create_session(id="ada"), chosen.count),
        async_session=median_of(lambda: other.create_session(id="ada"), chosen.count),
        client=median_of(lambda: Client(**settings), chosen.count),
        async_client=median_of(lambda: AsyncClient(**settings), chosen.count),
    )


if __name__ == "__main__":
    main()
