"""The ways to run a guard that are measured side by side: each judges the same prompts with the same model.

A contender delivers verdict and categories for every prompt: `guard` with exact scores, the loop by generating
three tokens, the server by the probabilities of one token and a second request where that is unsafe.
"""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from llama_cpp import Llama
from llama_cpp import llama_cpp as native

from benchmarks.workloads import TEMPLATE, Item, Prompt, Workload, depth, marked
from guardcli import EngineConfig, Guard, JudgeConfig, Model, Offload
from guardcli.engine import EngineStats
from guardcli.engine.token_arrays import common_prefix_len
from guardcli.models.llama import _amx_crashes

UNSAFE, LINE_BREAK, S = 39257, 198, 50  # in the Llama 3 vocabulary
SHARE_UNSAFE = 0.2


@dataclass(frozen=True)
class Machine:
    """What every contender runs on: the model, CPU threads, and whether its layers go to a GPU."""

    model: Path
    threads: int
    gpu: bool = False

    def load(self) -> Model:
        offload = Offload("require" if self.gpu else "off")
        return Model.load(self.model, template=TEMPLATE, offload=offload)


@dataclass(frozen=True)
class Measured:
    """One run: how long it took, and how many tokens it evaluated, as far as that can be told from outside."""

    seconds: float
    evaluated: int


class Contender(Protocol):
    """Something that can be timed; what it loads, it loads before."""

    name: str

    def run(self, items: Sequence[Item]) -> Measured: ...

    def close(self) -> None: ...


class GuardItself:
    """`Guard.check`: rendering and encoding are part of its time."""

    name = "guard"

    def __init__(self, model: Model, machine: Machine, workload: Workload, threshold: float) -> None:
        config = JudgeConfig(target=workload.target, allow_unverified_model=True, threshold=threshold)
        engine = EngineConfig(threads=machine.threads)
        self._guard = Guard(model, workload.policy(), config=config, engine=engine)

    @property
    def stats(self) -> EngineStats:
        return self._guard.stats

    def run(self, items: Sequence[Item]) -> Measured:
        before = replace(self.stats)
        start = time.perf_counter()
        rows = sum(1 for _ in self._guard.check(item.conversation for item in items))
        seconds = time.perf_counter() - start
        if rows != len(items):
            raise RuntimeError(f"{len(items)} conversations gave {rows} rows")
        after = self.stats
        return Measured(
            seconds, after.prefill_tokens + after.decode_tokens - before.prefill_tokens - before.decode_tokens
        )

    def close(self) -> None:
        self._guard.close()


def with_verdicts(
    model: Model, machine: Machine, workload: Workload, items: Sequence[Item]
) -> tuple[list[Item], float]:
    """The items, a fifth of their prompts unsafe: those that the random model scores highest; and the threshold."""
    each = replace(workload, target="each" if workload.target == "any" else workload.target)
    config = JudgeConfig(target=each.target, allow_unverified_model=True, threshold=1.0)
    guard = Guard(model, each.policy(), config=config, engine=EngineConfig(threads=machine.threads))
    scores = [verdict.score or 0.0 for verdict in guard.check(item.conversation for item in items)]
    guard.close()
    return marked(items, scores, share=SHARE_UNSAFE)


class PlainLoop:
    """What a script does today: one prompt after the other through `llama_cpp.Llama`, three tokens each.

    It reuses what a prompt has in common with the one before.
    """

    name = "Llama loop"

    def __init__(self, machine: Machine) -> None:
        with _layout_of_guard():
            self._llama = Llama(
                str(machine.model),
                n_ctx=8192,
                n_threads=machine.threads,
                n_threads_batch=machine.threads,
                n_gpu_layers=-1 if machine.gpu else 0,
                verbose=False,
            )

    def run(self, items: Sequence[Item]) -> Measured:
        prompts = _prompts(items)
        start = time.perf_counter()
        for prompt in prompts:
            self._llama.create_completion(list(prompt.tokens), max_tokens=3, temperature=0)
        return Measured(time.perf_counter() - start, _after_the_one_before(prompts) + 2 * len(prompts))

    def close(self) -> None:
        self._llama.close()


