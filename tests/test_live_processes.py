"""Live events in whole programs: at their exit, after a fork, over several loops. Nothing hangs, nothing is printed."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

from .live_service import LiveService

BEGIN = """
import os, sys, time, threading, atexit, asyncio

def last():
    pass

atexit.register(lambda: last())  # what is registered first is called last
from mindlytics import Client, AsyncClient

names = []

def hear(event):
    names.append(event.event)
"""


def run(service: LiveService, program: str, **settings: str) -> str:
    """Run a program and return its output. It must succeed with an empty stderr."""
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", BEGIN + textwrap.dedent(program)],
        env={
            **os.environ,
            "MLSDK_API_KEY": "key-1",
            "MLSDK_PROJECT_ID": "proj-1",
            "MLSDK_SERVER_BASE": service.url,
            **settings,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (0, "") == (ended.returncode, ended.stderr)
    return ended.stdout


def test_a_program_that_just_ends_waits_for_no_listener(service: LiveService) -> None:
    service.tells_of_ends = False
    said = run(
        service,
        """
        session = Client().create_session(on_event=hear)
        session.track_event(event="Hello")
        session.end_session()
        print("end")
        """,
    )
    assert "end\n" == said
    assert ["Hello"] == [event["event"] for event in service.stored if event["type"] == "track"]


def test_a_handler_that_never_returns_holds_no_exit_up(service: LiveService) -> None:
    said = run(
        service,
        """
        stuck = threading.Event()
        def handler(event):
            stuck.set()
            time.sleep(50)
        session = Client().create_session(on_event=handler)
        session.track_event(event="Hello")
        stuck.wait(30)
        print("end")
        """,
    )
    assert "end\n" == said


def test_a_handler_that_prints_all_the_time_spoils_no_exit(service: LiveService) -> None:
    said = run(
        service,
        """
        stop = threading.Event()
        async def handler(event):
            while True:
                print("x" * 100)
                stop.set()
                await asyncio.sleep(0)
        client = Client()
        session = client.create_session(on_event=handler)
        session.track_event(event="Hello")
        stop.wait(30)
        """,
    )
    assert {"x" * 100} == set(said.splitlines())


def test_a_service_of_live_events_that_hangs_holds_no_exit_up(service: LiveService) -> None:
    said = run(
        service,
        """
        import socket
        hanging = socket.create_server(("127.0.0.1", 0))
        client = Client(wss_endpoint=f"ws://127.0.0.1:{hanging.getsockname()[1]}")
        session = client.create_session(on_event=hear)
        session.track_event(event="Hello")
        connection, _ = hanging.accept()
        print("end")
        connection.close()
        hanging.close()
        """,
    )
    assert "end\n" == said


def test_a_loop_that_ends_while_live_events_are_unavailable_leaves_nothing_open(service: LiveService) -> None:
    said = run(
        service,
        """
        async def main():
            session = AsyncClient(wss_endpoint="ws://127.0.0.1:9", live_timeout=0.5).create_session(on_event=hear)
            await session.track_event(event="Hello")
            await session.end_session()
            print((await session.flush()).delivered)

        asyncio.run(main())
        """,
    )
    assert "2\n" == said


def test_no_listener_is_started_while_the_program_ends(service: LiveService) -> None:
    said = run(
        service,
        """
        client = Client()
        def last():
            session = client.create_session(on_event=hear)
            session.track_event(event="Late")
            session.end_session()
            session.flush()
            print(names)
        """,
    )
    assert ("[]\n", []) == (said, service.asked)
    assert ["Late"] == [event["event"] for event in service.stored if event["type"] == "track"]


def test_a_forked_child_has_no_listener_of_its_parent_and_may_have_its_own(service: LiveService) -> None:
    said = run(
        service,
        """
        import warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking where threads are
        client = Client()
        session = client.create_session(session_id="parent", on_event=hear)
        session.track_event(event="Before")
        while "Before" not in names:
            time.sleep(0.01)
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            before = len(names)
            session.track_event(event="In the child")
            session.end_session()
            session.flush()
            assert len(names) == before, names
            with client.create_session(session_id="child", on_event=hear) as own:
                own.track_event(event="Own")
            client.close()
            print(names[before:], flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        while names[-1] != "Session Ended":
            time.sleep(0.01)
        client.close()
        print(names)
        """,
    )
    assert [
        "['Session Started', 'Own', 'Session Ended']",
        "['Session Started', 'Before', 'In the child', 'Session Ended']",
    ] == said.splitlines()


def test_a_session_may_outlive_its_loop(service: LiveService) -> None:
    said = run(
        service,
        """
        client = AsyncClient()
        session = client.create_session(on_event=hear)

        async def begin():
            await session.track_event(event="Hello")
            while "Hello" not in names:
                await asyncio.sleep(0.01)

        async def go_on():
            await session.track_event(event="Again")

        async def end():
            await session.end_session()
            await session.flush()
            await client.close()

        for step in (begin, go_on, end):
            asyncio.run(step())
        print(names)
        """,
    )
    assert "['Session Started', 'Hello', 'Again', 'Session Ended']\n" == said


def test_a_session_may_begin_without_a_loop(service: LiveService) -> None:
    said = run(
        service,
        """
        client = AsyncClient()
        session = client.create_session(on_event=hear)
        session.track_event(event="Hello")

        async def end():
            async with client, session:
                pass

        asyncio.run(end())
        print(names)
        """,
    )
    assert "['Session Started', 'Hello', 'Session Ended']\n" == said


def test_a_loop_that_is_left_with_the_client_open_complains_of_nothing(service: LiveService) -> None:
    said = run(
        service,
        """
        client = AsyncClient()

        async def main():
            await client.start_listening(hear)
            async for event in client.events():
                break

        threading.Timer(0.5, lambda: Client().create_session(id="u").track_event(event="Hello")).start()
        asyncio.run(main())
        print("end")
        """,
    )
    assert "end\n" == said


def test_loops_over_events_that_are_left_complain_of_nothing(service: LiveService) -> None:
    said = run(
        service,
        """
        client = Client()
        events = client.events()
        threading.Timer(0.5, lambda: client.create_session(id="u").track_event(event="Hello")).start()
        for event in events:
            print(event.event)
            break
        """,
    )
    assert "Session Started\n" == said
