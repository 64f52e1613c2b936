"""A FastAPI app that records an event for each request. Its lifespan closes the client if CLOSES is set."""

import contextlib
import os
from collections.abc import AsyncIterator

from fastapi import FastAPI

from mindlytics import AsyncClient

client = AsyncClient(flush_interval=60)


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    if os.environ.get("CLOSES"):
        await client.close()


app = FastAPI(lifespan=lifespan)


@app.get("/")
async def root() -> None:
    await client.create_session(id="u").track_event(event="e")
