"""The pipeline from records to verdicts, in order. All commands and the Python API go through it."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal

from guardcli import formats
from guardcli.conversation import Conversation, Json, Key, Malformed, Record
from guardcli.engine import (
    MAX_ANSWER_TOKENS,
    Engine,
    EngineConfig,
    EngineStats,
    LogitCoroutine,
    MemoryUsage,
    open_engine,
)
from guardcli.errors import GuardError, ModelError
from guardcli.judging import tolerance
from guardcli.judging.answer_check import MIN_PROMPTS, AnswerCheck
from guardcli.judging.answers import AnswerGrammar
from guardcli.judging.assembly import assemble_verdicts
from guardcli.judging.batching import batch_records
from guardcli.judging.decision import DecisionRule
from guardcli.judging.prefetch import prefetch_items
from guardcli.judging.preparation import JudgeConfig, PreparedRecord, num_tokens, prepare
from guardcli.judging.scoring import PromptScore, score_prompt
from guardcli.judging.truncation import PromptEncoder
from guardcli.judging.verdict import Provenance, Verdict
from guardcli.models import ControlTokenError, Model, ModelConfig
from guardcli.models.cache import cache_get, cache_put
from guardcli.models.llama import build
from guardcli.prompts import TEMPLATES, Renderer, Template
from guardcli.prompts.turns import SPEAKERS, speakers_of
from guardcli.taxonomy import Taxonomy

_log = logging.getLogger(__name__)

PREFETCH_TOKENS = 1 << 20  # how many tokens are encoded ahead

Prefetch = Literal["full", "live"]
Input = Conversation | str | Sequence[Json] | Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class JudgedRecord:
    """A record and its verdicts: one, or with the target "each" one a message."""

    record: Record | Malformed
    verdicts: tuple[Verdict, ...]


class Guard:
    """A model and a taxonomy, ready to judge. Close it, or use it as a context manager, to free its memory.

    >>> with Guard("llama-guard-3-8b.gguf", "llama-guard-3") as guard:
    ...     for verdict in guard.check(["How do I bake bread?"]):
    ...         print(verdict.verdict, verdict.score)
    """

    def __init__(
        self,
        model: Model | ModelConfig | str | Path,
        taxonomy: Taxonomy | str | Path | None = None,
        *,
        config: JudgeConfig | None = None,
        engine: EngineConfig | Engine | None = None,
        cache: Path | None = None,
    ) -> None:
        """Load what is given by name or path.

        Args:
            model: the path of a GGUF, the name of a bundled model, either with more options in a `ModelConfig`, or a
                loaded model, which stays open when the guard is closed.
            taxonomy: the policy; the one that the model was trained on if None.
            config: what is judged of a record, and what its row contains.
            engine: the context and the threads; or an engine, which the guard then owns.
            cache: a file that remembers digests and tolerances of models.

        Raises:
            GuardError: the model or the taxonomy cannot be used, or not together.
        """
        policy = None if taxonomy is None else _taxonomy(taxonomy)  # mistakes are told before gigabytes are read
        self._closed = False
        self._answers_checked = False  # whether the model has shown that it answers with verdicts
        self._engine: Engine | None = None
        self._owned = not isinstance(model, Model)
        if not isinstance(model, Model):
            model = (model if isinstance(model, ModelConfig) else ModelConfig(model)).load(cache=cache)
        self.model = model
        self._engine_config = engine if isinstance(engine, EngineConfig) else EngineConfig()
        given = None if isinstance(engine, EngineConfig) else engine
        self._tolerance = 0.0 if given is not None or self._engine_config.reproducible else None
        self._cache = cache
        try:
            self.template = _template(model.template)
            self.taxonomy = policy or _taxonomy(self.template.taxonomy)
            self.config = config or JudgeConfig()
            self.rule = DecisionRule.from_taxonomy(self.taxonomy, self.config.threshold)
            self.per_category = self.config.per_category or bool(self.rule.thresholds)
            self.provenance = _provenance(model, self.template, self.taxonomy, per_category=self.per_category)
            renderers = _renderers(self.template, self.taxonomy, per_category=self.per_category)
            prefix_lens = [
                len(model.vocab.encode(r.prefix(speaker))) for r in renderers.values() for speaker in SPEAKERS
            ]
            self._answers = AnswerGrammar.from_taxonomy(self.taxonomy, model.vocab)
            self._engine = given or open_engine(model.llama, self._engine_config, prefix_lens=prefix_lens)
            limit = self._engine.max_model_len - MAX_ANSWER_TOKENS
            self._encoders = {of: PromptEncoder(renderer, model.vocab, limit) for of, renderer in renderers.items()}
            _warn_of_long_prefix(max(prefix_lens), limit)
        except ControlTokenError as error:
            self.close()
            raise ModelError(f"the taxonomy cannot be used with this model: {error}") from error
        except GuardError:
            self.close()
            raise

    def check(self, conversations: Iterable[Input]) -> Iterator[Verdict]:
        """Judge conversations: text (one user prompt), messages, any record of a known format, in order.

        Verdicts are made as they are asked for, so ask before the guard is closed. A value that is no
        conversation gives an `error` verdict in its place.

        Raises:
            TypeError: one conversation where several are wanted.
            GuardError: as `judge`.
        """
        if isinstance(conversations, (str, bytes, Mapping, Conversation)):
            raise TypeError("check takes several conversations: put this one into a list")
        return self.judge(_record(line, value) for line, value in enumerate(conversations, start=1))

    def moderate(self, conversations: Sequence[Input]) -> list[float]:
        """P(unsafe) of each conversation, as GuardBench asks for it (`benchmark(moderate=guard.moderate, …)`).

        What cannot be judged counts as unsafe, 1.0. Raises as `check`.
        """
        return [1.0 if verdict.judged_score is None else verdict.judged_score for verdict in self.check(conversations)]

    def judge(
        self,
        records: Iterable[Record | Malformed],
        *,
        prefetch: Prefetch | None = None,
        check_answers: bool = True,
    ) -> Iterator[Verdict]:
        """Judge records; yield their verdicts in order.

        With `prefetch` they are read and encoded in a thread. A "live" source is answered as soon as nothing more has
        arrived; a "full" one fills every batch. `check_answers` says whether the first prompts are to show that the
        model answers with verdicts at all, unless they have shown it before.

        Raises:
            ModelError: the model does not answer with a verdict, or the guard is closed.
            EngineError: llama.cpp failed, or another run of this guard is not over.
        """
        for judged in self.judge_records(records, prefetch=prefetch, check_answers=check_answers):
            yield from judged.verdicts

    def judge_records(
        self,
        records: Iterable[Record | Malformed],
        *,
        prefetch: Prefetch | None = None,
        check_answers: bool = True,
    ) -> Iterator[JudgedRecord]:
        """Judge records; yield each with its verdicts, in order. The arguments and exceptions are those of `judge`."""
        measured = self.measure_tolerance()
        groups = batch_records(records) if prefetch == "full" else ([record] for record in records)
        shares = not self._open_engine().reproducible
        prepared_records = (
            prepared for group in groups for prepared in prepare(group, self._encoders, self.config, shares=shares)
        )
        early = prefetch_items(prepared_records, weigh=num_tokens, room=PREFETCH_TOKENS, live=prefetch == "live")
        checked = self.config.force or self._answers_checked or not check_answers
        check = None if checked else AnswerCheck(self.model.path, self.template.name)
        requests = self._requests(prepared_records if prefetch is None else early)
        for prepared, outcomes in self._open_engine().run(requests):
            verdicts = assemble_verdicts(
                prepared, outcomes, self.config, self.rule, self.provenance, tolerance=measured
            )
            yield JudgedRecord(prepared.record, tuple(verdicts))
            if check is not None:
                check.observe(outcomes)
            self._open_engine()
        if check is not None:
            check.finish()
            self._answers_checked = check.num_prompts >= MIN_PROMPTS

    def measure_tolerance(self) -> float:
        """How far a score may differ with the rest of its batch, in log-odds; measured once a model.

        0 for the deterministic engine, and for an engine that was passed in.
        """
        if self._tolerance is None:
            self._tolerance = self._measured()
            _log.info("a score may move by %.2g in log-odds with its batch", self._tolerance)
        return self._tolerance

    @property
    def threshold(self) -> float:
        """The score from which on a message is unsafe, unless its category has a threshold of its own."""
        return self.rule.threshold

    def _measured(self) -> float:
        engine = self._open_engine()
        native = self.model.llama
        # The name of the value is a new one wherever it is measured in another way.
        options = ", ".join(f"{name}={value!r}" for name, value in self._engine_config.to_dict().items())
        measured_on = ", ".join(map(repr, (self.model.identity, self.template.name, build(), native.offloaded)))
        key = f"('tolerance 2', {measured_on}, Options({options}))"  # the class had this name in caches that exist
        known = cache_get(self._cache, key)
        if known is not None:
            return float(known)
        encoder = next(iter(self._encoders.values()))
        measured = tolerance.measure(engine, encoder, self._answers, least=tolerance.floor(native.description))
        cache_put(self._cache, key, repr(measured))
        return measured

    def reset(self, records: Iterable[Record | Malformed] = ()) -> None:
        """Clear the KV cache, but for the prompt prefixes that `records` need, and reset the statistics.

        What is judged next gets the same scores, to the bit, whatever was judged before.

        Raises:
            EngineError: a run is not over, or llama.cpp failed.
        """
        self.measure_tolerance()  # measured before, or its traces would be in what follows
        speakers = speakers_of(records, self.config.target)
        encoders = self._encoders.values()
        self._open_engine().reset([encoder.prefix(speaker) for encoder in encoders for speaker in speakers])

    @property
    def stats(self) -> EngineStats:
        """What the engine was asked since its last reset, and what it took."""
        return self._open_engine().stats

    @property
    def context_params(self) -> dict[str, int | bool | str]:
        """The sizes that decide the engine's batches, and so the last digits of scores."""
        return self._open_engine().context_params

    @property
    def memory_usage(self) -> MemoryUsage:
        """The memory that the engine takes beside the model."""
        return self._open_engine().memory_usage

    def close(self) -> None:
        """Free the engine, and the model if it was loaded here."""
        self._closed = True
        if self._engine is not None:
            self._engine.close()
        if self._owned:
            self.model.close()

    def __enter__(self) -> Guard:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open_engine(self) -> Engine:
        if self._closed or self._engine is None:
            raise ModelError("this guard is closed: take its verdicts before")
        return self._engine

    def _requests(
        self, source: Iterable[PreparedRecord | None]
    ) -> Iterator[tuple[PreparedRecord, Sequence[LogitCoroutine[PromptScore]]] | None]:
        list_from = 0.0 if self.config.scores else self.rule.threshold
        if self.per_category:
            list_from = math.inf  # a prompt that asks about one category lists no others
        for prepared in source:
            if prepared is None:
                yield None
                continue
            requests = [
                score_prompt(prompt.tokens, prompt.prefix_len, self._answers, list_from=list_from)
                for prompt in prepared.prompts
            ]
            yield prepared, requests