@contextmanager
def _layout_of_guard() -> Iterator[None]:
    """Load weights as guard does: in a build whose AMX kernels crash, without them. `Llama` has no option for it."""
    defaults = native.llama_model_default_params

    def params() -> object:
        found = defaults()
        found.use_extra_bufts = found.use_extra_bufts and not _amx_crashes()
        return found

    native.llama_model_default_params = params
    try:
        yield
    finally:
        native.llama_model_default_params = defaults


class Server:
    """llama-server with as many slots as clients; categories by a second request where the first says unsafe."""

    def __init__(self, binary: Path, machine: Machine, slots: int, port: int) -> None:
        self.name = f"llama-server -np {slots}"
        self._slots = slots
        self._url = f"http://127.0.0.1:{port}"
        # Its cache in main memory would remember whole prompts from earlier rounds.
        command = [str(binary), "-m", str(machine.model), "-t", str(machine.threads), "--port", str(port),
                   "--cache-ram", "0", "--no-webui", "-c", str(8192 * slots), "-np", str(slots),
                   "-ngl", _layers(machine)]  # fmt: skip
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._wait()

    def run(self, items: Sequence[Item]) -> Measured:
        start = time.perf_counter()
        with ThreadPoolExecutor(self._slots) as clients:
            evaluated = sum(clients.map(self._judge, _prompts(items)))
        return Measured(time.perf_counter() - start, evaluated)

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()

    def _judge(self, prompt: Prompt) -> int:
        tokens = list(prompt.tokens)
        answer = self._post({"prompt": tokens, "n_predict": 1, "n_probs": 20})
        evaluated = answer["timings"]["prompt_n"]
        if prompt.unsafe:
            answer = self._post({"prompt": [*tokens, UNSAFE, LINE_BREAK, S], "n_predict": 2})
            evaluated += answer["timings"]["prompt_n"] + 1
        return int(evaluated)

    def _post(self, body: dict[str, object]) -> dict[str, Any]:
        content = json.dumps(body | {"cache_prompt": True, "temperature": 0}).encode()
        request = urllib.request.Request(f"{self._url}/completion", content, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=600) as answer:
            value: dict[str, Any] = json.loads(answer.read())
            return value

    def _wait(self) -> None:
        for _ in range(600):
            try:
                with urllib.request.urlopen(f"{self._url}/health", timeout=5):
                    return
            except OSError:
                time.sleep(0.2)
        raise RuntimeError(f"{self.name} does not answer")


class Bench:
    """llama-bench: how fast llama.cpp evaluates 512 tokens behind as many as the prompts share. It judges nothing; it
    is the limit."""

    name = "llama-bench"

    def __init__(self, binary: Path, machine: Machine) -> None:
        self._command = [str(binary), "-m", str(machine.model), "-p", "512", "-n", "0", "-t", str(machine.threads),
                         "-r", "1", "-fa", "auto", "-ngl", _layers(machine), "-o", "json"]  # fmt: skip

    def run(self, items: Sequence[Item]) -> Measured:
        behind = str(depth(_prompts(items)))
        done = subprocess.run([*self._command, "-d", behind], capture_output=True, check=True, text=True)
        (result,) = json.loads(done.stdout)
        return Measured(result["avg_ns"] / 1e9, 512)

    def close(self) -> None:
        pass


def _layers(machine: Machine) -> str:
    return "99" if machine.gpu else "0"


def _prompts(items: Sequence[Item]) -> list[Prompt]:
    return [prompt for item in items for prompt in item.prompts]


def _after_the_one_before(prompts: Sequence[Prompt]) -> int:
    ids = [np.frombuffer(prompt.tokens, dtype=np.int32) for prompt in prompts]
    return len(ids[0]) + sum(max(1, len(b) - common_prefix_len(a, b)) for a, b in pairwise(ids))
