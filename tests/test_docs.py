"""README.md and docs/ are true: every block runs as pasted and prints what stands there, and every link leads on."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from guardcli.judging.verdict_schema import FIELD_NAMES
from guardcli.judging.writers import WRITERS
from guardcli.prompts import TEMPLATES
from guardcli.taxonomy import bundled_taxonomies
from tests import families_page, row_page, settings_page, taxonomy_page, tiny
from tests.cli.test_outputs import OUTPUTS
from tests.doc_blocks import (
    PAGE_TIMEOUT,
    PAGES,
    ROOT,
    SKIPPED,
    Block,
    blocks_of,
    is_output,
    judges_as_on_the_pages,
    outputs_of,
    replace_texts,
    run_page,
)
from tests.doc_outputs import retake
from tests.generated import generated_parts

BLOCKS = {page.relative_to(ROOT).as_posix(): blocks_of(page) for page in PAGES}
ALL_BLOCKS = [block for blocks in BLOCKS.values() for block in blocks]
LINKING = (*PAGES, ROOT / "CHANGELOG.md")
# Of each block that is not run: its page, why, and how it begins.
SKIPPED_BLOCKS = [
    'README.md install: python3 -m venv .venv && CMAKE_ARGS="-DL',
    "README.md download: pip install '.[hub]'",
    'README.md tests: python3 -m venv .venv && CMAKE_ARGS="-DL',
    'CONTRIBUTING.md tests: python3 -m venv .venv && CMAKE_ARGS="-DL',
    "docs/check.md terminal: tail -f chat.log | guard check",
    "docs/check.md system: guard doctor",
    "docs/cluster.md cluster: export RAY_AUTH_MODE=token RAY_USAGE_STA",
    "docs/cluster.md cluster: export RAY_AUTH_MODE=token RAY_USAGE_STA",
    "docs/cluster.md cluster: export RAY_AUTH_MODE=token",
    "docs/cluster.md system: python -m benchmarks.cluster_driver --re",
    "docs/evaluation.md download: guard eval openai_mod.jsonl.gz -t openai",
    "docs/formats.md system: jq -c '{id, prompt: .message}' log.jsonl",
    "docs/install.md download: guard models pull llama-guard-3-1b",
    "docs/install.md download: guard models info llama-guard-3-1b",
    "docs/install.md download: guard check -m llama-guard-3-1b prompts.",
    "docs/paper.md pytorch: python -m recipes.paper DATA OUT",
    "docs/performance.md system: guard doctor -m llama-guard-3-1b",
    "docs/performance.md system: python -m benchmarks.compare --vocabular",
    "docs/performance.md system: python -m benchmarks.host",
    "docs/policy-tests.md terminal: guard taxonomy test policy.yaml --watch ",
    "docs/reproducibility.md system: python -m benchmarks.tolerance --model s",
    "docs/reproducibility.md system: python -m benchmarks.unpacking --prompts",
    "docs/tuning.md pytorch: guard tune train --base SmolLM2-135M-Ins",
    "docs/tuning.md pytorch: python -m benchmarks.tuning --base SmolL",
    "docs/tuning.md pytorch: python -m benchmarks.tuning --base SmolL",
    "docs/tuning.md pytorch: guard tune train --base SmolLM2-135M-Ins",
]
RUN = [name for name, blocks in BLOCKS.items() if any(block.is_run for block in blocks)]


@pytest.mark.slow
@pytest.mark.timeout(PAGE_TIMEOUT + 60)
@pytest.mark.parametrize("page", RUN)
def test_the_blocks_of_a_page_run_as_pasted(page: str, tmp_path: Path) -> None:
    """In a folder with the examples, one after the other, and print what the page shows."""
    shutil.copytree(ROOT / "examples", tmp_path / "guardcli" / "examples")
    runs = run_page(BLOCKS[page], tmp_path / "guardcli", tmp_path / "logs")
    for run in runs:
        assert "Traceback" not in run.stderr, run.block
        assert run.exit_codes == run.block.exit_codes, (str(run.block), run.stderr)
    run_of = {run.block: run for run in runs}
    for block, shown in outputs_of(BLOCKS[page]):
        said = run_of[block].said(shown)
        same = is_output(said, shown.text)
        assert same or not judges_as_on_the_pages(), f"{block} says:\n{said}"


@pytest.mark.slow
def test_the_training_on_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a tiny base instead of SmolLM2, without the benchmark."""
    for library in ("torch", "peft", "transformers"):
        pytest.importorskip(library)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    shutil.copytree(ROOT / "examples", tmp_path / "guardcli" / "examples")
    tiny.write(tmp_path / "guardcli" / "examples" / "SmolLM2-135M-Instruct.Q4_1.gguf", answers=True, chatml=True)
    blocks = [
        replace(block, words=()) if block.skipped == "pytorch" else block
        for block in BLOCKS["docs/tuning.md"]
        if "benchmarks" not in block.text
    ]
    runs = run_page(blocks, tmp_path / "guardcli", tmp_path / "logs")
    for run in runs:
        assert "Traceback" not in run.stderr, run.block
        assert run.exit_codes <= {1}, (str(run.block), run.stderr)  # what a random model finds unsafe is its own affair
    (judged,) = (run.stdout for run in runs if "guard check" in run.block.text)
    assert len(judged.splitlines()) == 5


