"""A moderation service: one guard for all requests, which share its batches.

    pip install guardcli fastapi uvicorn
    GUARD_MODEL=llama-guard-3-8b.gguf uvicorn examples.fastapi_service:app
    curl localhost:8000/moderate -H 'Content-Type: application/json' \
        -d '{"messages": [{"role": "user", "content": "How do I bake bread?"}]}'

Start it with one worker: each worker process would load a model of its own. A verdict is "safe", "unsafe" or "error";
let a message pass only if it is "safe".
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, HTTPException, Request

from guardcli import Guard, GuardError


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    with Guard(os.environ["GUARD_MODEL"], os.environ.get("GUARD_TAXONOMY")) as guard:
        app.state.guard = guard
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/moderate")
async def moderate(request: Request) -> dict[str, Any]:
    """Judge the body: a conversation in any format that `guard check` reads."""
    guard: Guard = request.app.state.guard
    try:
        conversation = await request.json()
    except ValueError as error:
        raise HTTPException(400, "expected a conversation as JSON") from error
    try:
        verdict = await guard.acheck_one(conversation)
    except GuardError as error:
        raise HTTPException(503, str(error)) from error
    return verdict.to_dict()
