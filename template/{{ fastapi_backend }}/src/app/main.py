"""The FastAPI application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from app.endpoint import answer
from app.health import check_health
from app.lifecycle import shut_down, start_up


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Check the settings at the start, let go of the database at the end."""
    start_up()
    yield
    await shut_down()


app = FastAPI(title="ChatKit backend", lifespan=lifespan)


@app.post("/chatkit")
async def chatkit(request: Request) -> Response:
    """Answer a request of ChatKit's page."""
    reply = await answer(await request.body(), request.headers.get("authorization"))
    if isinstance(reply.body, bytes):
        return Response(reply.body, reply.status, reply.headers, reply.media_type)
    return StreamingResponse(reply.body, reply.status, reply.headers, reply.media_type)


@app.get("/health")
async def health() -> JSONResponse:
    """Tell whether the database answers and is migrated."""
    result = await check_health()
    return JSONResponse(result.body, result.status)