@pytest.mark.parametrize(
    ("said", "shown", "taken"),
    [
        ("safe 0.10\nunsafe 0.9\n", "safe 0.20\nsafe 0.3\n", "safe 0.10\nunsafe 0.9\n"),
        ("safe 0.10 -\nunsafe 0.9 S1\n", "safe … -\nunsafe 0.3 S9\n", "safe … -\nunsafe 0.9 S1\n"),
        (
            "reading\nTable\n----\nA   0.9\nB   0.8\nseconds 4\nby lang\nde 1.0\nend\n",
            "…\nTable\n-----\nA   0.700\nB   0.1\nseconds …\n…\nde 0.5\n…\n",
            "…\nTable\n----\nA   0.9\nB   0.8\nseconds …\n…\nde 1.0\n…\n",
        ),
        (
            "policy\nid name\nunsafe 0.8 S1 a.txt:1 -\nunsafe 0.6 S9 a.txt:2 -\nsafe 0.1 - a.txt:3 -\n",
            "policy\n…\nsafe 0.1 - a.txt:1 -\nunsafe 0.5 S9 a.txt:2 -\nunsafe 0.9 S1 a.txt:3 -\n",
            "policy\n…\nunsafe 0.8 S1 a.txt:1 -\nunsafe 0.6 S9 a.txt:2 -\nsafe 0.1 - a.txt:3 -\n",
        ),
    ],
    ids=["whole", "in a line", "lines", "to the end"],
)
def test_outputs_are_taken_anew(said: str, shown: str, taken: str) -> None:
    assert not is_output(said, shown)
    assert retake(said, shown) == taken
    assert is_output(said, taken)


