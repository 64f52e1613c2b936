"""Webhooks of the Conversations API in FastAPI: contacts are answered, and finished conversations are analysed.

mindlytics serve --webhook http://127.0.0.1:8000/hooks
uvicorn examples.antonnia_fastapi:app
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException, Request

from mindlytics import AsyncClient
from mindlytics.antonnia import AsyncConversations, record
from mindlytics.antonnia.exceptions import ValidationError
from mindlytics.antonnia.webhooks import AsyncWebhooks, MessageCreated, SessionFinished

SERVER = os.environ.get("MLSDK_SERVER_BASE", "http://127.0.0.1:3000")

client = AsyncClient()
conversations = AsyncConversations(os.environ.get("MLSDK_API_KEY", "local"), f"{SERVER}/conversations/v2")
webhooks = AsyncWebhooks()


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    yield
    await conversations.close()
    await client.close()


app = FastAPI(lifespan=lifespan)


@webhooks.on("message.created")
async def answer(event: MessageCreated) -> None:
    if event.message.role == "user":
        await conversations.sessions.reply(event.message.session_id)


@webhooks.on("session.finished")
async def analyse(event: SessionFinished) -> None:
    session = client.create_session(session_id=event.session.id, id=event.session.contact_id)
    await record(session, [message async for message in conversations.sessions.messages.iter(event.session.id)])


@app.post("/hooks")
async def hooks(request: Request) -> dict[str, str]:
    try:
        event = await webhooks.handle(await request.body())
    except ValidationError as error:
        raise HTTPException(422, error.message) from error
    return {"id": event.id}
