"""The ways to run a guard that are measured side by side: each judges the same prompts with the same model.

A contender delivers verdict and categories for every prompt: `guard` with exact scores, the loop by generating
three tokens, the server by the probabilities of one token and a second request where that is unsafe.
"""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from array import array
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import numpy as np
from llama_cpp import Llama

from guardcli import Guard, Options, Settings
from guardcli.engine.plan import common_prefix

UNSAFE, LINE_BREAK, S = 39257, 198, 50  # in the Llama 3 vocabulary


@dataclass(frozen=True)
class Prompt:
    """A conversation, and the tokens of its prompt up to where the verdict is read.

    A random model's word means nothing, so which prompts are unsafe is settled once for all contenders.
    """

    text: str
    tokens: array[int]
    unsafe: bool = False


@dataclass(frozen=True)
class Measured:
    """One run: how long it took, and how many tokens it evaluated, as far as that can be told from outside."""

    seconds: float
    evaluated: int


class Contender(Protocol):
    """Something that can be timed; what it loads, it loads before."""

    name: str

    def run(self, prompts: Sequence[Prompt]) -> Measured: ...

    def close(self) -> None: ...


class GuardItself:
    """`Guard.check`: reading, rendering and encoding are part of its time."""

    name = "guard"

    def __init__(self, model: Path, threads: int, threshold: float) -> None:
        settings = Settings(force=True, threshold=threshold)
        self._guard = Guard(model, settings=settings, options=Options(threads=threads))

    def scores(self, prompts: Sequence[Prompt]) -> list[float]:
        return [verdict.score or 0.0 for verdict in self._guard.check(prompt.text for prompt in prompts)]

    def run(self, prompts: Sequence[Prompt]) -> Measured:
        counts = self._guard.counts
        before = counts.evaluated + counts.answer
        start = time.perf_counter()
        rows = sum(1 for _ in self._guard.check(prompt.text for prompt in prompts))
        seconds = time.perf_counter() - start
        assert rows == len(prompts)
        return Measured(seconds, counts.evaluated + counts.answer - before)

    def close(self) -> None:
        self._guard.close()


class PlainLoop:
    """What a script does today: one prompt after the other through `llama_cpp.Llama`, three tokens each.

    It reuses what a prompt has in common with the one before.
    """

    name = "Llama loop"

    def __init__(self, model: Path, threads: int) -> None:
        self._llama = Llama(str(model), n_ctx=8192, n_threads=threads, n_threads_batch=threads, verbose=False)

    def run(self, prompts: Sequence[Prompt]) -> Measured:
        start = time.perf_counter()
        for prompt in prompts:
            self._llama.create_completion(list(prompt.tokens), max_tokens=3, temperature=0)
        return Measured(time.perf_counter() - start, _after_the_one_before(prompts) + 2 * len(prompts))

    def close(self) -> None:
        self._llama.close()


class Server:
    """llama-server with as many slots as clients; categories by a second request where the first says unsafe."""

    def __init__(self, binary: Path, model: Path, threads: int, slots: int, port: int) -> None:
        self.name = f"llama-server -np {slots}"
        self._slots = slots
        self._url = f"http://127.0.0.1:{port}"
        # Its cache in main memory would remember whole prompts from earlier rounds.
        options = ["--cache-ram", "0", "--no-webui", "-c", str(8192 * slots), "-np", str(slots)]
        command = [str(binary), "-m", str(model), "-t", str(threads), "--port", str(port), *options]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._wait()

    def run(self, prompts: Sequence[Prompt]) -> Measured:
        start = time.perf_counter()
        with ThreadPoolExecutor(self._slots) as clients:
            evaluated = sum(clients.map(self._judge, prompts))
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

    def _post(self, body: dict[str, object]) -> dict:
        content = json.dumps(body | {"cache_prompt": True, "temperature": 0}).encode()
        request = urllib.request.Request(f"{self._url}/completion", content, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=600) as answer:
            return json.loads(answer.read())

    def _wait(self) -> None:
        for _ in range(600):
            try:
                with urllib.request.urlopen(f"{self._url}/health", timeout=5):
                    return
            except OSError:
                time.sleep(0.2)
        raise RuntimeError(f"{self.name} does not answer")


class Bench:
    """llama-bench: how fast llama.cpp evaluates 512 tokens behind a head. It judges nothing; it is the limit."""

    name = "llama-bench"

    def __init__(self, binary: Path, model: Path, threads: int, depth: int) -> None:
        shape = ["-p", "512", "-n", "0", "-d", str(depth), "-t", str(threads), "-r", "1", "-fa", "auto"]
        self._command = [str(binary), "-m", str(model), *shape, "-o", "json"]

    def run(self, prompts: Sequence[Prompt]) -> Measured:
        done = subprocess.run(self._command, capture_output=True, check=True, text=True)
        (result,) = json.loads(done.stdout)
        return Measured(result["avg_ns"] / 1e9, 512)

    def close(self) -> None:
        pass


def _after_the_one_before(prompts: Sequence[Prompt]) -> int:
    ids = [np.frombuffer(prompt.tokens, dtype=np.int32) for prompt in prompts]
    return len(ids[0]) + sum(max(1, len(b) - common_prefix(a, b)) for a, b in pairwise(ids))
