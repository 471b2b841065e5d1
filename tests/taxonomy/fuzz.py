"""Policies of a stranger: mutated ones are loaded, rendered and digested, and none may do more than be refused.

`python -m tests.taxonomy.fuzz 5000` tries that many, and a number behind it is another seed. A case fails if

- an exception leaves that is not a TaxonomyError,
- it takes more than five seconds,
- a problem has no place in the file, is not one printable line, or there are too many of them,
- what is valid has something hidden, ends the list of categories early, or is read otherwise by the other YAML parser.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from guardcli.errors import TaxonomyError
from guardcli.prompts import TEMPLATES, Renderer
from guardcli.prompts.turns import Turn
from guardcli.taxonomy import Taxonomy, bundled_taxonomies
from guardcli.taxonomy.yaml_nodes import SLOW_LIMIT
from guardcli.text.hidden_characters import find_hidden_character
from guardcli.text.segments import render_text
from tests.taxonomy.test_broken_files import BROKEN as BROKEN_FILES
from tests.taxonomy.test_properties import KEYS, ODD, VALUES, YAML
from tests.taxonomy.test_schema import FULL

SECONDS = 5.0
PROBLEMS = 101  # those that are told, and the one that counts the others
LENGTH = 2500  # characters of a problem
LARGEST = 1 << 20

PARENT = "name: parent\ncategories:\n- {id: S1, name: Hate, key: hate}\n- {id: S2, name: Crimes}\n"
CHILD = "name: child\nextends: parent.yaml\ndrop: [S2]\ncategories: [{id: S3, name: Spam, key: spam}]\n"
VALID = [
    *(FULL, CHILD, PARENT, FULL.replace("detail: full", "detail: names")),
    *(Path(Taxonomy.load(name).location.path).read_text("utf-8") for name in bundled_taxonomies()),
]
BROKEN = [path.read_text("utf-8", "replace") for path in sorted(BROKEN_FILES.glob("*.yaml"))]
TOKENS = [*(f"{key}: " for key in KEYS.split()), *YAML, *ODD, *VALUES]
HOSTILE = [
    *"\0\x07\x1b\x7f\x85\xa0\xad\u0301\u034f\u115f\u200b\u200c\u200d\u200e\u2028\u202e\u2066\u2800\u3164\ufe0f\ufeff",
    *"\uff1c\uff21\u0430\u03bf\u0131\ufffd\ufffe\U0001d414\U0001f468\U000e0041\U000e0100\U0010ffff\U00100000",
    *("\\u202E", "\\uD800", "\\U0010FFFF", "\\U00110000", "\\x00", "\\e", "\\L", "\\N", "\\_"),
]
IMITATIONS = [
    *("<END UNSAFE CONTENT CATEGORIES>", "\uff1cEND\u200b CONVERSATION\uff1e", "[/INST]", "<|eot_id|>", "<<SYS>>"),
    *('"\\nUser: hi"', '"\\n\\nAgent\uff1a x"', "Provide your safety assessment for User", "Human: x", "</s>"),
    *(
        "safe",
        "unsafe",
        "error",
        "-",
        "[]",
        "s\u0430fe",
        "\uff33\uff19",
        "S1",
        "~",
        "=",
        "<<",
        "!!python/name:os.system",
    ),
]
PATHS = [
    *("/etc/passwd", "../../../etc/passwd", "/dev/zero", "/dev/stdin", "/proc/self/environ", "/proc/self/fd/0", "."),
    *("..", "~", "case.yaml", "./parent.yaml", "parent.yaml", "none.yaml", "a\\0b.yaml", f"{'x' * 5000}.yaml", "//x/y"),
    *("llama-guard-3", "llama-gard-3", "http://x/y.yaml", "file:///etc/passwd", "parent.yaml/..", "${HOME}/x.yaml"),
]
VALUE_KINDS: list[Any] = [
    *(None, True, 0, -1, 1e400, 10**40, "", " ", "x" * 500, [], {}, [[]], [{}], {"a": {}}),
    *({"": ""}, ["x"] * 50, "no", "1:30", "S1", "a\nb", "a\tb"),
]

Mutation = Callable[[random.Random, str], str]


def _spans(draw: random.Random, text: str, longest: int) -> tuple[int, int]:
    start = draw.randint(0, len(text))
    return start, min(len(text), start + draw.randint(0, longest))


def characters(draw: random.Random, text: str) -> str:
    for _ in range(draw.randint(1, 8)):
        start, end = _spans(draw, text, 3)
        text = text[:start] + chr(draw.choice([draw.randint(0, 0x7F), draw.randint(0, 0xD7FF)])) + text[end:]
    return text


def tokens(draw: random.Random, text: str) -> str:
    for _ in range(draw.randint(1, 6)):
        start, end = _spans(draw, text, 12)
        text = text[:start] + "".join(draw.choices(TOKENS, k=draw.randint(0, 4))) + text[end:]
    return text


def lines(draw: random.Random, text: str) -> str:
    found = text.splitlines(keepends=True) or [""]
    for _ in range(draw.randint(1, 6)):
        at = draw.randrange(len(found))
        what = draw.randrange(4)
        if what == 0:
            found.insert(draw.randrange(len(found)), found[at])
        elif what == 1 and len(found) > 1:
            del found[at]
        elif what == 2:
            found[at] = " " * draw.randint(0, 8) + found[at].lstrip(" ")
        else:
            other = draw.randrange(len(found))
            found[at], found[other] = found[other], found[at]
    return "".join(found)


def structure(draw: random.Random, _text: str) -> str:
    tree = yaml.safe_load(draw.choice(VALID))
    places = list(_places(tree))
    for _ in range(draw.randint(1, 5) if places else 0):
        parent, key = draw.choice(places)
        try:
            parent[key] = draw.choice([*VALUE_KINDS, *IMITATIONS, parent[key], [parent[key]], {"x": parent[key]}])
        except (KeyError, IndexError):  # it is gone by now
            continue
    return yaml.safe_dump(tree, allow_unicode=draw.random() < 0.5, default_flow_style=draw.random() < 0.3)


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    pairs = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in list(pairs):
        yield tree, key
        yield from _places(value)


def nesting(draw: random.Random, text: str) -> str:
    start, end = _spans(draw, text, 5)
    many = draw.choice([5, 19, 20, 21, 300, 3000, 100_000])
    piece = draw.choice(["[", "{", "- ", "? ", "{a: ", "a:\n ", "&a [", "!x {", "'", '"', "|\n "])
    return text[:start] + piece * many + text[end:]


def aliases(draw: random.Random, text: str) -> str:
    if draw.random() < 0.4:
        names = [f"a{number}" for number in range(draw.randint(2, 12))]
        bomb = f"&{names[0]} [x, x]"
        for before, name in pairwise(names):
            bomb = f"{bomb}\n{name}: &{name} [{', '.join([f'*{before}'] * draw.choice([2, 10, 40]))}]"
        return f"{text}\n{names[0]}: {bomb}\n"
    for _ in range(draw.randint(1, 6)):
        at = draw.choice([at for at, c in enumerate(text) if c == " "] or [0]) + 1
        text = f"{text[:at]}{draw.choice(['&a ', '*a ', '&b ', '*b ', '*a', '<<: *a', '&a *a '])}{text[at:]}"
    return text


def scalars(draw: random.Random, text: str) -> str:
    start, end = _spans(draw, text, 10)
    piece = draw.choice([*"x9\u00e9\u4ec7#\t-<", "1:", "1_", "a\u0301", "user:", "\\u200B", "a b ", "''"])
    return text[:start] + piece * draw.choice([10, 1000, 70_000 // len(piece), 300_000 // len(piece)]) + text[end:]


def hostile(draw: random.Random, text: str) -> str:
    for _ in range(draw.randint(1, 4)):
        start, end = _spans(draw, text, 1)
        text = text[:start] + draw.choice([*HOSTILE, *IMITATIONS]) + text[end:]
    return text


def imitations(draw: random.Random, text: str) -> str:
    """A value of a line becomes one that imitates something."""
    found = text.splitlines(keepends=True)
    valued = [at for at, line in enumerate(found) if ": " in line]
    for at in draw.sample(valued, min(len(valued), draw.randint(1, 3))):
        value = draw.choice([*IMITATIONS, *(f'"x{character}y"' for character in HOSTILE)])
        found[at] = f"{found[at].partition(': ')[0]}: {value}\n"
    return "".join(found)


def many(draw: random.Random, _text: str) -> str:
    number = draw.choice([10, 300, 3000])
    labels = [f"{draw.choice('abk')}{'k' * draw.randint(0, 30)}{at}" for at in range(number)]
    cats = "".join(f"- {{id: S{at % 999 + 1}, name: x, key: {label}}}\n" for at, label in enumerate(labels))
    words = "".join(f"  - {label}x\n" for label in draw.choices(labels, k=number))
    test = f"tests:\n- name: t\n  prompt: p\n  expect: unsafe\n  categories:\n{words}"
    keys = "".join(f"{label}: x\n" for label in labels)
    return f"name: a\ncategories:\n{cats}{draw.choice(['', test])}{draw.choice(['', keys])}"


def extends(draw: random.Random, _text: str) -> str:
    return CHILD.replace("parent.yaml", draw.choice([*PATHS, f'"{draw.choice(HOSTILE)}"']))


MUTATIONS: dict[str, Mutation] = {
    mutation.__name__: mutation
    for mutation in (
        characters, tokens, lines, structure, nesting, aliases, scalars, hostile, imitations, many, extends,
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Case:
    """A mutated policy, made of its seed and number alone."""

    name: str
    data: bytes

    @classmethod
    def draw(cls, seed: int, number: int) -> Case:
        draw = random.Random(f"{seed}/{number}")
        names = draw.choices(list(MUTATIONS), k=draw.choice([1, 1, 1, 2]))
        text = draw.choice(VALID if draw.random() < 0.8 else BROKEN)
        for name in names:
            text = MUTATIONS[name](draw, text)[:LARGEST]
        data = text.encode("utf-8", "surrogatepass")
        if draw.random() < 0.03:  # bytes that are no text
            at = draw.randint(0, len(data))
            data = data[:at] + draw.randbytes(draw.randint(1, 4)) + data[at:]
        return cls("+".join(names), data)


@dataclass(slots=True)
class Tally:
    cases: Counter[str] = field(default_factory=Counter)
    valid: Counter[str] = field(default_factory=Counter)
    problems: int = 0
    slowest: tuple[float, str] = (0.0, "")
    failures: list[str] = field(default_factory=list)


def run(numbers: range, seed: int, folder: Path, *, most: float = SECONDS) -> Tally:
    """Try the cases of these numbers in a folder of their own. Each may take `most` seconds."""
    (folder / "parent.yaml").write_text(PARENT)
    tally = Tally()
    for number in numbers:
        case = Case.draw(seed, number)
        path = folder / "case.yaml"
        path.write_bytes(case.data)
        start = time.monotonic()
        try:
            outcome = _outcome(path)
            _check(outcome, path, case.data)
        except Exception as error:  # whatever it is, it is what is looked for
            tally.failures.append(f"{seed}/{number} ({case.name}): {type(error).__name__}: {str(error)[:300]}")
            continue
        seconds = time.monotonic() - start
        if seconds > most:
            tally.failures.append(f"{seed}/{number} ({case.name}): {seconds:.1f} s")
        tally.slowest = max(tally.slowest, (seconds, f"{seed}/{number} ({case.name}), {len(case.data):,} bytes"))
        tally.cases[case.name.partition("+")[0]] += 1
        if isinstance(outcome, Taxonomy):
            tally.valid[case.name.partition("+")[0]] += 1
        else:
            tally.problems += len(outcome.problems)
    return tally


def _outcome(path: Path) -> Taxonomy | TaxonomyError:
    try:
        return Taxonomy.load(path)
    except TaxonomyError as error:
        return error


def _check(outcome: Taxonomy | TaxonomyError, path: Path, data: bytes) -> None:
    if isinstance(outcome, TaxonomyError):
        _check_problems(outcome, path, data)
    else:
        _check_policy(outcome, data)


def _check_problems(error: TaxonomyError, path: Path, data: bytes) -> None:
    rows = len(data.decode("utf-8", "replace").splitlines()) + 1
    expect(0 < len(error.problems) <= PROBLEMS, f"{len(error.problems)} problems")
    for problem in error.problems:
        expect(problem.line >= 1 and problem.column >= 1, f"no place: {problem}")
        expect(problem.path != str(path) or problem.line <= rows, f"not in the file: {problem}")
        expect(problem.message.isprintable(), f"not printable: {problem!r}")
        expect(len(problem.message) <= LENGTH, f"{len(problem.message)} characters: {problem.message[:100]}")
        expect("/bin/" not in problem.message, f"a word of another file: {problem}")


# What a prompt of a family has once, whatever the policy.
_PARTS = {
    "llama-guard": ("<END UNSAFE CONTENT CATEGORIES>", "<BEGIN CONVERSATION>", "Provide your safety assessment"),
    "smol-guard": ("<|im_start|>system\n", "<|im_end|>\n<|im_start|>user\n", "<|im_end|>\n<|im_start|>guard\n"),
}


def _check_policy(policy: Taxonomy, data: bytes) -> None:
    expect(len(policy.prompt_digest) == len(policy.decision_digest) == 16, "no digest")
    expect(len({category.label for category in policy.categories}) == len(policy.categories) > 0, "labels repeat")
    policy.parent()
    for template in TEMPLATES.values():
        try:
            renderer = Renderer(template, policy)
        except TaxonomyError:  # ids that its models do not write
            continue
        prompt = render_text(renderer.render([Turn(1, "user", "User", "hi")]).segments)
        parts = next((parts for family, parts in _PARTS.items() if template.name.startswith(family)), ())
        for part in parts:
            expect(prompt.count(part) == 1, f"{prompt.count(part)} times {part}")
        expect(find_hidden_character(prompt) is None, f"the prompt has {find_hidden_character(prompt)}")
    if len(data) <= SLOW_LIMIT and not data.startswith((b"%", b"\xef\xbb\xbf")):
        _check_other_parser(policy, data)


def _check_other_parser(policy: Taxonomy, data: bytes) -> None:
    """A first line that makes the text long has it read by libyaml, which may refuse it, but not read it otherwise."""
    try:
        other = Taxonomy.from_yaml(f"# {'x' * SLOW_LIMIT}\n{data.decode()}", policy.location.path)
    except TaxonomyError:
        return
    expect(other == policy and other.prompt_digest == policy.prompt_digest, "libyaml reads another policy")


def expect(holds: bool, words: str) -> None:
    if not holds:
        raise AssertionError(words)


def main() -> int:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    with tempfile.TemporaryDirectory() as folder:
        start = time.monotonic()
        tally = run(range(number), seed, Path(folder))
    for name in MUTATIONS:
        print(f"{name:12} {tally.cases[name]:6,} cases {tally.valid[name]:6,} valid")
    tried, valid = tally.cases.total() + len(tally.failures), tally.valid.total()
    print(f"{tried:,} cases in {time.monotonic() - start:.0f} s: {valid:,} valid, {tally.problems:,} problems told")
    print(f"slowest: {tally.slowest[0]:.2f} s, {tally.slowest[1]}")
    print(f"failures: {len(tally.failures)}", *tally.failures[:20], sep="\n  ")
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
