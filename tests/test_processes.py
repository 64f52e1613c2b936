"""Forks, pools, preforking servers, task queues, signals, green threads: real processes, every event once."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
import requests

from . import sink as faults
from .programs import ASYNC, BLOCKING, FORKING, STARTS, STRICT, environment, run, signalled, skip_without
from .sink import Sink

FORKS = {
    "os.fork, child leaves by sys.exit": """
        for n in range(20): session.track_event(event=f'parent-{n}')
        children = []
        for c in range(4):
            pid = os.fork()
            if pid == 0:
                for n in range(10): client.create_session(id='u').track_event(event=f'child-{c}-{n}')
                sys.exit(0)
            children.append(pid)
        for pid in children: assert os.waitpid(pid, 0)[1] == 0
        for n in range(20, 30): session.track_event(event=f'parent-{n}')
    """,
    "multiprocessing by fork": """
        import multiprocessing
        def work(c):
            for n in range(10): session.track_event(event=f'child-{c}-{n}')
        for n in range(20): session.track_event(event=f'parent-{n}')
        context = multiprocessing.get_context('fork')
        children = [context.Process(target=work, args=(c,)) for c in range(4)]
        for child in children: child.start()
        for child in children: child.join(); assert child.exitcode == 0
        for n in range(20, 30): session.track_event(event=f'parent-{n}')
    """,
    "a pool of multiprocessing": """
        import multiprocessing
        def work(c):
            for n in range(10): session.track_event(event=f'child-{c}-{n}')
        for n in range(30): session.track_event(event=f'parent-{n}')
        with multiprocessing.get_context('fork').Pool(2) as pool:
            pool.map(work, range(4))
            pool.close()
            pool.join()
    """,
}


@pytest.mark.parametrize("way", FORKS)
@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_a_forked_child_sends_its_own_events_and_none_of_its_parents(sink: Sink, way: str, start: str) -> None:
    program = "import os, sys, textwrap\n" + start + f"exec(textwrap.dedent({FORKS[way]!r}))"
    ran = run(sink, program, *FORKING)
    assert (0, "") == (ran.returncode, ran.stderr)
    expected = [f"parent-{n}" for n in range(30)] + [f"child-{c}-{n}" for c in range(4) for n in range(10)]
    assert Counter(expected) == Counter(sink.names())
    for sender in ("parent", "child-0", "child-3"):
        mine = [name for name in sink.names() if name.startswith(sender)]
        assert mine == [name for name in expected if name.startswith(sender)]


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_multiprocessing_by_spawn_and_by_a_fork_server(sink: Sink, tmp_path: Path, method: str) -> None:
    (tmp_path / "main.py").write_text(
        BLOCKING + "import multiprocessing\n"
        "def work(c):\n    for n in range(10): session.track_event(event=f'child-{c}-{n}')\n"
        "if __name__ == '__main__':\n"
        f"    context = multiprocessing.get_context({method!r})\n"
        "    children = [context.Process(target=work, args=(c,)) for c in range(2)]\n"
        "    for child in children: child.start()\n"
        "    for child in children: child.join(); assert child.exitcode == 0\n"
    )
    ran = subprocess.run(
        [sys.executable, str(tmp_path / "main.py")], env=environment(sink), capture_output=True, text=True, check=False
    )
    assert (0, "") == (ran.returncode, ran.stderr)
    assert Counter(f"child-{c}-{n}" for c in range(2) for n in range(10)) == Counter(sink.names())


def test_a_fork_while_other_threads_are_inside_calls(sink: Sink) -> None:
    program = BLOCKING + (
        "import os, sys, threading\n"
        "stop = threading.Event()\n"
        "def busy():\n    while not stop.is_set(): session.track_event(event='parent')\n"
        "threads = [threading.Thread(target=busy) for _ in range(3)]\n"
        "for thread in threads: thread.start()\n"
        "children = []\n"
        "for c in range(15):\n"
        "    pid = os.fork()\n"
        "    if pid == 0:\n"
        "        session.track_event(event=f'child-{c}')\n"
        "        result = client.flush(20)\n"
        "        os._exit(0 if (result.delivered, result.pending) == (1, 0) else 1)\n"
        "    children.append(pid)\n"
        "stop.set()\n"
        "for thread in threads: thread.join()\n"
        "codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]\n"
        "assert codes == [0] * 15, codes\n"
        "client.flush(30)\n"
        "stats = client.stats()\n"
        "print(stats.delivered)\n"
        "assert stats.accepted == stats.delivered + stats.dropped, stats\n"
    )
    ran = run(sink, program, *FORKING, MLSDK_MAX_QUEUE_EVENTS="1000", MLSDK_ON_FULL="block", MLSDK_BLOCK_TIMEOUT="30")
    assert (0, "") == (ran.returncode, ran.stderr)
    counts = Counter(sink.names())
    assert counts.pop("parent") == int(ran.stdout)
    assert {f"child-{c}": 1 for c in range(15)} == counts


OWN_SESSIONS = {
    "Client": """
        from mindlytics import Client
        client = Client(http_client=own)
        def send():
            client.create_session(id='u').track_event(event='e')
            assert client.flush(20).pending == 0
    """,
    "HTTPClient": """
        from mindlytics import HTTPClient
        client = HTTPClient(http_client=own)
        def send(): client.send_request(method='POST', url='/x')
    """,
    "Conversations": """
        from mindlytics.antonnia import Conversations, exceptions
        client = Conversations('t', os.environ['MLSDK_SERVER_BASE'], http_client=own)
        def send():
            with contextlib.suppress(exceptions.APIError): client.sessions.get('s')
    """,
}


@pytest.mark.parametrize("user", OWN_SESSIONS)
def test_a_forked_child_shares_no_connection_of_a_callers_session(sink: Sink, user: str) -> None:
    came: list[tuple[str, int]] = []

    def noted(exchange: faults.Exchange) -> None:
        came.append((exchange.request.headers["X-From"], exchange.handler.client_address[1]))
        faults.fine(exchange)

    sink.always = noted
    program = (
        "import contextlib, os, requests, textwrap\n"
        "own = requests.Session(); own.headers['X-From'] = 'parent'\n"
        f"exec(textwrap.dedent({OWN_SESSIONS[user]!r}))\n"
        "send()\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    own.headers['X-From'] = 'child'\n"
        "    send()\n"
        "    os._exit(0)\n"
        "assert os.waitpid(pid, 0)[1] == 0\n"
        "send()\n"
    )
    ran = run(sink, program, *FORKING)
    assert (0, "") == (ran.returncode, ran.stderr)
    (first, own), (second, childs), (third, kept) = came
    assert ["parent", "child", "parent"] == [first, second, third]
    assert own == kept != childs


def test_gevents_patching_is_harmless(sink: Sink) -> None:
    skip_without("gevent")
    program = (
        "from gevent import monkey; monkey.patch_all()\nimport gevent\n" + BLOCKING + "import time\n"
        "def work(c):\n"
        "    for n in range(20):\n"
        "        session.track_event(event=f'{c}-{n}'); gevent.sleep(0)\n"
        "gevent.joinall([gevent.spawn(work, c) for c in range(10)])\n"
        "began = time.monotonic(); result = client.flush(20)\n"
        "assert (result.delivered, result.pending) == (200, 0), result\n"
        "session.track_event(event='last')\n"
    )
    ran = run(sink, program)
    assert (0, "") == (ran.returncode, ran.stderr)
    assert Counter([f"{c}-{n}" for c in range(10) for n in range(20)] + ["last"]) == Counter(sink.names())


POOLS = {
    "gevent": "from gevent import monkey; monkey.patch_all()\nimport gevent\n"
    "def elsewhere(function): gevent.get_hub().threadpool.spawn(function).get()\n",
    "eventlet": "import warnings; warnings.simplefilter('ignore')\n"
    "import eventlet; eventlet.monkey_patch()\nimport eventlet.tpool\nelsewhere = eventlet.tpool.execute\n",
}
"""A pool of real threads beside green ones."""


@pytest.mark.parametrize("library", POOLS)
def test_a_call_on_a_real_thread_beside_green_ones(sink: Sink, library: str) -> None:
    skip_without(library)
    program = (
        POOLS[library] + BLOCKING + "def record():\n"
        "    for n in range(5): session.track_event(event=str(n))\n"
        "elsewhere(record)\n"
        "session.track_event(event='at home')\n"
        "elsewhere(record)\n"
        "print(client.flush(20).delivered)\n"
    )
    ran = run(sink, program)
    assert (0, "11\n") == (ran.returncode, ran.stdout), ran.stderr
    assert [*"01234", "at home", *"01234"] == sink.names()


def test_the_first_event_on_a_real_thread_beside_gevents_is_sent_without_another(sink: Sink) -> None:
    skip_without("gevent")
    program = (
        POOLS["gevent"] + BLOCKING + "elsewhere(lambda: session.track_event(event='e'))\n"
        "while client.stats().pending: gevent.sleep(0.01)\n"
        "import os\nos._exit(0)\n"
    )
    assert 0 == run(sink, program).returncode
    assert ["e"] == sink.names()


# -- servers -------------------------------------------------------------------------------------------------------

APP = """
from flask import Flask
from mindlytics import Client

