"""Builds the training and held-out records of the small guard from the labeled data sets.

    python -m recipes.smol.build_data DATA OUT

writes train.jsonl and held_out.jsonl, whose categories are hazards of Llama Guard 3; passages.jsonl, those of the
former that are prose of our own; topics.jsonl, harmless messages about topics; policies/, taxonomies made up at random,
each with records that are labeled under it; and definitions/, others of opposite definitions. The same data and seed
give the same files.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from itertools import chain
from math import sqrt
from pathlib import Path
from random import Random

import click

from guardcli.training.augmentation.contamination import words
from recipes.smol.definitions import definition_policies
from recipes.smol.doubles import NearDoubles
from recipes.smol.exchanges import BEHIND, behind_exchanges
from recipes.smol.hazard_guess import HazardGuess
from recipes.smol.long_texts import ANSWERS, JOINED, balanced_by_length, joined_records, responses_as_messages
from recipes.smol.made_policies import native_policies, topic_policies, topic_records
from recipes.smol.own_texts import PASSAGES, own_records
from recipes.smol.own_texts import SOURCE as OWN
from recipes.smol.records import Record, evaluated_benign_rows, read_records, read_rows
from recipes.smol.unseen import unseen_texts

EVALUATION_SETS = (
    "openai_mod", "xstest", "xstest_response", "sst", "jailbreakbench", "dices_350", "hatecheck", "benign_mt_bench",
)  # fmt: skip

# How many records of a set are taken at most, (safe, unsafe), before the size of the whole is scaled.
CAPS = {
    "aegis1_train_prompts_438": (175, 263),
    "aegis2_unsafe_900": (450, 900),
    "ailuminate_demo_en": (0, 900),
    "catqa": (0, 550),
    "airbench_auto_en": (0, 600),
    "figstep_safebench": (0, 350),
    "jailbreakv_600": (0, 250),
    "cyberseceval_interpreter": (0, 200),
    "cyberseceval_frr": (450, 0),
    "aart": (0, 400),
    "do_not_answer": (0, 300),
    "gptfuzz_responses": (700, 700),
    "hatemoji_build": (450, 400),
    "surge_toxicity": (450, 400),
    "convabuse": (300, 300),
    "safetext": (250, 250),
    "benign_self_instruct": (854, 0),
    "benign_gsm8k_1k": (300, 0),
    "benign_taskmaster4": (300, 0),
}
_MADE_CAPS = {OWN: (6000, 4000), PASSAGES: (1000, 1000), ANSWERS: (600, 600), JOINED: (800, 800), BEHIND: (500, 500)}
NUM_RECORDS = 17000  # to train on
_MIN_TRAINED = 220  # of a hazard, where there are so many
_MIN_HELD_OUT = 30
_HELD_OUT_SHARE = 0.1  # of the prompts of a set


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--size", type=click.IntRange(min=100), default=NUM_RECORDS, show_default=True, help="Training records, about."
)
@click.option(
    "--held-out", type=click.IntRange(min=10), default=1200, show_default=True, help="Held-out records, about."
)
@click.option("--native", type=click.IntRange(min=0), default=200, show_default=True, help="Policies of native names.")
@click.option("--topics", type=click.IntRange(min=0), default=700, show_default=True, help="Policies about topics.")
@click.option(
    "--definitions", type=click.IntRange(min=0), default=2158, show_default=True, help="Policies of two definitions."
)
@click.option("--seed", type=int, default=0, show_default=True)
def build_data(
    *, data: Path, out: Path, size: int, held_out: int, native: int, topics: int, definitions: int, seed: int
) -> None:
    """Write records and made-up policies from the folder DATA to the folder OUT."""
    evaluated = NearDoubles((*_evaluated_texts(data), *unseen_texts()))
    records = _with_hazards(
        [r for name in CAPS for r in read_records(data, name, seed) if not evaluated.has(_prompt(r))]
    )
    records = _without_doubles(_shuffled(records, seed))
    kept = [record for record in records if _is_held_out(record)]
    held = _shuffled(_fill_up(_select(kept, held_out), kept, _MIN_HELD_OUT), seed)
    known = NearDoubles(_prompt(record) for record in held)

    def is_new(record: Record) -> bool:
        return not (evaluated.has(record.text) or known.has(record.text))

    own = [record for record in own_records(seed) if not evaluated.has(record.text)]
    trainable = [r for r in (*records, *own) if not _is_held_out(r) and not known.has(_prompt(r))]
    trainable += filter(is_new, responses_as_messages(trainable))
    trainable += joined_records(trainable, sum(_MADE_CAPS[JOINED]), seed)
    trainable += behind_exchanges(trainable, sum(_MADE_CAPS[BEHIND]), seed)
    train = balanced_by_length(_weighted(_fill_up(_select(trainable, size), trainable, _MIN_TRAINED)))
    for folder in ("policies", "definitions"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    train, about_topics = _shuffled(train, seed), _shuffled(filter(is_new, topic_records()), seed)
    passages = [record for record in train if record.source == PASSAGES]
    for name, found in (("train", train), ("passages", passages), ("topics", about_topics), ("held_out", held)):
        (out / f"{name}.jsonl").write_text("".join(f"{record.to_json()}\n" for record in found), "utf-8")
        _report(name, found)
    harmless = [record for record in train if not record.unsafe and record.messages[-1][0] == "user"]
    unsafe = [record for record in trainable if record.unsafe and record.messages[-1][0] == "user"]
    for policy in (
        *native_policies(unsafe, harmless, native, seed),
        *topic_policies(unsafe, harmless, topics, seed),
    ):
        policy.write(out / "policies")
    for policy in definition_policies(definitions, seed):
        policy.write(out / "definitions")


def _evaluated_texts(data: Path) -> Iterator[str]:
    for row in chain(evaluated_benign_rows(data), *(read_rows(data, name) for name in EVALUATION_SETS)):
        yield from (message["content"] for message in row["messages"])


def _prompt(record: Record) -> str:
    """What the user of a conversation said last, by which doubles are found."""
    return next((text for role, text in reversed(record.messages) if role == "user"), record.text)


def _with_hazards(records: Sequence[Record]) -> list[Record]:
    """Guess the hazards of the unsafe records that have none."""
    guess = HazardGuess(record for record in records if record.hazards)
    return [guess.guess(record) if record.unsafe and not record.hazards else record for record in records]


def _shuffled(records: Iterable[Record], seed: int) -> list[Record]:
    """The records in random order, those of a pair one after the other."""
    groups: dict[str, list[Record]] = defaultdict(list)
    for number, record in enumerate(records):
        groups[record.pair or str(number)].append(record)
    shuffled = list(groups.values())
    Random(seed).shuffle(shuffled)
    return [record for group in shuffled for record in group]


def _without_doubles(records: Iterable[Record]) -> list[Record]:
    """One of all records that have the same words."""
    by_words = {tuple(tuple(words(text)) for _, text in record.messages): record for record in reversed([*records])}
    return list(reversed(by_words.values()))


def _is_held_out(record: Record) -> bool:
    """Whether a record is kept from training: drawn by its prompt, so that all responses to it are."""
    draw = int.from_bytes(sha256(" ".join(words(_prompt(record))).encode()).digest()[:4], "big") / 2**32
    return record.source in CAPS and draw < _HELD_OUT_SHARE


def _select(records: Sequence[Record], size: int) -> list[Record]:
    """At most `size` records: from each set and label no more than its cap, scaled, its categories in turn.

    Those of our own are not scaled: they are what the data sets lack.
    """
    groups: dict[tuple[str, bool], list[Record]] = defaultdict(list)
    for record in records:
        groups[record.source, record.unsafe].append(record)
    limits = CAPS | _MADE_CAPS
    caps = {key: min(limits[key[0]][key[1]], len(found)) for key, found in groups.items()}
    num_own = sum(cap for (source, _), cap in caps.items() if source in (OWN, PASSAGES))
    scale = max(0.0, min(1.0, (size - num_own) / (sum(caps.values()) - num_own)))
    sizes = {key: cap if key[0] in (OWN, PASSAGES) else round(cap * scale) for key, cap in caps.items()}
    return [record for key, found in groups.items() for record in _in_turn(found)[: sizes[key]]]


def _in_turn(records: Iterable[Record]) -> list[Record]:
    """The records with their categories in turn: first one of each, then the second of each, and so on."""
    seen: Counter[str] = Counter()
    ranks = []
    for record in records:
        ranks.append((seen[record.native or str(record.pair)], record))
        seen[record.native or str(record.pair)] += 1
    return [record for _, record in sorted(ranks, key=lambda ranked: ranked[0])]


def _fill_up(selected: Sequence[Record], records: Sequence[Record], minimum: int) -> list[Record]:
    """Add records of the hazards of which fewer than `minimum` were selected."""
    chosen = {id(record) for record in selected}
    counts = Counter(hazard for record in selected for hazard in record.hazards)
    filled = list(selected)
    for record in records:
        if id(record) not in chosen and record.certain and any(counts[hazard] < minimum for hazard in record.hazards):
            filled.append(record)
            counts.update(record.hazards)
    return filled


def _weighted(records: Sequence[Record]) -> list[Record]:
    """Weigh rare hazards up and frequent ones down, by the root of how often they are, within a factor of two."""
    counts = Counter(hazard for record in records for hazard in record.hazards)
    mean = sum(counts.values()) / len(counts)
    factors = {hazard: min(2.0, max(0.5, sqrt(mean / count))) for hazard, count in counts.items()}
    return [replace(r, weight=r.weight * max((factors[hazard] for hazard in r.hazards), default=1.0)) for r in records]


def _report(name: str, records: Sequence[Record]) -> None:
    by_source = Counter((record.source, "unsafe" if record.unsafe else "safe") for record in records)
    hazards = Counter(hazard for record in records for hazard in record.hazards)
    num_unsafe = sum(record.unsafe for record in records)
    click.echo(f"{name}: {len(records):,} records, {num_unsafe:,} unsafe")
    click.echo("  " + ", ".join(f"{source} {label} {count}" for (source, label), count in sorted(by_source.items())))
    click.echo("  " + ", ".join(f"{hazard} {count}" for hazard, count in sorted(hazards.items(), key=_by_number)))


def _by_number(item: tuple[str, int]) -> int:
    return int(item[0][1:])


if __name__ == "__main__":
    build_data()
