"""The straight line: records in, verdicts out, in order. All commands and the Python API go through here."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal

from guardcli import formats
from guardcli.classifier.ahead import run_ahead
from guardcli.classifier.fitting import Encoder
from guardcli.classifier.job import LOW_MASS, Job, Settings, prepare, rows, weight
from guardcli.conversation import Conversation, Json, Key, Malformed, Record
from guardcli.engine import Engine, Options, Task, open_engine
from guardcli.errors import GuardError, ModelError, Problem, TaxonomyError
from guardcli.model import Model, Offload
from guardcli.prompt import TEMPLATES, Renderer, Template
from guardcli.taxonomy import Taxonomy
from guardcli.verdict import Answers, Outcome, Provenance, Verdict, judge

ANSWER_ROOM = 64  # tokens of a context that are kept for the answer
AHEAD_TOKENS = 1 << 20  # how many tokens are encoded ahead
FIRST_PROMPTS = 16  # over how many it is made sure that the model answers at all

Ahead = Literal["full", "live"]
Input = Conversation | str | Sequence[Json] | Mapping[str, Json]


class Guard:
    """A model and a taxonomy, ready to judge. Close it, or use it as a context manager, to free its memory.

    >>> with Guard("llama-guard-3-8b.gguf", "llama-guard-3") as guard:
    ...     for verdict in guard.check(["How do I bake bread?"]):
    ...         print(verdict.verdict, verdict.score)
    """

    def __init__(
        self,
        model: Model | str | Path,
        taxonomy: Taxonomy | str | Path | None = None,
        *,
        template: str | None = None,
        settings: Settings | None = None,
        engine: Engine | None = None,
        options: Options | None = None,
        offload: Offload | None = None,
        cache: Path | None = None,
        force: bool = False,
    ) -> None:
        """Load what is given by name or path; the default taxonomy is the one that the model was trained on.

        A threshold in `settings` outranks the taxonomy's. `force` judges even with a model that does not
        answer with a verdict. `engine` puts another engine at the seam.

        Raises:
            GuardError: the model or the taxonomy cannot be used, or not together.
        """
        self._owned = not isinstance(model, Model)
        self.model = model if isinstance(model, Model) else _load(model, template, offload, cache)
        try:
            self.template = _template(template or self.model.generation)
            self.taxonomy = _taxonomy(taxonomy or self.template.taxonomy)
            _check_thresholds(self.taxonomy)
            self.settings = settings or Settings(threshold=default_threshold(self.taxonomy))
            self._answers = Answers.of(self.taxonomy, self.model.vocab)
            self._engine = engine or open_engine(self.model.native, options)
            self._encoder = Encoder(
                Renderer(self.template, self.taxonomy), self.model.vocab, self._engine.max_tokens - ANSWER_ROOM
            )
        except GuardError:
            self.close()
            raise
        self._trust = None if force else _Trust(self.model.path, self.template.name)
        self.provenance = _provenance(self.model, self.template, self.taxonomy)

    def check(self, conversations: Iterable[Input]) -> Iterator[Verdict]:
        """Judge conversations: text (one user prompt), messages, any record of a known format, in order.

        A value that is no conversation gives an `error` verdict in its place.
        """
        return self.judge(_record(line, value) for line, value in enumerate(conversations, start=1))

    def judge(self, records: Iterable[Record | Malformed], *, ahead: Ahead | None = None) -> Iterator[Verdict]:
        """Judge records in order. With `ahead` they are read and encoded in a thread; a "live" source is
        answered as soon as nothing more has arrived, a "full" one fills every batch.

        Raises:
            ModelError: the model does not answer with a verdict.
            EngineError: llama.cpp failed.
        """
        jobs = (prepare(record, self._encoder, self.settings) for record in records)
        under_way: deque[Job] = deque()
        early = run_ahead(jobs, weigh=weight, room=AHEAD_TOKENS, live=ahead == "live")
        source = jobs if ahead is None else early
        for outcomes in self._engine.run(self._tasks(source, under_way)):
            job = under_way.popleft()
            if self._trust is not None:
                self._trust.see(outcomes)
            yield from rows(job, outcomes, self.settings, self.provenance)

    def close(self) -> None:
        """Free the engine, and the model if it was loaded here."""
        engine = getattr(self, "_engine", None)
        if engine is not None:
            engine.close()
        if self._owned:
            self.model.close()

    def __enter__(self) -> Guard:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _tasks(self, source: Iterable[Job | None], under_way: deque[Job]) -> Iterator[Sequence[Task[Outcome]] | None]:
        list_from = 0.0 if self.settings.scores else self.settings.threshold
        for job in source:
            if job is None:
                yield None
                continue
            under_way.append(job)
            yield [judge(prompt.tokens, prompt.head, self._answers, list_from=list_from) for prompt in job.prompts]


def default_threshold(taxonomy: Taxonomy) -> float:
    """The taxonomy's threshold, or one half."""
    return 0.5 if taxonomy.threshold is None else taxonomy.threshold