client = Client()
app = Flask(__name__)

@app.get("/<name>")
def turn(name):
    {client}.create_session(session_id=f"s-{{name}}", id="u").track_conversation_turn(user=name, assistant="hello")
    return "ok"
"""


@pytest.mark.parametrize("made", ["client", "Client()"], ids=["one client", "a client per request"])
@pytest.mark.parametrize("worker", ["sync", "gthread", "gevent"])
def test_gunicorn_preloading_its_app_loses_no_turn(sink: Sink, tmp_path: Path, made: str, worker: str) -> None:
    skip_without("gunicorn")
    (tmp_path / "app.py").write_text(APP.format(client=made))
    arguments = ["--preload", "--workers", "3", "--worker-class", worker, "--threads", "2", "--bind", "127.0.0.1:0"]
    server = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", *arguments, "--graceful-timeout", "20", "app:app"],
        cwd=tmp_path, env=environment(sink), stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert server.stderr is not None
    try:
        address = ""
        for line in server.stderr:
            if "Listening at:" in line:
                address = line.split("Listening at: ")[1].split()[0]
                break
        noise: list[str] = []
        drain = threading.Thread(target=lambda: noise.extend(server.stderr or ()), daemon=True)
        drain.start()

        def load(client: int) -> None:
            with requests.Session() as session:
                for number in range(40):
                    assert "ok" == session.get(f"{address}/{client}-{number}", timeout=30).text

        threads = [threading.Thread(target=load, args=(client,)) for client in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)
        drain.join(10)
        server.stderr.close()
    expected = Counter(f"{client}-{number}" for client in range(4) for number in range(40))
    assert expected == Counter(faults.texts(sink.events))
    assert not [line for line in noise if "mindlytics" in line or "Traceback" in line]


ASGI = """
import contextlib
from fastapi import FastAPI
from mindlytics import AsyncClient
client = AsyncClient(flush_interval=60, flush_on_sigterm={flush_on_sigterm})
@contextlib.asynccontextmanager
async def lifespan(app):
    yield
    {closing}
