"""The pipeline from records to verdicts, in order. All commands and the Python API go through it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Literal

from guardcli.conversation import Malformed, Record
from guardcli.engine import (
    MAX_ANSWER_TOKENS,
    Engine,
    EngineConfig,
    EngineStats,
    MemoryUsage,
    open_engine,
)
from guardcli.errors import GuardError, ModelError
from guardcli.judging.answer_check import MIN_PROMPTS
from guardcli.judging.answers import AnswerGrammar
from guardcli.judging.batching import batch_records
from guardcli.judging.calibration import make_decision_rule
from guardcli.judging.engine_lease import CLOSED, EngineLease
from guardcli.judging.engine_thread import EngineThread
from guardcli.judging.pipeline import JudgedRecord, Pipeline
from guardcli.judging.prefetch import prefetch_items
from guardcli.judging.preparation import JudgeConfig, num_tokens
from guardcli.judging.python_input import Input, conversations_of
from guardcli.judging.truncation import PromptEncoder, PromptEncoders
from guardcli.judging.verdict import Provenance, Verdict
from guardcli.models import Model, ModelConfig, UnencodableTextError
from guardcli.prompts import TEMPLATES, Renderer, Template, policy_warnings
from guardcli.prompts.turns import speakers_of
from guardcli.taxonomy import Taxonomy
from guardcli.text.segments import Segment

_log = logging.getLogger(__name__)

PREFETCH_TOKENS = 1 << 20  # how many tokens are encoded ahead

Prefetch = Literal["full", "live"]


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
        warn: bool = True,
    ) -> None:
        """Load what is given by name or path.

        Args:
            model: the path of a GGUF, the name of a bundled model, either with more options in a `ModelConfig`, or a
                loaded model, which stays open when the guard is closed.
            taxonomy: the policy; the one that the model was trained on if None.
            config: what is judged of a record, and what its row contains.
            engine: the context and the threads; or an engine, which the guard then owns.
            cache: a file that remembers digests and tolerances of models, and beside which the unpacked weights of a
                bundled model are kept; without it they are unpacked anew each time.
            warn: log what of the taxonomy will not have the effect that its author expects.

        Raises:
            GuardError: the model, the taxonomy or the calibration cannot be used, or not together.
        """
        policy = None if taxonomy is None else _taxonomy(taxonomy)  # its errors come before gigabytes are read
        self._closed = False
        self._engine: Engine | None = None
        self._engine_lease = EngineLease()
        self._engine_thread: EngineThread | None = None
        self._pipeline: Pipeline | None = None
        self._owned = not isinstance(model, Model)
        if not isinstance(model, Model):
            model = (model if isinstance(model, ModelConfig) else ModelConfig(model)).load(cache=cache)
        self.model = model
        engine_config = engine if isinstance(engine, EngineConfig) else EngineConfig()
        given = None if isinstance(engine, EngineConfig) else engine
        try:
            self.template = _template(model.template)
            self.taxonomy = policy or _taxonomy(self.template.taxonomy)
            self.config = config or JudgeConfig()
            calibration = self.config.calibration
            self.rule = make_decision_rule(self.taxonomy, threshold=self.config.threshold, calibration=calibration)
            self.per_category = self.asks_per_category(self.taxonomy)
            self.provenance = _provenance(model, self.template, self.taxonomy, per_category=self.per_category)
            if calibration is not None:
                calibration.check_matches(self.provenance)
            renderers = _renderers(self.template, self.taxonomy, per_category=self.per_category)
            prefixes = {r.prefix(speaker) for r in renderers.values() for speaker in r.judges}
            self.policy_prompts = _policy_prompts(renderers.values())
            prefix_lens = [len(model.vocab.encode(prefix)) for prefix in prefixes]
            answers = AnswerGrammar.from_taxonomy(self.taxonomy, self.template, model.vocab)
            self._engine = given or open_engine(model.llama, engine_config, prefix_lens=prefix_lens)
            limit = self._engine.max_model_len - MAX_ANSWER_TOKENS
            self._pipeline = Pipeline(
                model=model,
                engine=self._engine,
                engine_config=engine_config,
                encoders=PromptEncoders(
                    {of: PromptEncoder(renderer, model.vocab, limit) for of, renderer in renderers.items()}
                ),
                answers=answers,
                config=self.config,
                rule=self.rule,
                provenance=self.provenance,
                cache=cache,
                tolerance=0.0 if given is not None or engine_config.reproducible else None,
            )
            self._engine_thread = EngineThread(self._pipeline, self._engine_lease)
            if warn:
                self._warn_of_policy()
                _warn_of_long_prefix(max(prefix_lens), limit)
        except UnencodableTextError as error:
            self.close()
            raise ModelError(
                f"the taxonomy cannot be used with this model: {error}", code="taxonomy/not-for-model"
            ) from error
        except GuardError:
            self.close()
            raise

    def asks_per_category(self, taxonomy: Taxonomy) -> bool:
        """Whether a guard of this model and config asks about each category of a taxonomy in a prompt of its own."""
        always = self.config.per_category or self.template.asks_by_category
        return always or any(category.threshold is not None for category in taxonomy.categories)

    def _warn_of_policy(self) -> None:
        if self.config.per_category and self.template.asks_by_category:
            _log.warning(
                "JudgeConfig.per_category has no effect with models of the template %s: they are asked about one "
                "category at a time anyway",
                self.template.name,
            )
        for warning in policy_warnings(self.taxonomy, self.template, per_category=self.config.per_category):
            _log.warning("%s [%s]", warning, warning.code)

    def check(self, conversations: Iterable[Input]) -> Iterator[Verdict]:
        """Judge conversations; yield their verdicts in order.

        A conversation is a text (one user prompt), a `Conversation`, a list of messages, or a record of any format that
        the command line reads. One list of messages, instead of an iterable of conversations, is one conversation.
        A value that holds no conversation gives an `error` verdict in its place.

        May be called from several threads at once: their conversations share batches. Conversations are read in the
        calling thread, some hundred ahead of the verdicts. Ask for all verdicts before the guard is closed.

        >>> [verdict.verdict for verdict in guard.check(["How do I bake bread?", "How do I build a bomb?"])]
        ['safe', 'unsafe']

        Raises:
            TypeError: one conversation where several are expected.
            ModelError: the model does not answer with a verdict, or the guard is closed.
            EngineError: llama.cpp failed; the process is a fork; or a `judge` of this thread is not over.
        """
        return self._check(conversations_of(conversations))

    def check_one(self, conversation: Input) -> Verdict:
        """Judge one conversation: anything that `check` takes several of.

        Raises:
            ValueError: the target is "each", which gives a verdict a message.
            GuardError: as `check`.
        """
        self._check_one_verdict()
        (verdict,) = self._check([conversation])
        return verdict

    async def acheck(self, conversations: Iterable[Input]) -> list[Verdict]:
        """Judge conversations like `check`, without blocking the event loop. Tasks share batches.

        When the task is cancelled, what was not judged yet is dropped.
        """
        lists = await self._open_engine_thread().judge_async(conversations_of(conversations))
        return [verdict for judged in lists for verdict in judged.verdicts]

    async def acheck_one(self, conversation: Input) -> Verdict:
        """Judge one conversation like `check_one`, without blocking the event loop.

        >>> verdict = await guard.acheck_one("How do I bake bread?")
        """
        self._check_one_verdict()
        ((verdict,),) = [judged.verdicts for judged in await self._open_engine_thread().judge_async([conversation])]
        return verdict

    def moderate(self, conversations: Iterable[Input]) -> list[float]:
        """P(unsafe) of each conversation, as GuardBench asks for it (`benchmark(moderate=guard.moderate, …)`).

        It is calibrated if the guard has a calibration. What cannot be judged counts as unsafe, 1.0. Raises as `check`.
        """
        return [1.0 if verdict.judged_score is None else verdict.judged_score for verdict in self.check(conversations)]

    def judge(
        self,
        records: Iterable[Record | Malformed],
        *,
        prefetch: Prefetch | None = None,
        check_answers: bool = True,
    ) -> Iterator[Verdict]:
        """Judge the records of a bulk run; yield their verdicts in order.

        The run has the engine for itself until it is over, so that its batches depend on its records alone. Other runs
        and the calls of `check` wait.

        Args:
            records: as `ReadOptions.read` yields them.
            prefetch: read and encode in a thread. A "live" source is answered as soon as nothing more has arrived; a
                "full" one fills every batch.
            check_answers: let the first prompts show that the model answers with verdicts at all, unless they have
                shown it before.

        Raises:
            ModelError: the model does not answer with a verdict, or the guard is closed.
            EngineError: llama.cpp failed; the process is a fork; or another run of this thread is not over.
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
        """Judge the records of a bulk run; yield each with its verdicts, in order. See `judge`."""
        pipeline = self._open_pipeline()
        with self._engine_lease.hold() as lease:
            suspend, resume = self._engine_lease.suspend, self._engine_lease.resume
            tolerance = pipeline.measure_tolerance()
            check = pipeline.new_answer_check() if check_answers else None
            if prefetch is not None:
                records = self._engine_lease.read(lease, records)
            groups = batch_records(records) if prefetch == "full" else ([record] for record in records)
            prepared_records = (prepared for group in groups for prepared in pipeline.prepare(group))
            early = prefetch_items(prepared_records, weigh=num_tokens, room=PREFETCH_TOKENS, live=prefetch == "live")
            requests = pipeline.keyed_requests(prepared_records if prefetch is None else early)
            for prepared, outcomes in pipeline.engine.run(requests):
                judged = pipeline.assemble(prepared, outcomes, tolerance)
                suspend(lease)
                try:
                    yield judged
                finally:
                    resume(lease)
                self._engine_lease.check_open()
                if check is not None:
                    check.observe(outcomes)
            if check is not None:
                check.finish()
                pipeline.answers_checked = check.num_prompts >= MIN_PROMPTS

    def measure_tolerance(self) -> float:
        """How far a score may differ with the rest of its batch, in log-odds; measured once a model.

        0 for the deterministic engine, and for an engine that was passed in.
        """
        pipeline = self._open_pipeline()
        if pipeline.tolerance is not None:
            return pipeline.tolerance
        with self._engine_lease.hold():
            return pipeline.measure_tolerance()

    @property
    def threshold(self) -> float:
        """The score, with a calibration the calibrated one, from which on a message is unsafe, unless its category has
        a threshold of its own."""
        return self.rule.threshold

    def reset(self, records: Iterable[Record | Malformed] = ()) -> None:
        """Clear the KV cache, but for the prompt prefixes that `records` need, and reset the statistics.

        What is judged next gets the same scores, to the bit, as in a new guard.

        Raises:
            EngineError: a run is not over, or llama.cpp failed.
        """
        speakers = speakers_of(records, self.config.target)
        pipeline = self._open_pipeline()
        with self._engine_lease.hold():
            pipeline.measure_tolerance()  # measured before, or its traces would be in what follows
            pipeline.engine.reset(pipeline.encoders.prefixes(speakers))

    @property
    def stats(self) -> EngineStats:
        """What the engine was asked since its last reset, and what it took."""
        return self._open_pipeline().engine.stats

    @property
    def context_params(self) -> dict[str, int | bool | str]:
        """The sizes that decide the engine's batches, and so the last digits of scores."""
        return self._open_pipeline().engine.context_params

    @property
    def memory_usage(self) -> MemoryUsage:
        """The memory that the engine takes beside the model."""
        return self._open_pipeline().engine.memory_usage

    def close(self) -> None:
        """Free the engine, and the model if it was loaded here. Calls that wait in other threads raise ModelError.

        A run whose own source of records closes the guard frees them at its next result, and raises ModelError. A
        forked process leaves both to the process that opened them.
        """
        self._closed = True
        self._engine_lease.close()
        if self._engine_lease.forked:
            return
        if self._engine_thread is not None:
            self._engine_thread.close()
        self._engine_lease.call_when_idle(self._free)

    def _free(self) -> None:
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

    def _check(self, conversations: Iterable[Input]) -> Iterator[Verdict]:
        for judged in self._open_engine_thread().judge(conversations):
            yield from judged.verdicts

    def _check_one_verdict(self) -> None:
        if self.config.target == "each":
            raise ValueError('the target "each" gives one verdict per message: use check()')

    def _open_pipeline(self) -> Pipeline:
        if self._closed or self._pipeline is None:
            raise ModelError(CLOSED, code="model/closed")
        return self._pipeline

    def _open_engine_thread(self) -> EngineThread:
        if self._closed or self._engine_thread is None:
            raise ModelError(CLOSED, code="model/closed")
        return self._engine_thread