def _template(name: str) -> Template:
    if name not in TEMPLATES:
        raise ModelError(f"no template {name!r}; there are {', '.join(TEMPLATES)}")
    return TEMPLATES[name]


def _taxonomy(taxonomy: Taxonomy | str | Path) -> Taxonomy:
    return taxonomy if isinstance(taxonomy, Taxonomy) else Taxonomy.load(taxonomy)


def _renderers(template: Template, taxonomy: Taxonomy, *, per_category: bool) -> dict[str | None, Renderer]:
    """By the category asked about; None asks about all at once."""
    whole = Renderer(template, taxonomy)  # tells all that is wrong with any category
    if not per_category:
        return {None: whole}
    return {category.id: Renderer(template, taxonomy.single_category(category.id)) for category in taxonomy.categories}


def _warn_of_long_prefix(longest: int, limit: int) -> None:
    if 2 * longest > limit:
        _log.warning(
            "the taxonomy takes %s of the %s tokens of a prompt: long conversations will be cut; "
            "raise --ctx-size, or shorten descriptions and examples",
            f"{longest:,}",
            f"{limit:,}",
        )


def _provenance(model: Model, template: Template, taxonomy: Taxonomy, *, per_category: bool) -> Provenance:
    return Provenance(
        model=model.identity,
        template=template.name,
        scoring="per_category" if per_category else "verdict",
        taxonomy=taxonomy.name,
        prompt_digest=taxonomy.prompt_digest,
        decision_digest=taxonomy.decision_digest,
        labels=tuple(taxonomy.labels.items()),
    )


def _record(line: int, value: Input) -> Record | Malformed:
    key = Key(None, line)
    try:
        if isinstance(value, Conversation):
            conversation = formats.validate_conversation(value)
        else:
            conversation = formats.parse(value)  # type: ignore[arg-type]
    except formats.RecordError as reason:
        return Malformed(key, str(reason))
    fields = value if isinstance(value, Mapping) else {}
    return Record(Key(None, line, id=conversation.id), conversation, fields)
