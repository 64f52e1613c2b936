"""TLS: which certificates are trusted, and what a bad one costs."""

from __future__ import annotations

import asyncio
import gc
import ssl
import subprocess
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import requests
import trustme

from mindlytics import AsyncClient, AsyncHTTPClient, Client, HTTPClient
from mindlytics.errors import InvalidSetting, MLHTTPError

from .conftest import Face, entered, result
from .programs import run
from .sink import Sink, redirect


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secure(sink: Sink, authority: trustme.CA) -> str:
    """The sink, with a certificate that only the authority knows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    sink._server.socket = context.wrap_socket(sink._server.socket, server_side=True)
    return f"https://localhost:{sink.port}"


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


async def deliver_one(client: Any, timeout: float = 10) -> Any:
    await result(client.create_session(id="u").track_event(event="e"))
    return await result(client.flush(timeout))


async def test_a_private_ca_is_trusted_where_it_is_named(face: Face, secure: str, bundle: str) -> None:
    assert 1 == (await deliver_one(face.client(server_endpoint=secure, verify=bundle))).delivered


async def test_a_private_ca_is_named_by_the_environment(
    face: Face, secure: str, bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle)
    assert 1 == (await deliver_one(face.client(server_endpoint=secure))).delivered
    strict = face.client(server_endpoint=secure, trust_env=False, retry_for=0)
    assert 1 == (await deliver_one(strict)).dropped


@pytest.fixture
def directory(authority: trustme.CA, tmp_path: Path) -> str:
    """The authority's certificate, under the name by which OpenSSL looks for it."""
    path = tmp_path / "authorities"
    path.mkdir()
    authority.cert_pem.write_to_path(str(path / "ca.pem"))
    try:
        subprocess.run(["openssl", "rehash", str(path)], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not there to name the certificate")
    return str(path)


async def test_a_directory_of_authorities_is_trusted(
    face: Face, secure: str, directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert 1 == (await deliver_one(face.client(server_endpoint=secure, verify=directory))).delivered
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", directory)
    assert 1 == (await deliver_one(face.client(server_endpoint=secure))).delivered


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
@pytest.mark.parametrize("verified", [True, False])
async def test_a_redirect_to_https_is_verified_by_the_setting(
    face: Face, secure: str, bundle: str, verified: bool
) -> None:
    plain = Sink()
    try:
        plain.always = redirect(f"{secure}/bc/v1/events/queue", 308)
        address = plain.url.replace("127.0.0.1", "localhost")
        client = face.client(server_endpoint=address, verify=bundle if verified else False)
        assert 1 == (await deliver_one(client)).delivered
        assert 1 == len(plain.requests)
    finally:
        plain.close()


async def test_capitals_in_a_scheme_do_not_count(face: Face, secure: str, bundle: str) -> None:
    address = secure.replace("https", "HTTPS")
    assert 1 == (await deliver_one(face.client(server_endpoint=address, verify=bundle))).delivered


@pytest.fixture
def unreadable(tmp_path: Path) -> str:
    """A bundle of certificates that is none."""
    path = tmp_path / "none.pem"
    path.write_text("no certificate", encoding="ascii")
    return str(path)


async def test_certificates_that_cannot_be_read_are_read_again(
    face: Face, secure: str, authority: trustme.CA, unreadable: str
) -> None:
    client = face.client(server_endpoint=secure, verify=unreadable)
    assert 1 == (await deliver_one(client, 0.1)).pending
    with pytest.raises(MLHTTPError, match="no reply"):
        await result(client.user_identify(id="u"))
    authority.cert_pem.write_to_path(unreadable)
    assert 1 == (await result(client.flush(30))).delivered


async def test_certificates_that_cannot_be_read_cost_what_a_service_that_is_down_costs(
    face: Face, secure: str, unreadable: str
) -> None:
    client = face.client(server_endpoint=secure, verify=unreadable, retry_for=0.2)
    assert 1 == (await deliver_one(client, 30)).dropped
    assert {"gave_up": 1} == client.stats().reasons


def test_certificates_that_cannot_be_read_cost_no_other_client_an_event(sink: Sink) -> None:
    ended = run(
        sink,
        """
        import asyncio
        from mindlytics import AsyncClient
        async def main():
            for address in (None, "https://127.0.0.1:9"):
                client = AsyncClient(server_endpoint=address, flush_interval=30)
                await client.create_session(id="u").track_event(event="e")
        asyncio.run(main())
        """,
        REQUESTS_CA_BUNDLE="/there/is/none.pem",
        MLSDK_SHUTDOWN_TIMEOUT="10",
    )
    line = "mindlytics: 1 event was not delivered (https://127.0.0.1:9: no reply: no such file or directory)\n"
    assert (0, line) == (ended.returncode, ended.stderr)
    assert ["e"] == sink.names()


@pytest.mark.parametrize(
    ("kind", "session"),
    [
        (Client, aiohttp.ClientSession),
        (HTTPClient, aiohttp.ClientSession),
        (AsyncClient, requests.Session),
        (AsyncHTTPClient, requests.Session),
    ],
)
async def test_an_own_session_is_of_the_faces_kind(kind: Any, session: Any) -> None:
    made = session()
    with pytest.raises(InvalidSetting, match="http_client must be a"):
        kind(api_key="k", project_id="p", http_client=made)
    await result(made.close())


def test_no_socket_outlives_its_loop(secure: str, bundle: str) -> None:
    async def one() -> None:
        async with AsyncHTTPClient(api_key="k", project_id="p", server_endpoint=secure, verify=bundle) as http:
            assert {"status": "ok"} == await http.send_request(method="GET", url="/x")

    for _ in range(20):
        asyncio.run(one())
    gc.collect()  # an open socket would cause a warning, which is an error here


async def test_an_unknown_certificate_is_refused_and_verify_false_takes_it(face: Face, secure: str) -> None:
    assert 1 == (await deliver_one(face.client(server_endpoint=secure, retry_for=0))).dropped
    with pytest.warns() if not face.is_async else nullcontext():
        assert 1 == (await deliver_one(face.client(server_endpoint=secure, verify=False))).delivered


@pytest.mark.parametrize("kind", [HTTPClient, AsyncHTTPClient])
async def test_direct_requests_trust_alike(kind: Any, secure: str, bundle: str) -> None:
    settings = {"api_key": "k", "project_id": "p", "server_endpoint": secure}
    known, unknown = kind(**settings, verify=bundle), kind(**settings)
    assert {"status": "ok"} == await result(known.send_request(method="GET", url="/x"))
    assert (await result(unknown.send_request(method="GET", url="/x")))["errored"]
    await result(known.close())
    await result(unknown.close())


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
async def test_each_variable_that_names_a_bundle_is_read(
    face: Face, secure: str, bundle: str, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, bundle)
    assert 1 == (await deliver_one(face.client(server_endpoint=secure))).delivered


async def test_the_certificate_directory_of_openssl_is_read(
    face: Face, secure: str, directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/there/is/none")
    monkeypatch.setenv("SSL_CERT_DIR", directory)
    assert 1 == (await deliver_one(face.client(server_endpoint=secure))).delivered


@pytest.fixture
def mutual(sink: Sink, authority: trustme.CA) -> str:
    """The sink, which asks for a certificate of the client's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    sink._server.socket = context.wrap_socket(sink._server.socket, server_side=True)
    return f"https://localhost:{sink.port}"


@pytest.fixture
def certified(face: Face, authority: trustme.CA, bundle: str, tmp_path: Path) -> Any:
    """A session of the program's own, with a certificate of the client's."""
    mine = tmp_path / "client.pem"
    authority.issue_cert("client@example.com").private_key_and_cert_chain_pem.write_to_path(str(mine))
    if face.is_async:
        context = ssl.create_default_context(cafile=bundle)
        context.load_cert_chain(mine)
        return lambda: aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context))
    own = requests.Session()
    own.cert, own.verify = str(mine), bundle
    return lambda: own


@pytest.mark.parametrize("variable", ["NONE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
async def test_a_client_certificate_of_a_callers_own_session_is_sent(
    face: Face, mutual: str, bundle: str, certified: Any, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, bundle)
    async with entered(certified()) as own:
        client = face.client(server_endpoint=mutual, http_client=own, retry_for=0)
        assert 1 == (await deliver_one(client)).delivered
        await result(client.close())