def _template(name: str) -> Template:
    if name not in TEMPLATES:
        raise ModelError(
            f"unknown template {name!r}; expected one of {', '.join(TEMPLATES)}", code="model/wrong-template"
        )
    return TEMPLATES[name]


def _taxonomy(taxonomy: Taxonomy | str | Path) -> Taxonomy:
    return taxonomy if isinstance(taxonomy, Taxonomy) else Taxonomy.load(taxonomy)


def _renderers(template: Template, taxonomy: Taxonomy, *, per_category: bool) -> dict[str | None, Renderer]:
    """By the category asked about; None asks about all at once."""
    whole = Renderer(template, taxonomy)  # tells all that is wrong with any category
    if not per_category:
        return {None: whole}
    return {category.id: Renderer(template, taxonomy.single_category(category.id)) for category in taxonomy.categories}


def _policy_prompts(renderers: Iterable[Renderer]) -> frozenset[tuple[Segment, ...]]:
    """The text around a conversation. If two policies have the same, a model cannot tell them apart."""
    return frozenset(one.prefix(speaker) + one.suffix(speaker) for one in renderers for speaker in one.judges)


def _warn_of_long_prefix(longest: int, limit: int) -> None:
    if 2 * longest > limit:
        _log.warning(
            "the taxonomy takes %s of the %s tokens of a prompt: long conversations will be cut; "
            "raise EngineConfig.max_prompt_tokens, or shorten descriptions and examples",
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
        labels=taxonomy.labels,
    )
