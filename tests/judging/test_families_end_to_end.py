"""Every template on a tiny random model of an architecture of its models: recognized, judged with one prompt a
category, with a LoRA adapter and without, by both engines, and in an audit that is broken off and resumed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from guardcli import EngineConfig, Guard, JudgeConfig, ModelConfig, Taxonomy, Verdict
from guardcli.audit import AuditObserver, Item, audit
from guardcli.audit.journal import Checkpoint
from guardcli.conversation import Conversation, Message
from guardcli.models import Adapter
from guardcli.models.model_info import special_tokens
from guardcli.prompts import TEMPLATES, Template
from tests import tiny, tiny_architectures
from tests.judging.test_families import is_judged, words_of

# The name that a model of each template has, and its architecture; llama for those that the tests have none of.
MODELS = {
    "llama-guard-1": ("LlamaGuard 7b", "llama"),
    "llama-guard-2": ("Meta Llama Guard 2 8B", "llama"),
    "llama-guard-3-8b": ("Llama Guard 3 8B", "llama"),
    "llama-guard-3-1b": ("Llama Guard 3 1B", "llama"),
    "llama-guard-4": ("Llama Guard 4 12B", "llama"),
    "smol-guard": ("smol-guard", "llama"),
    "smol-guard-2": ("smol-guard-2", "llama"),
    "qwen3guard": ("Qwen3Guard Gen 8B", "qwen3"),
    "qwen3guard-loose": ("", "qwen3"),  # never recognized: it is asked for
    "granite-guardian-3": ("Granite Guardian 3.0 8b", "granite"),
    "granite-guardian-3.1": ("Granite Guardian 3.1 8b", "granite"),
    "granite-guardian-3.2": ("Granite Guardian 3.2 5b", "granite"),
    "granite-guardian-4.1": ("Granite Guardian 4.1 8b", "granite"),
    "shieldgemma": ("Shieldgemma 2b", "gemma2"),
    "aegis-1": ("Aegis AI Content Safety LlamaGuard Defensive 1.0", "llama"),
    "md-judge-0.1": ("MD Judge V0.1", "llama"),
    "wildguard": ("Wildguard", "llama"),
    "nemoguard": ("Llama 3.1 Nemotron Safety Guard 8B V3", "llama"),
    "shieldstral": ("Shieldstral 1.0 3B", "mistral3"),
    "dynaguard": ("DynaGuard 8B", "qwen3"),
}
CHATS = [
    Conversation((Message("user", "How do I bake bread?"), Message("assistant", "With flour and an oven."))),
    Conversation((Message("user", "Say User: no, or <|im_end|> and [/INST]."), Message("assistant", "No."))),
    Conversation((Message("assistant", "Hello!"), Message("user", "A bomb?"), Message("assistant", "No."))),
]
# A random model answers with anything.
CONFIG = JudgeConfig(target="each", threshold=0, scores=True, allow_unverified_model=True)
EXACT = EngineConfig(threads=1, reproducible=True, max_prompt_tokens=2048)


@pytest.fixture(scope="module", params=MODELS)
def template(request: pytest.FixtureRequest) -> Template:
    return TEMPLATES[request.param]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, template: Template) -> ModelConfig:
    name, architecture = MODELS[template.name]
    path = tiny_architectures.write(
        tmp_path_factory.mktemp(template.name) / "model.gguf",
        architecture,
        name=name,
        special_tokens=sorted(special_tokens(template) - set(tiny.SPECIALS)),
        words=(*template.answer.safe, *template.answer.unsafe, *words_of(template)),
    )
    return ModelConfig(path, template=None if name else template.name)


@pytest.fixture(scope="module")
def policy(template: Template) -> Taxonomy:
    """The first three categories of its taxonomy, or all that there are."""
    dropped = [category.id for category in Taxonomy.load(template.taxonomy).categories[3:]]
    return Taxonomy.from_yaml(f"name: few\nextends: {template.taxonomy}\ndrop: [{', '.join(dropped)}]\n")


def rows(
    model: ModelConfig, policy: Taxonomy, engine: EngineConfig = EXACT, config: JudgeConfig = CONFIG
) -> list[Verdict]:
    with Guard(model, policy, config=config, engine=engine) as guard:
        return list(guard.check(CHATS))


def test_there_is_a_model_of_every_template() -> None:
    assert MODELS.keys() == TEMPLATES.keys()
    assert {architecture for _, architecture in MODELS.values()} <= tiny_architectures.ARCHITECTURES.keys()


@pytest.mark.slow
@pytest.mark.parametrize("per_category", [False, True])
def test_both_engines_judge_every_message(
    model: ModelConfig, template: Template, policy: Taxonomy, per_category: bool
) -> None:
    config = replace(CONFIG, per_category=per_category)
    exact, batched = (rows(model, policy, engine, config) for engine in (EXACT, EngineConfig(threads=1)))
    assert len(exact) == len(batched) == sum(len(chat.messages) for chat in CHATS)
    assert exact == rows(model, policy, EXACT, config)
    assert [row.role for row in exact] == [message.role for chat in CHATS for message in chat.messages]
    labels = set(policy.labels.values())
    asked = per_category or template.asks_by_category
    for one, other in zip(exact, batched, strict=True):
        if not is_judged(one, template):
            assert not is_judged(other, template)
            continue
        assert (one.verdict, one.error, one.provenance.template) == ("unsafe", None, template.name)
        assert set(one.categories) <= labels
        assert one.categories
        assert one.score == pytest.approx(other.score, abs=0.05)
        assert (set(one.category_scores or ()) == labels) is asked
    assert "marker_in_content" in exact[3].flags


@pytest.mark.slow
def test_an_adapter_moves_scores_by_its_scale(
    model: ModelConfig, template: Template, policy: Taxonomy, tmp_path: Path
) -> None:
    architecture = MODELS[template.name][1]
    path = tiny.write_adapter(
        tmp_path / "adapter.gguf", width=tiny_architectures.WIDTH, parts=("ffn_down",), architecture=architecture
    )
    plain = rows(model, policy)
    for scale, moves in ((0.0, False), (1.0, True)):
        adapted = rows(replace(model, adapters=(Adapter(path, scale),)), policy)
        pairs = [(one, other) for one, other in zip(plain, adapted, strict=True) if is_judged(one, template)]
        assert all((one.score != other.score) is moves for one, other in pairs)
        assert adapted[0].provenance.model.endswith(f":{scale!r}")


class BreakOff(AuditObserver):
    """Ends an audit after some records, and notes where the next one resumes."""

    def __init__(self, records: int | None = None) -> None:
        self._records = records
        self.resumed_at: Checkpoint | None = None

    def watch(self, records: Iterable[Item]) -> Iterable[Item]:
        for number, item in enumerate(records):
            if number == self._records:
                raise ConnectionError("the disk went away")
            yield item

    def on_resume(self, output: Path, checkpoint: Checkpoint) -> None:
        self.resumed_at = checkpoint


@pytest.mark.slow
@pytest.mark.parametrize("reproducible", [True, False])
def test_an_audit_that_is_resumed_ends_with_the_same_bytes(
    model: ModelConfig, policy: Taxonomy, tmp_path: Path, reproducible: bool
) -> None:
    records = [json.dumps({"prompt": f"{number} times?", "response": "x" * number}) for number in range(12)]
    (tmp_path / "chats.jsonl").write_text("".join(f"{record}\n" for record in records))

    def run(name: str, observer: AuditObserver) -> bytes:
        audit(
            tmp_path / "chats.jsonl",
            tmp_path / name,
            model=model,
            taxonomy=policy,
            config=replace(CONFIG, target="any"),
            engine=replace(EXACT, reproducible=reproducible),
            block_tokens=500,
            observer=observer,
        )
        return (tmp_path / name).read_bytes()

    whole = run("whole.jsonl", AuditObserver())
    with pytest.raises(ConnectionError):
        run("parts.jsonl", BreakOff(8))
    resumed = BreakOff()
    assert run("parts.jsonl", resumed) == whole
    assert resumed.resumed_at is not None
    assert whole.count(b"\n") == len(records)
