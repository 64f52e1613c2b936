"""Random requests, made of the server's own document: each is answered as the document says, and never with a 5xx."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mindlytics.server.app import SERVICES
from mindlytics.server.chaos import CHAOS_PATH
from mindlytics.server.run import LocalServer

from ..server.calls import event, turn

schemathesis = pytest.importorskip("schemathesis")
checks = pytest.importorskip("schemathesis.specs.openapi.checks")

KEY = "the-only-key"
HEADERS = {"Authorization": f"Bearer {KEY}", "X-App-ID": "fuzz"}

EXAMPLES = 8
"""Requests for each operation: some tens of seconds for all of them on a slow machine."""

ELSEWHERE = [checks.positive_data_acceptance, checks.negative_data_rejection]
"""What is taken depends on what is stored and on the headers given here; tests/server compares rules with document."""


TEXT = {"type": "text", "text": "Hello"}
AGENT = {"name": "A", "type": "ai", "assistant_id": "a"}


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    with LocalServer(api_key=KEY, super_key="another") as server:
        stored = [
            turn(),
            turn("and?", session_id="t"),
            event("identify", id="u", traits={"age": 30}),
            event("end_session"),
        ]
        assert (
            200
            == requests.post(f"{server.url}/bc/v1/events/queue", json=stored, headers=HEADERS, timeout=20).status_code
        )
        yield server


@pytest.fixture(scope="module")
def described(server: LocalServer) -> Any:
    return schemathesis.openapi.from_url(f"{server.url}/openapi.json")


@pytest.fixture(scope="module")
def ids(server: LocalServer) -> dict[str, str]:
    """What stands in paths: one of each that there is."""

    def made(path: str, body: object) -> Any:
        return requests.post(f"{server.url}/conversations/v2{path}", json=body, headers=HEADERS, timeout=20).json()

    agent = made("/agents", AGENT)
    session = made("/sessions", {"contact_id": "c", "contact_name": "C", "agent_id": agent["id"]})
    message = made(f"/sessions/{session['id']}/messages", {"role": "user", "content": TEXT})
    finished = made(f"/sessions/{session['id']}/finish", {"ending_survey_id": "s"})
    found = {"session": session["id"], "message": message["id"], "agent": agent["id"]}
    found["survey"] = finished["ending_survey_submission_id"]
    return {f"{name}_id": id for name, id in found.items()}


@pytest.mark.parametrize("name", [f"{it.method} {it.path}" for routes in SERVICES.values() for it in routes])
def test_random_requests(server: LocalServer, described: Any, ids: dict[str, str], name: str) -> None:
    method, path = name.split()
    operation = described[path][method]
    modes = schemathesis.GenerationMode
    cases = operation.as_strategy(modes.POSITIVE) | operation.as_strategy(modes.NEGATIVE)

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases, st.integers(0, 3).map(bool), st.integers(0, 3).map(bool))
    def ask(case: Any, is_known: bool, is_there: bool) -> None:
        if is_there:
            case.path_parameters = {place: ids.get(place, id) for place, id in (case.path_parameters or {}).items()}
        case.call_and_validate(headers=HEADERS if is_known else None, excluded_checks=ELSEWHERE)

    try:
        ask()
    finally:
        calm = requests.put(server.url + CHAOS_PATH, headers=HEADERS, timeout=20).json()
        assert "" == calm["chaos"]
