"""The examples run, and use nothing but the public API."""

from __future__ import annotations

import ast
import asyncio
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import guardcli
from tests import tiny

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
BODY = {"messages": [{"role": "user", "content": "How do I bake bread?"}]}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_only_the_public_api_is_used(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            assert not [alias.name for alias in node.names if alias.name.startswith("guardcli")]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("guardcli"):
            assert node.module == "guardcli"
            assert {alias.name for alias in node.names} <= set(guardcli.__all__)


class StubFastAPI:
    """As much of FastAPI as the example uses."""

    def __init__(self, *, lifespan: Callable[[StubFastAPI], Any]) -> None:
        self.lifespan = lifespan
        self.state = SimpleNamespace()
        self.routes: dict[str, Callable[..., Any]] = {}

    def post(self, path: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        return lambda function: self.routes.setdefault(path, function)


class StubHTTPException(Exception):
    def __init__(self, status_code: int, detail: str) -> None:
        super().__init__(status_code, detail)


@pytest.fixture
def service(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of the service."""
    path = tiny.write(models / "service.gguf", answers=True, name="Llama Guard 3 (tiny, random)")
    monkeypatch.setenv("GUARD_MODEL", str(path))
    monkeypatch.setenv("GUARD_TAXONOMY", "llama-guard-3")


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_service_answers_requests_at_once(service: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside a stub, so that it is tested where FastAPI is not installed."""
    stub = SimpleNamespace(FastAPI=StubFastAPI, HTTPException=StubHTTPException, Request=object)
    monkeypatch.setitem(sys.modules, "fastapi", stub)  # type: ignore[arg-type]
    app = load("fastapi_service").app

    async def post(body: Any) -> Any:
        async def json() -> Any:
            if body is None:
                raise ValueError("no JSON")
            return body

        return await app.routes["/moderate"](SimpleNamespace(app=app, json=json))

    async def serve() -> None:
        async with app.lifespan(app):
            rows = await asyncio.gather(*(post(BODY) for _ in range(64)))
            assert {row["verdict"] for row in rows} <= {"safe", "unsafe"}
            assert (await post({"nothing": 1}))["verdict"] == "error"
            with pytest.raises(StubHTTPException, match="400, 'expected a conversation as JSON'"):
                await post(None)
        with pytest.raises(StubHTTPException, match="503, 'this guard is closed"):
            await post(BODY)

    asyncio.run(serve())


def test_the_service_under_fastapi_itself(service: None) -> None:
    pytest.importorskip("fastapi")
    client = pytest.importorskip("fastapi.testclient")
    with client.TestClient(load("fastapi_service").app) as http:
        assert http.post("/moderate", json=BODY).json()["verdict"] in ("safe", "unsafe")
        assert http.post("/moderate", content=b"{").status_code == 400
