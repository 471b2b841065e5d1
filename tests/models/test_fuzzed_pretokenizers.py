"""Long texts for every pre-tokenizer of llama.cpp: no text ends the process, and what need not be cut is not.

llama.cpp splits text by a regular expression for each pre-tokenizer, some of them through std::regex, whose recursion
overflows the stack on a long match. `python -m tests.models.test_fuzzed_pretokenizers [CHARACTERS] [NAME...]` tries
each on texts of so many characters (a million, if left out), in a child process.
"""

from __future__ import annotations

import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from guardcli.errors import ModelError
from guardcli.models import Model, Vocab
from guardcli.models.vocab import TokenIds
from guardcli.text.segments import Segment
from tests import tiny

# What `tokenizer.ggml.pre` may be, as `llama_vocab::impl::load` of llama.cpp's src/llama-vocab.cpp compares it. What
# the installed library does not know is counted: a model of that kind is refused.
_NAMES = """
default minicpm5 llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano deepseek-llm
deepseek-coder deepseek-v3 spark2_5 youtu falcon mpt starcoder gpt-2 phi-2 jina-es jina-de gigachat jina-v2-es
jina-v2-de a.x-4.0 mellum modern-bert jais-2 gemma4 granite-embed-multi-311m sarvam-moe jina-v1-en jina-v2-code
roberta-bpe whitespace refact command-r qwen2 deepseek-r1-qwen kormo f2llmv2 qwen35 stablelm2 olmo dbrx smaug-bpe
poro-chat glm4 glm5 chatglm-bpe viking jais tekken smollm codeshell bloom gpt3-finnish exaone exaone4 exaone-moe
chameleon minerva-7b megrez gpt-4o llama4 kanana2 talkie granite-embed-multi-97m tiny_aya cohere2moe superbpe
trillion granite-docling bailingmoe bailingmoe2 llada-moe seed-coder hunyuan hunyuan-dense hy_v4 joyai-llm kimi-k2
ufakzeka grok-2 afmoe laguna minimax-m2 solar-open mellum2
"""
NAMES = tuple(_NAMES.split())
# Other values of `tokenizer.ggml.model`, some of which bring a pre-tokenizer of their own.
OTHER_TOKENIZERS = ("gemma4", "hybriddna", "whitespace", "bert", "t5", "rwkv", "plamo2", "none")
UNITS = {
    "underscores": "_-",
    "digits": "0123456789",
    "letters": "aBcDé",
    "CJK": "漢字かなカナ한국",
    "blanks": " ",
    "tabs": "\t ",
    "other blanks": "\u3000\u00a0\u2009",
    "line breaks": "\n",
    "CRLF": "\r\n",
    "blank lines": " \n\t\r",
    "emoji": "\U0001f469\u200d\U0001f469\u200d\U0001f467\ufe0f",
    "combining marks": "\u0301\u0302\u20dd",
    "letters with marks": "e\u0301นี้",
    "apostrophes": "'s'LL",
    "punctuation": "!?.,:;()",
    "symbols": "$+<=>^`|~",
    "words": "some words of text ",
    "words and digits": "a1 b22 c333 ",
    "NUL": "\0",
    "private": "\ue000\U000f0000",
}
TOKENS, _ = tiny.vocabulary(user_defined=False)
SECONDS = 1800  # that a child may take
SLOW = 30  # seconds that a text may take, alone and in a prompt
STACK = 8 << 20  # bytes, as it is nearly everywhere
CHILD = "from tests.models.test_fuzzed_pretokenizers import serve; serve()"


