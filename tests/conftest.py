"""Models that the tests share. All are written by the tests themselves, tiny and random."""

from __future__ import annotations

import math
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from guardcli.models import Model
from guardcli.models.llama import LlamaModel, Offload
from tests import tiny

HERE = Path(__file__).parent
SHARED_TEMPLATE = "llama-guard-3-8b"


# How long an example takes is no reason to fail: no clock is asserted but under the marker `perf`.
settings.register_profile("guard", deadline=None)
settings.load_profile("guard")

# In the background of a shell, or under nohup, signals are ignored, and what tests start inherits that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(params=[math.inf, pytest.param(5.0, marks=pytest.mark.perf)], ids=["untimed", "timed"])
def most_seconds(request: pytest.FixtureRequest) -> float:
    """What a damaged input may take: no clock is asserted but under `perf`."""
    seconds: float = request.param
    return seconds


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="session")
def tiny_path(models: Path) -> Path:
    """A model with random weights: it answers anything but a verdict."""
    return tiny.write(models / "tiny.gguf")


@pytest.fixture(scope="session")
def guard_path(models: Path) -> Path:
    """A model that answers with verdicts, at random."""
    return tiny.write(models / "tiny-guard.gguf", answers=True)


@pytest.fixture(scope="session")
def native(tiny_path: Path) -> Iterator[LlamaModel]:
    model = LlamaModel(tiny_path, Offload())
    yield model
    model.close()


@pytest.fixture(scope="session")
def model(guard_path: Path) -> Iterator[Model]:
    with Model.load(guard_path, template=SHARED_TEMPLATE) as loaded:
        yield loaded
