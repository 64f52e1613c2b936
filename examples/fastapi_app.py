"""A FastAPI app: one client for the program, one session for each chat; nothing blocks the event loop.

uvicorn examples.fastapi_app:app
"""

import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Body, FastAPI

from mindlytics import AsyncClient, AsyncSession

client = AsyncClient()


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    yield
    await client.close()


app = FastAPI(lifespan=lifespan)


def session_of(chat: str) -> AsyncSession:
    return client.create_session(session_id=chat, device_id=f"browser-of-{chat}")


@app.post("/chats")
async def begin() -> dict[str, str]:
    chat = str(uuid.uuid4())
    await session_of(chat).start_session(attributes={"app": "fastapi"})
    return {"chat": chat}


@app.post("/chats/{chat}/turns")
async def turn(chat: str, text: Annotated[str, Body(embed=True)]) -> dict[str, str]:
    session = session_of(chat)
    began = time.perf_counter()
    found = await search(text)
    await session.track_function_call(
        name="search", args=text, result=found, runtime=1000 * (time.perf_counter() - began)
    )
    await session.track_conversation_turn(user=text, assistant=found, cost=0.0002)
    return {"text": found}


@app.post("/chats/{chat}/user")
async def sign_in(chat: str, user: Annotated[str, Body(embed=True)]) -> dict[str, str]:
    await session_of(chat).user_identify(id=user)
    return {"user": user}


@app.delete("/chats/{chat}")
async def end(chat: str) -> dict[str, str]:
    await session_of(chat).end_session()
    return {"chat": chat}


async def search(text: str) -> str:
    """Where a tool or a language model would be asked."""
    return f"Nothing was found for: {text}"
