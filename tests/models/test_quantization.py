"""Which quantization is downloaded, and the sentence that says why."""

from __future__ import annotations

import pytest

from guardcli.errors import ModelError
from guardcli.models.quantization import Candidate, choose

GB = 10**9
EIGHT_B = [
    Candidate("m.F16.gguf", "F16", 18 * GB), Candidate("m.Q8_0.gguf", "Q8_0", 10 * GB),
    Candidate("m.Q4_K_M.gguf", "Q4_K_M", 7 * GB), Candidate("m.Q2_K.gguf", "Q2_K", 5 * GB),
]  # fmt: skip


@pytest.mark.parametrize(
    ("free", "chosen", "reason"),
    [
        (100, "Q8_0", "Q8_0 is the best that fits: it needs 10.0 GB of the 100.0 GB that are free"),
        (14, "Q8_0", "Q8_0 is the best that fits: it needs 10.0 GB of the 14.0 GB that are free"),
        (13, "Q4_K_M", "Q4_K_M is the best that fits: it needs 7.0 GB of the 13.0 GB that are free"),
        (7, "Q2_K", "Q2_K is the best that fits: it needs 5.0 GB of the 7.0 GB that are free"),
        (None, "Q4_K_M", "Q4_K_M is in the middle: how much memory is free is not known"),
    ],
)
def test_the_best_that_fits(free: int | None, chosen: str, reason: str) -> None:
    free_memory = None if free is None else free * GB
    assert choose("hf:a/b", EIGHT_B, free_memory=free_memory) == (f"m.{chosen}.gguf", reason)
    assert choose("hf:a/b", EIGHT_B[::-1], free_memory=free_memory) == (f"m.{chosen}.gguf", reason)


def test_none_fits() -> None:
    with pytest.raises(ModelError) as caught:
        choose("hf:a/b", EIGHT_B, free_memory=6 * GB)
    assert caught.value.code == "system/out-of-memory"
    assert str(caught.value) == (
        "no model of hf:a/b fits: the smallest, Q2_K, needs 5.0 GB of the 6.0 GB that are free. "
        'plan_download(quantization="Q2_K") downloads it all the same'
    )
    assert choose("hf:a/b", EIGHT_B, quantization="F16", free_memory=6 * GB) == ("m.F16.gguf", "F16 was asked for")


def test_unquantized_ones_are_the_last_resort() -> None:
    floats = [Candidate("m.F16.gguf", "F16", 2 * GB), Candidate("m.F32.gguf", "F32", 4 * GB)]
    assert choose("hf:a/b", floats, free_memory=100 * GB).name == "m.F32.gguf"
    assert choose("hf:a/b", floats, free_memory=3 * GB).name == "m.F16.gguf"
    only = choose("hf:a/b", floats[:1], free_memory=0)
    assert only == ("m.F16.gguf", "m.F16.gguf is the only model of hf:a/b")


def test_names_that_are_not_there_or_stand_for_several() -> None:
    with pytest.raises(ModelError, match="hf:a/b has no Q5_K_M; there are F16, Q2_K, Q4_K_M, Q8_0") as caught:
        choose("hf:a/b", EIGHT_B, quantization="q5_k_m")
    assert caught.value.code == "model/not-found"
    twice = [*EIGHT_B, Candidate("other.Q8_0.gguf", "Q8_0", 10 * GB)]
    with pytest.raises(ModelError, match=r"several models in Q8_0: name one of m\.Q8_0\.gguf, other") as caught:
        choose("hf:a/b", twice, quantization="Q8_0")
    assert caught.value.code == "model/ambiguous"
