"""From the data to a GGUF in one command. It prints what it does; all else is in the other modules."""

from __future__ import annotations

import argparse
import ctypes
import platform
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from guardcli.prompts import Renderer
from guardcli.taxonomy import Taxonomy
from starter import data, evaluate, examples, export, texts, tokens, train
from starter.batches import Batches, Sampling
from starter.data import Row
from starter.draws import Example
from starter.model import Guard, Shape
from starter.prompts import Prompts
from starter.teacher import Teacher
from starter.warmup import WarmUp, Words, warm_up

VOCABULARY = 16_372  # before special and user-defined tokens
TRUST = 0.6  # how much a label counts beside the teacher
FLAGGED = 0.05  # of the harmless rows of the development part, each set alike, at 0.5


@dataclass(frozen=True, slots=True)
class Phase:
    """Part of the training."""

    schedule: train.Schedule
    sampling: Sampling

    def shortened(self, share: float) -> Phase:
        """The same with a share of its steps."""
        steps, warm = (max(1, round(count * share)) for count in (self.schedule.steps, self.schedule.warm))
        return replace(self, schedule=replace(self.schedule, steps=steps, warm=warm))


@dataclass(frozen=True, slots=True)
class Plan:
    """How many texts are made: of our own, spliced of others, long ones, which hardly any training set has, and
    scrambled ones, so that every word is seen to mean something; and the phases of training."""

    own: int = 9_000
    spliced: int = 60_000
    long: int = 24_000
    scrambled: int = 100_000
    vocabulary: int = VOCABULARY
    warm_up: WarmUp = field(default_factory=WarmUp)
    phases: tuple[Phase, ...] = (
        Phase(train.Schedule(steps=3_000, rate=1.5e-3), Sampling(noise=0.05)),
        Phase(train.Schedule(steps=8_000, rate=1.5e-3), Sampling(noise=0.05, part_lists=0.6)),
        Phase(train.Schedule(steps=2_000, rate=8e-4), Sampling(noise=0.05, part_lists=0.75, shuffled=0.6)),
    )

    def shortened(self, share: float) -> Plan:
        """The same with a share of all texts and steps."""
        own, spliced, long, scrambled = (
            max(50, round(count * share)) for count in (self.own, self.spliced, self.long, self.scrambled)
        )
        vocabulary = max(1_000, round(self.vocabulary * min(1.0, 10 * share)))
        warm_up = replace(self.warm_up, steps=max(1, round(self.warm_up.steps * share)))
        phases = tuple(phase.shortened(share) for phase in self.phases)
        return Plan(own, spliced, long, scrambled, vocabulary, warm_up, phases)


def main() -> None:
    """Read the arguments, make the model."""
    parser = argparse.ArgumentParser(prog="python -m starter", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="the folder of the labelled sets")
    parser.add_argument("-o", "--output", type=Path, default=Path("starter.gguf"), metavar="FILE")
    parser.add_argument("--shorten", type=float, default=1.0, metavar="SHARE", help="this share of all texts and steps")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch; another number makes another file")
    chosen = parser.parse_args()
    _keep_memory()
    torch.set_num_threads(chosen.threads)
    make(chosen.data, chosen.output, Plan().shortened(chosen.shorten), seed=chosen.seed)


def make(folder: Path, output: Path, plan: Plan, *, seed: int) -> tuple[Guard, Prompts]:
    """Train on the sets in `folder` and write the model; what was trained."""
    told = _Told()
    torch.manual_seed(seed)
    parts = data.split(data.training(folder))
    own = texts.rows(plan.own, known=data.known(folder), seed=seed, weight=0.6)
    rows = [row for row in parts.train if row.source != data.CHOSEN_BY] + own
    teacher = Teacher.fit(rows)
    told(f"teacher fitted on {len(rows):,} rows")
    taxonomy = Taxonomy.load("llama-guard-3")
    vocabulary = tokens.train(_spellings(rows), Renderer(tokens.TEMPLATE, taxonomy), size=plan.vocabulary)
    prompts = Prompts(vocabulary, taxonomy)
    shown = _shown(rows, teacher, prompts, plan, seed=seed)
    told(f"{len(shown):,} examples, {len(vocabulary.tokens):,} tokens")
    turns = examples.harmless_turns([row for row in rows if row.source != "gptfuzz_responses"], prompts)
    model = _trained(shown, turns, prompts, plan, told, seed=seed)
    by = evaluate.threshold(model, prompts, parts.dev, FLAGGED)
    evaluate.shift(model, prompts, parts.dev, by)
    dev = evaluate.average_precision(parts.dev, evaluate.logits(model, prompts, parts.dev))
    told(f"shifted by {by:.2f}; AUPRC of the development part {dev:.3f}")
    export.write(output, model, vocabulary, prompts.renderer)
    return model, prompts


def _spellings(rows: Sequence[Row]) -> list[str]:
    return [text for row in rows for text in (row.last[:1500], row.last[:1500].lower())]


def _shown(rows: Sequence[Row], teacher: Teacher, prompts: Prompts, plan: Plan, *, seed: int) -> list[Example]:
    said = [row.last for row in rows if row.language == "en"]

    def judged(made: Iterable[str], weight: float) -> list[Example]:
        return examples.unlabelled(list(made), teacher, prompts, weight=weight, seed=seed)

    made = judged(texts.spliced(said, plan.spliced, seed=seed), 0.15)
    made += judged(texts.scrambled(said, plan.scrambled, seed=seed), 0.2)
    made += judged(texts.long(said, plan.long, seed=seed), 0.25)
    return examples.labelled(rows, teacher, prompts, trust=TRUST, seed=seed) + made


def _trained(
    shown: Sequence[Example], turns: Sequence[list[int]], prompts: Prompts, plan: Plan, told: _Told,
    *, seed: int,
) -> Guard:  # fmt: skip
    vocabulary = prompts.tokens
    model = Guard(Shape(len(vocabulary.tokens), prompts.answers))
    pooled = train.Pooled(model.shape.width)
    words = Words(model, vocabulary, prompts.marker)
    first = Batches(shown, turns, prompts, seed=seed, sampling=plan.phases[0].sampling)
    model = warm_up(words, pooled, first, plan.warm_up, told.step)
    told("warmed up on words alone")
    for number, phase in enumerate(plan.phases, start=1):
        batches = Batches(shown, turns, prompts, seed=seed + number, renames=texts.names(), sampling=phase.sampling)
        model = train.fit(model, pooled, batches, phase.schedule, told.step)
    return model.eval()


def _keep_memory() -> None:
    """Have glibc keep what it frees: to give the pages of every large tensor back took half of all time."""
    if platform.libc_ver()[0] == "glibc":
        trim_threshold, mmap_threshold, most = -1, -3, 2**25
        libc = ctypes.CDLL(None)
        libc.mallopt(trim_threshold, most)
        libc.mallopt(mmap_threshold, most)


class _Told:
    """Lines with the seconds since the start."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def __call__(self, text: str) -> None:
        print(f"{time.monotonic() - self._start:6.0f} s  {text}", flush=True)

    def step(self, step: int, seen: dict[str, float]) -> None:
        if step % 200 == 0:
            self(f"step {step}  " + "  ".join(f"{name} {value:.3f}" for name, value in seen.items()))


if __name__ == "__main__":
    main()
