"""What each stage of guard's host work costs when it runs alone: reading, encoding, the engine without its model, rows,
writing. Their sum is less than they cost in turns, when each pushes the others out of the processor's caches."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import TypeVar

from guardcli import Guard, JudgeConfig, formats
from guardcli.conversation import Malformed, Record
from guardcli.engine import BatchedEngine, LogitCoroutine
from guardcli.judging import AnswerGrammar, PromptScore, score_prompt
from guardcli.judging.assembly import assemble_verdicts
from guardcli.judging.batching import batch_records
from guardcli.judging.preparation import PreparedRecord, prepare
from guardcli.judging.truncation import PromptEncoder, PromptEncoders
from guardcli.judging.writers import WRITERS
from guardcli.prompts import Renderer
from guardcli.prompts.turns import turns

T = TypeVar("T")


class Stages:
    """A straight line to be run stage by stage. `guard` is on an engine that evaluates nothing."""

    def __init__(self, guard: Guard, engine: BatchedEngine, content: bytes, rounds: int) -> None:
        self._guard, self._engine, self._content, self._rounds = guard, engine, content, rounds
        self._renderer = Renderer(guard.template, guard.taxonomy)
        self._encoders = PromptEncoders({None: PromptEncoder(self._renderer, guard.model.vocab, engine.max_model_len)})
        self._answers = AnswerGrammar.from_taxonomy(guard.taxonomy, guard.template, guard.model.vocab)

    def seconds(self) -> dict[str, float]:
        """Seconds a record of each stage: medians."""
        found: dict[str, float] = {}
        records = self._timed(found, "read", self._read)
        prepared_records = self._timed(found, "choose_and_encode", lambda: self._encode(records))
        said = self._joined(records)
        self._timed(found, "of_it_llama_tokenize", lambda: [self._guard.model.vocab.encode_text(text) for text in said])
        outcomes = self._timed(
            found, "engine_without_model", lambda: list(self._engine.run(self._keyed_requests(prepared_records)))
        )
        verdicts = self._timed(
            found,
            "rows",
            lambda: [
                row
                for prepared, said in outcomes
                for row in assemble_verdicts(
                    prepared, said, JudgeConfig(), self._guard.rule, self._guard.provenance, tolerance=0.0
                )
            ],
        )
        self._timed(found, "write", lambda: [WRITERS["json"](verdict).encode() for verdict in verdicts])
        return {name: value / len(records) for name, value in found.items()}

    def _timed(self, found: dict[str, float], name: str, work: Callable[[], T]) -> T:
        taken = []
        for _ in range(self._rounds):
            start = time.perf_counter()
            made = work()
            taken.append(time.perf_counter() - start)
        found[name] = median(taken)
        return made

    def _read(self) -> list[Record | Malformed]:
        return list(formats.ReadOptions().read_stream(io.BytesIO(self._content), formats.StreamPart("prompts.jsonl")))

    def _encode(self, records: list[Record | Malformed]) -> list[PreparedRecord]:
        return [
            prepared for group in batch_records(records) for prepared in prepare(group, self._encoders, JudgeConfig())
        ]

    def _joined(self, records: list[Record | Malformed]) -> list[str]:
        """The text of each list of records, which llama.cpp is given in one piece."""
        return [
            "".join(
                segment.text
                for record in group
                if isinstance(record, Record)
                for turn in turns(record.conversation).shown
                for segment in self._renderer.turn(turn)
            )
            for group in batch_records(records)
        ]

    def _keyed_requests(
        self, prepared_records: list[PreparedRecord]
    ) -> Iterator[tuple[PreparedRecord, list[LogitCoroutine[PromptScore]]]]:
        for prepared in prepared_records:
            yield (
                prepared,
                [
                    score_prompt(prompt.tokens, prompt.prefix_len, self._answers, list_if=lambda score: score >= 0.5)
                    for of_turn in prepared.turns
                    for prompt in of_turn.prompts
                ],
            )
