"""What every run of a guard does with its records: prepare them, ask the engine, assemble verdicts."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from guardcli.conversation import Malformed, Record
from guardcli.engine import Engine, EngineConfig, LogitCoroutine
from guardcli.judging import tolerance
from guardcli.judging.answer_check import AnswerCheck
from guardcli.judging.answers import AnswerGrammar
from guardcli.judging.assembly import assemble_verdicts
from guardcli.judging.decision import DecisionRule
from guardcli.judging.preparation import JudgeConfig, PreparedRecord, prepare
from guardcli.judging.scoring import PromptScore, score_prompt
from guardcli.judging.truncation import PromptEncoders
from guardcli.judging.verdict import Provenance, Verdict
from guardcli.models import Model
from guardcli.models.cache import cache_get, cache_put
from guardcli.models.llama import build

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class JudgedRecord:
    """A record and its verdicts: one, or with the target "each" one a message."""

    record: Record | Malformed
    verdicts: tuple[Verdict, ...]


@dataclass(slots=True, kw_only=True)
class Pipeline:
    """The steps from records to verdicts on one engine.

    `tolerance` is None until it was measured. `answers_checked` says whether the model has shown that it answers with
    verdicts.
    """

    model: Model
    engine: Engine
    engine_config: EngineConfig
    encoders: PromptEncoders
    answers: AnswerGrammar
    config: JudgeConfig
    rule: DecisionRule
    provenance: Provenance
    cache: Path | None = None
    tolerance: float | None = None
    answers_checked: bool = False

    def measure_tolerance(self) -> float:
        """How far a score may differ with the rest of its batch, in log-odds; measured once, by whoever may use the
        engine."""
        if self.tolerance is None:
            self.tolerance = self._measured()
            _log.info("a score may move by %.2g in log-odds with its batch", self.tolerance)
        return self.tolerance

    def prepare(self, records: Sequence[Record | Malformed]) -> Iterator[PreparedRecord]:
        """Choose the messages of records that are judged, and encode their prompts; one item a record, in order."""
        return prepare(records, self.encoders, self.config, shares=not self.engine.reproducible)

    def requests(self, prepared: PreparedRecord) -> Sequence[LogitCoroutine[PromptScore]]:
        """What the engine is asked about a record."""
        return [
            score_prompt(
                prompt.tokens,
                prompt.prefix_len,
                self.answers,
                speaker=turn_prompts.turn.speaker,
                list_if=self._reads_categories,
            )
            for turn_prompts in prepared.turns
            for prompt in turn_prompts.prompts
        ]

    def keyed_requests(
        self, source: Iterable[PreparedRecord | None]
    ) -> Iterator[tuple[PreparedRecord, Sequence[LogitCoroutine[PromptScore]]] | None]:
        """The requests of each record, with the record as their key; None where nothing more has arrived."""
        for prepared in source:
            yield None if prepared is None else (prepared, self.requests(prepared))

    def assemble(self, prepared: PreparedRecord, outcomes: Sequence[PromptScore], tolerance: float) -> JudgedRecord:
        """The verdicts of a record from the scores of its prompts."""
        verdicts = assemble_verdicts(prepared, outcomes, self.config, self.rule, self.provenance, tolerance=tolerance)
        return JudgedRecord(prepared.record, tuple(verdicts))

    def new_answer_check(self) -> AnswerCheck | None:
        """A check that the model answers with verdicts; None if it has shown that, or need not."""
        if self.config.allow_unverified_model or self.answers_checked:
            return None
        return AnswerCheck(self.model.path, self.provenance.template)

    def _reads_categories(self, score: float) -> bool:
        """Whether the categories of a prompt with this score are read."""
        if self.provenance.scoring == "per_category":
            return False  # a prompt that asks about one category lists no others
        if not self.answers.lists_categories:
            return False
        return self.config.scores or self.rule.is_unsafe(score)

    def _measured(self) -> float:
        native = self.model.llama
        # The name of the value is a new one wherever it is measured in another way.
        # In caches that exist the class and its first field had these names.
        values = self.engine_config.to_dict()
        values = {"ctx_size": values.pop("max_prompt_tokens")} | values
        options = ", ".join(f"{name}={value!r}" for name, value in values.items())
        measured_on = (self.model.identity, self.provenance.template, build(), native.offloaded)
        key = f"('tolerance 2', {', '.join(map(repr, measured_on))}, Options({options}))"
        known = cache_get(self.cache, key)
        if known is not None:
            return float(known)
        encoder = self.encoders.first
        least = tolerance.floor(native.description)
        measured = tolerance.measure(self.engine, encoder, self.answers, least=least)
        cache_put(self.cache, key, repr(measured))
        return measured