def test_a_page_gets_its_new_outputs(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A\n\n```sh\nx\n```\n\n```text output\nold 1\n```\n\nb\n\n```text stderr\n…\nold 2\n```\n\nc\n")
    shown = [block for block in blocks_of(page, tmp_path) if block.language == "text"]
    replace_texts(page, {shown[1]: "…\nnew\n"}, tmp_path)
    assert page.read_text() == (
        "# A\n\n```sh\nx\n```\n\n```text output\nold 1\n```\n\nb\n\n```text stderr\n…\nnew\n```\n\nc\n"
    )


def test_the_first_page_has_a_verdict_a_policy_and_an_audit() -> None:
    text = "".join(block.text for block in BLOCKS["README.md"] if block.is_run)
    for command in ("guard check", "guard taxonomy test", "guard audit"):
        assert command in text


OUTPUT_OPTIONS = {*(option for _, option in OUTPUTS), "--output"}


def written_names(block: Block) -> Iterator[str]:
    """The names of the files and folders that the commands of a block write where they run."""
    lexer = shlex.shlex(block.text.replace("\\\n", " "), posix=True, punctuation_chars="();<>|&\n")
    lexer.whitespace, lexer.whitespace_split = " \t", True
    words = [*lexer]
    command = []
    for word, following in zip(words, [*words[1:], "\n"], strict=True):
        if set(word) <= set(";|&\n()"):
            command = []
            continue
        command.append(word)
        if word in (">", ">>") or (command[0] == "guard" and word in OUTPUT_OPTIONS):
            yield from [following, *([f"{following}.journal"] if command[:2] == ["guard", "audit"] else [])]
        if command[:-1] == ["guard", "taxonomy", "new"]:
            yield from (f"{word}.yaml", "taxonomy.schema.json")


def written_on_the_pages() -> set[str]:
    names = {name for block in ALL_BLOCKS if block.language == "sh" for name in written_names(block)}
    return {name for name in names if not name.startswith("/")}


def test_what_a_block_writes_is_found() -> None:
    text = (
        "guard audit a.jsonl \\\n  -o b.jsonl && guard report b.jsonl --output c.html\n"
        "grep -o x a | guard filter --save-verdicts why.jsonl > d.jsonl\nguard taxonomy new mine --extends x  # > e\n"
    )
    names = ["b.jsonl", "b.jsonl.journal", "c.html", "why.jsonl", "d.jsonl", "mine.yaml", "taxonomy.schema.json"]
    assert [*written_names(Block("x.md", 1, "sh", (), text))] == names
    assert {"unsafe.jsonl", "relaxed.yaml", "alone", "run", "whole.jsonl"} < written_on_the_pages()


def test_what_the_commands_leave_in_the_examples_is_ignored_and_the_examples_are_not(tmp_path: Path) -> None:
    listed = subprocess.run(["git", "ls-files", "examples"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("it needs a clone")
    committed = set(listed.stdout.splitlines())
    assert "examples/chats.jsonl" in committed
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    for name in (".gitignore", "examples/.gitignore"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    for name in ("run", "plain", "second"):
        (tmp_path / "examples" / name).mkdir()
    written = {f"examples/{name}" for name in written_on_the_pages()}
    done = subprocess.run(
        ["git", "check-ignore", "--stdin"],
        cwd=tmp_path, input="\n".join(sorted(committed | written)), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert set(done.stdout.splitlines()) == written - committed


def test_blocks_that_are_not_run_say_why() -> None:
    """Only these are left out; a new one is added here on purpose."""
    skipped = [
        f"{block.page} {block.skipped}: {block.text[:40]}".splitlines()[0] for block in ALL_BLOCKS if block.skipped
    ]
    assert skipped == SKIPPED_BLOCKS


def test_every_word_behind_a_language_is_known() -> None:
    known = {
        *SKIPPED,
        "output",
        "stderr",
        "smol-guard",
        "smol-guard-2",
        *(path.name for path in (ROOT / "examples").iterdir()),
    }
    assert [str(block) for block in ALL_BLOCKS if any(not is_known(word, known) for word in block.words)] == []


def is_known(word: str, known: set[str]) -> bool:
    return word in known or re.fullmatch(r"exit=\d+", word) is not None


def test_shown_files_are_parts_of_the_examples() -> None:
    shown = [block for block in ALL_BLOCKS if block.language in ("yaml", "json") and block.words]
    assert len(shown) >= 2
    for block in shown:
        assert block.text in (ROOT / "examples" / block.words[0]).read_text("utf-8"), str(block)


def test_the_terminal_of_the_readme_shows_an_example() -> None:
    assert "(docs/images/check.svg)" in (ROOT / "README.md").read_text("utf-8")
    shown = (ROOT / "docs" / "images" / "check.svg").read_text("utf-8").replace("&#160;", " ")
    assert ">$ guard check -m smol chats.txt<" in shown
    chats = (ROOT / "examples" / "chats.txt").read_text("utf-8").splitlines()
    places = [shown.find(f"{chat}<") for chat in chats]
    assert places == sorted(places)
    assert min(places) > 0
    assert f"guard: {len(chats)} rows: " in shown


@pytest.mark.parametrize("block", [block for block in ALL_BLOCKS if block.language in ("yaml", "json")], ids=str)
def test_data_on_a_page_can_be_read(block: Block) -> None:
    if block.language == "yaml":
        assert yaml.safe_load(block.text)
    else:
        assert [json.loads(line) for line in block.text.splitlines()]


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 150


def test_both_commands_install_alike() -> None:
    """They differ in what is installed, and in what is run at the end."""
    install, tests = (
        block.text.split(" && ")
        for skipped in ("install", "tests")
        for block in BLOCKS["README.md"]
        if block.skipped == skipped
    )
    assert install[0] == tests[0]
    assert install[1].strip().removesuffix("install '.[smol]'") == tests[1].removesuffix("install -e '.[dev-tune]'")
    assert tests[2].strip() == ".venv/bin/pytest -m 'not perf and not gpu'"


@pytest.mark.parametrize(
    ("pages", "names"),
    [(["taxonomy.md"], bundled_taxonomies()), (["check.md"], WRITERS), (["prompts.md", "families.md"], TEMPLATES)],
    ids=["taxonomies", "writers", "templates"],
)
def test_names_are_on_the_pages(pages: list[str], names: list[str]) -> None:
    text = "".join((ROOT / "docs" / page).read_text("utf-8") for page in pages)
    assert [name for name in names if f"`{name}`" not in text] == []


@pytest.mark.parametrize(
    "page", [families_page, row_page, settings_page, taxonomy_page], ids=lambda page: page.__name__
)
def test_generated_parts_are_not_stale(page: object) -> None:
    """`python -m tests.row_page`, `tests.settings_page`, `tests.taxonomy_page` and `tests.families_page` write them."""
    assert generated_parts(page.PAGE) == [page.generated()]  # type: ignore[attr-defined]


def test_the_table_of_the_row_has_every_field() -> None:
    assert re.findall(r"^\| `(\w+)` \|", row_page.generated(), re.MULTILINE)[: len(FIELD_NAMES)] == list(FIELD_NAMES)


def anchors_of(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and MkDocs make them."""
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", LINKING, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    dead = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = link.partition("#")
        if path.startswith(("http://", "https://")):
            continue
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors_of(target)):
            dead.append(link)
    assert dead == []


def test_every_page_is_linked_from_the_first_one() -> None:
    linked = re.findall(r"\]\((docs/[\w-]+\.md)", (ROOT / "README.md").read_text("utf-8"))
    assert set(linked) == {name for name in BLOCKS if name.startswith("docs/")}


def test_every_page_is_in_the_contents_of_the_site() -> None:
    contents = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))["nav"]
    named = {page for entry in contents for part in entry.values() for page in pages_in(part)}
    there = {path.name for path in (ROOT / "docs").glob("*.md")}
    assert named == there | {"index.md", "CHANGELOG.md", "CONTRIBUTING.md"}


def pages_in(part: str | list[dict[str, str]]) -> list[str]:
    return [part] if isinstance(part, str) else [page for entry in part for page in entry.values()]


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("mkdocs") is None, reason="needs the extra docs")
def test_the_site_builds_and_fetches_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    pages = [*(tmp_path / "site").rglob("*.html")]
    assert len(pages) > len(PAGES)
    for page in pages:
        fetched = re.findall(r"<(?:script|link|img|iframe)\b[^>]*?(?:src|href)=\"(https?:[^\"]+)", page.read_text())
        assert fetched == [], page.name
    for style in (tmp_path / "site").rglob("*.css"):
        assert re.findall(r"(?:url\(|@import )[\"']?https?:", style.read_text()) == [], style.name