@dataclass(slots=True)
class _Trust:
    """Whether the model answers with verdicts at all, over its first prompts."""

    path: Path
    template: str
    seen: int = 0
    low: int = 0

    def see(self, outcomes: Sequence[Outcome]) -> None:
        """Raise ModelError if most of the first prompts were about to be answered with something else."""
        for outcome in outcomes:
            if self.seen < FIRST_PROMPTS and outcome.error is None:
                self.seen += 1
                self.low += outcome.mass < LOW_MASS
                self._check(outcome.mass)

    def _check(self, mass: float) -> None:
        if 2 * self.low > self.seen:
            raise ModelError(
                f"{self.path} does not answer with a verdict: P(safe) + P(unsafe) is {mass:.2g} where "
                f"{self.template} writes one. It is another model, or needs another --template; "
                "--force judges all the same."
            )


def _load(path: str | Path, template: str | None, offload: Offload | None, cache: Path | None) -> Model:
    if template is not None:
        _template(template)  # a misspelt name is told before gigabytes are read
    return Model.load(path, generation=template, offload=offload, cache=cache)


def _template(name: str) -> Template:
    if name not in TEMPLATES:
        raise ModelError(f"no template {name!r}; there are {', '.join(TEMPLATES)}")
    return TEMPLATES[name]


def _taxonomy(taxonomy: Taxonomy | str | Path) -> Taxonomy:
    return taxonomy if isinstance(taxonomy, Taxonomy) else Taxonomy.load(taxonomy)


def _check_thresholds(taxonomy: Taxonomy) -> None:
    """One score a message cannot be held against a threshold a category, and ignoring those would fail open."""
    own = [category for category in taxonomy.categories if category.threshold is not None]
    message = "{} has a threshold of its own, which needs a score for each category: guard cannot do that yet; "
    message += "set `threshold` at the top of the file instead"
    problems = [Problem(c.place.path, c.place.line, c.place.column, message.format(c.id)) for c in own]
    if problems:
        raise TaxonomyError(*problems)


def _provenance(model: Model, template: Template, taxonomy: Taxonomy) -> Provenance:
    return Provenance(
        model=model.identity,
        template=template.name,
        scoring="verdict",
        taxonomy=taxonomy.name,
        prompt_digest=taxonomy.prompt_digest,
        decision_digest=taxonomy.decision_digest,
        labels=tuple((category.id, category.label) for category in taxonomy.categories),
    )


def _record(line: int, value: Input) -> Record | Malformed:
    key = Key(None, line)
    try:
        conversation = value if isinstance(value, Conversation) else formats.parse(value)  # type: ignore[arg-type]
    except formats.Unreadable as reason:
        return Malformed(key, str(reason))
    fields = value if isinstance(value, Mapping) else {}
    return Record(Key(None, line, id=conversation.id), conversation, fields)
