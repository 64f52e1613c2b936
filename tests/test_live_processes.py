"""Live events in whole programs: at their exit, after a fork, over several loops. Nothing hangs, nothing is printed."""

from __future__ import annotations

from .live_service import LiveService
from .processes import PROGRAMS
from .programs import UNMEASURED
from .programs import run as run_program


def run(service: LiveService, program: str, **more: str) -> str:
    """Run a program and return its output. It must succeed with an empty stderr."""
    settings = {"MLSDK_API_KEY": "key-1", "MLSDK_PROJECT_ID": "proj-1", **more}
    ran = run_program(service, PROGRAMS / program, "-W", "error", **settings)
    assert (0, "") == (ran.returncode, ran.stderr)
    return ran.stdout


def test_a_program_that_just_ends_waits_for_no_listener(service: LiveService) -> None:
    service.publishes_ends = False
    said = run(service, "live_just_ends.py")
    assert "end\n" == said
    assert ["Hello"] == [event["event"] for event in service.stored if event["type"] == "track"]


def test_a_handler_that_never_returns_holds_no_exit_up(service: LiveService) -> None:
    said = run(service, "live_stuck_handler.py")
    assert "end\n" == said


def test_a_handler_that_prints_all_the_time_spoils_no_exit(service: LiveService) -> None:
    said = run(service, "live_printing_handler.py")
    assert {"x" * 100} == set(said.splitlines())


def test_a_service_of_live_events_that_hangs_holds_no_exit_up(service: LiveService) -> None:
    said = run(service, "live_silent_service.py")
    assert "end\n" == said


def test_a_loop_that_ends_while_live_events_are_unavailable_leaves_nothing_open(service: LiveService) -> None:
    said = run(service, "live_unavailable.py")
    assert "2\n" == said


def test_no_listener_is_started_while_the_program_ends(service: LiveService) -> None:
    said = run(service, "live_at_exit.py")
    assert ("[]\n", []) == (said, service.asked)
    assert ["Late"] == [event["event"] for event in service.stored if event["type"] == "track"]


def test_a_forked_child_has_no_listener_of_its_parent_and_may_have_its_own(service: LiveService) -> None:
    said = run(service, "live_fork.py", **UNMEASURED)
    assert [
        "['Session Started', 'Own', 'Session Ended']",
        "['Session Started', 'Before', 'In the child', 'Session Ended']",
    ] == said.splitlines()


def test_a_session_may_outlive_its_loop(service: LiveService) -> None:
    said = run(service, "live_three_loops.py")
    assert "['Session Started', 'Hello', 'Again', 'Session Ended']\n" == said


def test_a_session_may_begin_without_a_loop(service: LiveService) -> None:
    said = run(service, "live_begun_without_loop.py")
    assert "['Session Started', 'Hello', 'Session Ended']\n" == said


def test_a_loop_that_is_left_with_the_client_open_complains_of_nothing(service: LiveService) -> None:
    said = run(service, "live_open_client.py")
    assert "end\n" == said


def test_loops_over_events_that_are_left_complain_of_nothing(service: LiveService) -> None:
    said = run(service, "live_left_iteration.py")
    assert "Session Started\n" == said