def texts(length: int, seed: int = 0) -> Iterator[tuple[str, str]]:
    """Names and texts of about so many characters: of one kind each, and of runs of all."""
    for name, unit in UNITS.items():
        yield name, unit * (length // len(unit))
    draw = random.Random(seed)
    runs = []
    while sum(map(len, runs)) < length:
        runs.append(draw.choice(list(UNITS.values())) * draw.choice((1, 3, 50, 5000)))
    yield "mixed", "".join(runs)[:length]


def serve() -> None:
    """Encode texts in the model, and of the length, that the command line names; say of each what is wrong with it."""
    path, length = sys.argv[1], int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        model = Model.load(path, template="llama-guard-3-8b")
    except ModelError as error:
        print(f"refused: {str(error)[:200]}", flush=True)
        return
    with model:
        for name, text in texts(length):
            print(f"begin {name}", flush=True)
            start = time.monotonic()
            problem = wrong(model.vocab, text)
            print(f"end {time.monotonic() - start:.2f} {problem or 'ok'}", flush=True)


def wrong(vocab: Vocab, text: str) -> str | None:
    """What is wrong with how a text is encoded, alone and in a prompt."""
    vocab.encode([Segment("User: "), Segment(text, untrusted=True), Segment("\n\n")], follows=True)
    whole = vocab.encode([Segment(text, untrusted=True)])
    if bytes_of(vocab, whole) != text.encode():
        return "the tokens are not the text's"
    short = text[:3000]
    if vocab.encode([Segment(short, untrusted=True)]).tolist() != vocab.encode_text(short).tolist():
        return "a short text is cut"
    return None


def bytes_of(vocab: Vocab, ids: TokenIds) -> bytes:
    """The text that tokens stand for: a byte a symbol."""
    byte_of = {symbol: byte for byte, symbol in enumerate(tiny.byte_symbols())}
    pieces = {token: bytes(byte_of[symbol] for symbol in TOKENS[token]) for token in set(ids)}
    return b"".join(pieces[token] for token in ids)


def tried(folder: Path, tokenizer: str, pretokenizer: str, length: int, *, most: float = SLOW) -> list[str]:
    """What became of a model: "refused", or what went wrong with each text, which may take `most` seconds."""
    path = tiny.write(folder / f"{tokenizer}-{pretokenizer}.gguf", tokenizer=tokenizer, pretokenizer=pretokenizer)
    command = [sys.executable, "-c", CHILD, str(path), str(length)]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            preexec_fn=limit_stack,
            env=os.environ | {"GGML_NO_BACKTRACE": "1"},
        )
        code, told = str(done.returncode), done.stdout
        end = done.stderr.strip().rpartition("\n")[2][:200]
    except subprocess.TimeoutExpired as error:
        code, told, end = "timeout", (error.stdout or b"").decode(), ""
    problems, text = [], "loading"
    slowest = (0.0, "")
    for line in told.splitlines():
        what, _, rest = line.partition(" ")
        if what == "refused:":
            return [line]
        if what == "begin":
            text = rest
        elif what == "end":
            seconds, _, problem = rest.partition(" ")
            slowest = max(slowest, (float(seconds), text))
            if problem != "ok":
                problems.append(f"{text}: {problem}")
    if code != "0":
        problems.append(f"{text}: the process ends with {code} {end}")
    if slowest[0] > most:
        problems.append(f"slow: {slowest[1]}, {slowest[0]:.1f} s")
    return problems


def limit_stack() -> None:
    resource.setrlimit(resource.RLIMIT_STACK, (STACK, resource.getrlimit(resource.RLIMIT_STACK)[1]))


def main(length: int, names: list[str]) -> int:
    """Try each pre-tokenizer, and say of each what is wrong. The exit code: 1 if something is."""
    kinds = [("gpt2", name) for name in names or NAMES]
    kinds += [] if names else [(name, "llama-bpe") for name in OTHER_TOKENIZERS]
    refused = bad = 0
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        found = pool.map(lambda kind: tried(Path(folder), *kind, length), kinds)
        for (tokenizer, name), problems in zip(kinds, found, strict=True):
            is_refused = bool(problems) and problems[0].startswith("refused")
            refused += is_refused
            bad += bool(problems) and not is_refused
            print(f"{tokenizer} {name}: {'; '.join(problems) or 'ok'}", flush=True)
    print(f"{len(kinds)} tokenizers, {refused} refused; {len(UNITS) + 1} texts of {length:,} characters: {bad} bad")
    return 1 if bad else 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["default", "gpt-4o", "deepseek-v3", "tekken"])
def test_no_long_text_ends_the_process(name: str, tmp_path: Path, most_seconds: float) -> None:
    assert tried(tmp_path, "gpt2", name, 60_000, most=most_seconds) == []


def test_a_tokenizer_that_aborts_is_refused(tmp_path: Path) -> None:
    (problem,) = tried(tmp_path, "none", "default", 1000)
    assert problem.startswith("refused: the model's tokenizer 'none' is not supported")


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000, sys.argv[2:]))