app = FastAPI(lifespan=lifespan)
@app.get("/")
async def root():
    await client.create_session(id="u").track_event(event="e")
"""
HELD_BY = {
    "flush_on_sigterm": {"flush_on_sigterm": True, "closing": "pass"},
    "the lifespan": {"flush_on_sigterm": False, "closing": "await client.close()"},
}


@pytest.mark.parametrize("held_by", HELD_BY)
def test_gunicorn_with_uvicorns_worker_delivers_at_sigterm(sink: Sink, tmp_path: Path, held_by: str) -> None:
    """It sends itself the signal once more, with no handler: the exit of Python never comes."""
    skip_without("uvicorn_worker")
    (tmp_path / "app.py").write_text(ASGI.format(**HELD_BY[held_by]))
    arguments = ["--worker-class", "uvicorn_worker.UvicornWorker", "--bind", "127.0.0.1:0", "app:app"]
    command = [sys.executable, "-m", "gunicorn", *arguments]
    server = subprocess.Popen(command, cwd=tmp_path, env=environment(sink), stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    try:
        address = next(line for line in server.stderr if "Listening at:" in line).split("Listening at: ")[1].split()[0]
        for _ in range(20):
            assert requests.get(address, timeout=30).ok
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=30)
    assert ["e"] * 20 == sink.names()


def test_celerys_prefork_pool_loses_nothing(sink: Sink, tmp_path: Path) -> None:
    skip_without("celery")
    broker = tmp_path / "broker"
    broker.mkdir()
    (tmp_path / "tasks.py").write_text(
        "from celery import Celery\nfrom mindlytics import Client\n"
        "app = Celery('tasks', broker='filesystem://')\n"
        f"folder = {str(broker)!r}\n"
        "app.conf.broker_transport_options = {'data_folder_in': folder, 'data_folder_out': folder}\n"
        "app.conf.worker_hijack_root_logger = False\n"
        "client = Client()\n"
        "@app.task\n"
        "def turn(n):\n"
        "    client.create_session(id='u').track_event(event=str(n))\n"
    )
    fill = "import tasks\nfor n in range(30): tasks.turn.delay(n)"
    subprocess.run([sys.executable, "-c", fill], cwd=tmp_path, env=environment(sink), check=True)
    worker = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "tasks", "worker", "-P", "prefork", "-c", "2", "-l", "INFO"],
        cwd=tmp_path, env=environment(sink, MLSDK_FLUSH_INTERVAL="600"), stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert worker.stderr is not None
    done = 0
    lines: list[str] = []
    for line in worker.stderr:
        lines.append(line)
        done += " succeeded in " in line
        if done == 30:
            break
    worker.send_signal(signal.SIGTERM)
    rest = worker.communicate(timeout=60)[1]
    assert [str(number) for number in range(30)] == sorted(sink.names(), key=int), "".join(lines) + rest


# -- signals -------------------------------------------------------------------------------------------------------

ON_SIGTERM = {"MLSDK_FLUSH_ON_SIGTERM": "true", "MLSDK_FLUSH_INTERVAL": "600"}


@pytest.mark.parametrize("handler", ["", "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))"])
def test_sigterm_delivers_first_where_gevent_has_patched_threads(sink: Sink, handler: str) -> None:
    skip_without("gevent")
    program = (
        f"from gevent import monkey; monkey.patch_all()\nimport signal, sys, time\n{handler}\n{BLOCKING}"
        "session.track_event(event='e')\n"
        "print('ready', flush=True)\n"
        "while True: time.sleep(0.05)\n"
    )
    code, _ = signalled(sink, program, signal.SIGTERM, **ON_SIGTERM)
    assert (7 if handler else -signal.SIGTERM, ["e"]) == (code, sink.names())


@pytest.mark.parametrize("handler", ["", "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))"])
@pytest.mark.parametrize("face", ["blocking", "asyncio"])
def test_sigterm_delivers_first_and_then_goes_on_to_the_handler_that_was_there(
    sink: Sink, handler: str, face: str
) -> None:
    if face == "blocking":
        program = f"{handler}\n{BLOCKING}" + (
            "for n in range(20): session.track_event(event=str(n))\n"
            "import time\n"
            "print('ready', flush=True)\n"
            "while True: time.sleep(0.05)\n"  # Python hears of a signal that comes just before a sleep when that ends
        )
    else:
        program = f"{handler}\n{ASYNC}" + (
            "async def main():\n"
            "    for n in range(20): await session.track_event(event=str(n))\n"
            "    print('ready', flush=True)\n"
            "    await asyncio.sleep(60)\n"
            "asyncio.run(main())\n"
        )
    code, _ = signalled(sink, program, signal.SIGTERM, **ON_SIGTERM)
    assert code == (7 if handler else -signal.SIGTERM)
    assert [str(number) for number in range(20)] == sink.names()


@pytest.mark.parametrize("first", ["the handler", "the client"])
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_the_handler_of_an_event_loop_hears_of_sigterm_once(sink: Sink, loop: str, first: str) -> None:
    skip_without(loop)
    steps = ["loop.add_signal_handler(signal.SIGTERM, heard.append, 1)", "client = AsyncClient()"]
    program = (
        f"import asyncio, signal, {loop}\n"
        "from mindlytics import AsyncClient\n"
        "from mindlytics.pipeline import signals\n"
        "async def main():\n"
        "    heard, loop = [], asyncio.get_running_loop()\n"
        f"    {'; '.join(steps if first == 'the handler' else reversed(steps))}\n"
        "    await client.create_session(id='u').track_event(event='e')\n"
        "    print('ready', flush=True)\n"
        "    while not heard or signals._began: await asyncio.sleep(0.05)\n"
        "    await asyncio.sleep(0.05)\n"  # of a second signal, the loop itself hears now
        "    print(len(heard), client.stats().pending)\n"
        f"{loop}.run(main())\n"
    )
    expected = "1 0\n" if first == "the handler" else "1 1\n"
    assert (0, expected) == signalled(sink, program, signal.SIGTERM, **ON_SIGTERM)
    assert ["e"] == sink.names()


def test_a_killed_program_loses_only_what_was_pending(sink: Sink) -> None:
    program = BLOCKING + (
        "for n in range(20): session.track_event(event=str(n))\nclient.flush()\nprint('ready', flush=True)\n"
        "import threading; threading.Event().wait(60)\n"
    )
    assert (-signal.SIGKILL, "") == signalled(sink, program, signal.SIGKILL)
    assert [str(number) for number in range(20)] == sink.names()


def test_threads_of_a_pool_may_all_call(sink: Sink) -> None:
    program = BLOCKING + (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "def work(c):\n"
        "    mine = client.create_session(session_id=f's{c}', id='u')\n"
        "    for n in range(200): mine.track_event(event=str(n))\n"
        "with ThreadPoolExecutor(16) as pool: list(pool.map(work, range(32)))\n"
    )
    ran = run(sink, program, *STRICT)
    assert (0, "") == (ran.returncode, ran.stderr)
    for c in range(32):
        mine = [event["event"] for event in sink.events if event["session_id"] == f"s{c}"]
        assert [str(number) for number in range(200)] == mine


def test_time_is_not_needed_to_leave(sink: Sink) -> None:
    began = time.monotonic()
    ran = run(sink, BLOCKING + "session.track_event(event='e')", MLSDK_FLUSH_INTERVAL="600")
    assert (0, ["e"]) == (ran.returncode, sink.names())
    assert time.monotonic() - began < 30
