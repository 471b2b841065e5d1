"""Rows → examples: their ids, and targets that the teacher softens.

A linear teacher judges what nobody labelled, texts spliced of others, and is mixed into what people labelled.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np

from guardcli.prompts.turns import Speaker, Turn
from starter.data import HAZARDS, Floats, Row, Turns, turn
from starter.draws import Example
from starter.prompts import Prompts
from starter.teacher import Teacher

LONGEST, CONTEXT = 2000, 400  # characters of the last turn, of each before it


def labelled(rows: Sequence[Row], teacher: Teacher, prompts: Prompts, *, trust: float, seed: int) -> list[Example]:
    """Examples of the rows that the teacher was fitted on; the teacher counts `1 - trust`."""
    chance = random.Random(seed)
    own = np.array([row.unsafe for row in rows], np.float32)
    unsafe = trust * own + (1 - trust) * teacher.out_of_fold
    hazards = teacher.hazards([row.last for row in rows])
    plain = prompts.said([_shortened(row.turns, None) for row in rows])
    varied = prompts.said([_varied(row.turns, chance) for row in rows])
    return [
        Example((first, second), row.turns[-1].speaker, float(score), _known(row, guess), row.weight)
        for row, first, second, score, guess in zip(rows, plain, varied, unsafe, hazards, strict=True)
    ]


def unlabelled(texts: Sequence[str], teacher: Teacher, prompts: Prompts, *, weight: float, seed: int) -> list[Example]:
    """Examples that the teacher alone judges; a fifth of them is said by an agent."""
    chance = random.Random(seed)
    speakers: list[Speaker] = [chance.choice(("User", "User", "User", "User", "Agent")) for _ in texts]
    said = prompts.said([(turn(speaker, text),) for speaker, text in zip(speakers, texts, strict=True)])
    scores, hazards = teacher.scores(texts), teacher.hazards(texts)
    return [
        Example((ids,), speaker, float(score), guess, weight)
        for ids, speaker, score, guess in zip(said, speakers, scores, hazards, strict=True)
    ]


def harmless_turns(rows: Sequence[Row], prompts: Prompts) -> list[list[int]]:
    """Single turns of safe rows, to stand before others."""
    turns = {(each.speaker, each.text[:CONTEXT]) for row in rows if not row.unsafe for each in row.turns}
    return prompts.said([(turn(speaker, text),) for speaker, text in sorted(turns)])


def _known(row: Row, guess: Floats) -> Floats:
    if not row.hazards:
        return guess
    known = np.zeros(HAZARDS, np.float32)
    known[[hazard - 1 for hazard in row.hazards]] = 1 / len(row.hazards)
    return known


def _varied(turns: Turns, chance: random.Random) -> Turns:
    """In lower case now and then, and where long cut somewhere else."""
    cut = _shortened(turns, chance)
    change = str.lower if chance.random() < 0.6 else str.strip
    return tuple(turn(each.speaker, change(each.text)) for each in cut)


def _shortened(turns: Turns, chance: random.Random | None) -> Turns:
    *before, last = turns
    start = chance.randrange(len(last.text) - LONGEST + 1) if chance and len(last.text) > LONGEST else 0
    shown = [Turn(each.number, each.role, each.speaker, each.text[:CONTEXT]) for each in before[-6:]]
    return (*shown, turn(last.speaker, last.text[start : start + LONGEST]))
