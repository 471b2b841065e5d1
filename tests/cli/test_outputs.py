"""No output of any command is written over something that the run reads, and none is left half written."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import click
import pytest

from guardcli.cli import output
from guardcli.cli.main import cli
from guardcli.errors import OutputError
from tests import tiny
from tests.cli.running import GUARD, environment, guard, launch
from tests.rows import row, write

ROOT = Path(__file__).parent.parent.parent

JUDGING = ["-m", "model.gguf", "--lora", "lora.gguf:0.5"]
POLICY = ["-t", "policy.yaml"]
_JUDGED_BY = ["model.gguf", "lora.gguf", "policy.yaml", "base.yaml"]

# What each option that is an output is given beside it, and the files that the command then reads.
OUTPUTS: dict[tuple[str, str], tuple[list[str], list[str]]] = {
    ("audit", "-o"): (
        ["chats.jsonl", "logs", "--requests", "requests.jsonl", *JUDGING, *POLICY],
        ["chats.jsonl", "logs/a.jsonl", "requests.jsonl", *_JUDGED_BY],
    ),
    ("eval", "--html"): (
        ["set.jsonl", "--verdicts", "rows.jsonl", "--map", "map.json", *JUDGING, *POLICY],
        ["set.jsonl", "rows.jsonl", "map.json", *_JUDGED_BY],
    ),
    ("diff", "-o"): (["rows.jsonl", "set.jsonl"], ["rows.jsonl", "set.jsonl"]),
    ("eval", "-o"): (
        ["set.jsonl", "--verdicts", "rows.jsonl", "--map", "map.json", *JUDGING, *POLICY],
        ["set.jsonl", "rows.jsonl", "map.json", *_JUDGED_BY],
    ),
    ("eval", "--fit-calibration"): (
        ["set.jsonl", "--verdicts", "rows.jsonl", "--map", "map.json", *JUDGING, *POLICY],
        ["set.jsonl", "rows.jsonl", "map.json", *_JUDGED_BY],
    ),
    ("eval", "--save-verdicts"): (
        ["set.jsonl", "--verdicts", "rows.jsonl", "--map", "map.json", *JUDGING, *POLICY],
        ["set.jsonl", "rows.jsonl", "map.json", *_JUDGED_BY],
    ),
    ("filter", "--save-verdicts"): (["chats.jsonl", *JUDGING, *POLICY], ["chats.jsonl", *_JUDGED_BY]),
    ("merge", "-o"): (["rows.jsonl"], ["rows.jsonl", "rows.jsonl.journal"]),
    ("report", "-o"): (["rows.jsonl", "set.jsonl"], ["rows.jsonl", "set.jsonl"]),
    ("taxonomy test", "--junit"): (["policy.yaml", "set.jsonl", *JUDGING], ["set.jsonl", *_JUDGED_BY]),
    ("tune prepare", "-o"): (
        ["set.jsonl", "--exclude", "held.jsonl", "--map", "map.json", "--template", "llama-guard-3-8b", *POLICY],
        ["set.jsonl", "held.jsonl", "map.json", "policy.yaml", "base.yaml"],
    ),
    ("tune train", "-o"): (
        ["--base", "base", "--data", "set.jsonl", "--held-out", "held.jsonl"],
        ["set.jsonl", "held.jsonl"],
    ),
    ("tune export", "-o"): (
        ["run", "--base", "base"],
        [
            "run/checkpoints/step-00000001/adapter_config.json",
            "run/checkpoints/step-00000001/adapter_model.safetensors",
            "base/config.json",
            "base/model.safetensors",
        ],
    ),
}
# The other options that are files or folders.
INPUTS = {
    ("tune export", "--base"),
    ("tune prepare", "--map"),
    ("tune prepare", "--names"),
    ("tune train", "--base"),
    ("tune train", "--data"),
    ("tune train", "--held-out"),
    ("tune train", "--init-from"),
}
TO_STDOUT = {("diff", "-o"), ("eval", "-o"), ("merge", "-o"), ("report", "-o"), ("tune prepare", "-o")}


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files that no command gets as far as reading in earnest: there is no model, and no adapter."""
    monkeypatch.chdir(tmp_path)
    for name in ("logs", "base", "run/checkpoints/step-00000001"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("chats", "logs/a", "requests", "set", "held"):
        (tmp_path / f"{name}.jsonl").write_text('{"prompt": "hi"}\n')
    write(tmp_path / "rows.jsonl", [row(1, 0.1)])
    for name in ("model.gguf", "lora.gguf", "rows.jsonl.journal", "base/model.safetensors"):
        (tmp_path / name).write_text("x")
    (tmp_path / "map.json").write_text("{}")
    (tmp_path / "base.yaml").write_text("name: base\nextends: llama-guard-3\n")
    (tmp_path / "policy.yaml").write_text("name: acme\nextends: base.yaml\n")
    (tmp_path / "base" / "config.json").write_text('{"architectures": ["LlamaForCausalLM"]}')
    checkpoint = tmp_path / "run" / "checkpoints" / "step-00000001"
    (checkpoint / "adapter_config.json").write_text('{"r": 1, "lora_alpha": 1, "peft_type": "LORA"}')
    for name in ("adapter_model.safetensors", "state.pt"):
        (checkpoint / name).write_text("x")
    return tmp_path


def run(command: str, arguments: list[str]) -> object:
    return cli.main([*command.split(), *arguments], standalone_mode=False)


def commands(group: click.Group, path: str = "") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{path}{name} ")
        else:
            yield f"{path}{name}", command


def content(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_every_option_that_is_a_file_is_known_as_an_output_or_as_an_input() -> None:
    files = {
        (name, option.opts[0])
        for name, command in commands(cli)
        for option in command.params
        if isinstance(option, click.Option)
        and option.opts[0] not in ("--extends-root", "--calibration")  # which every command only reads
        and (isinstance(option.type, click.Path | click.File) or {"-o", "--output"} & {*option.opts})
    }
    assert files == OUTPUTS.keys() | INPUTS


def test_commands_write_files_by_the_functions_that_this_holds_for_only() -> None:
    """A command writes by `output.write_result` or `output.VerdictFile`, or into what `atomic_write` gives it."""
    written = set()
    for path in sorted((ROOT / "guardcli" / "cli").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            *on, name = ast.unparse(node.func).rsplit(".", 1)
            modes = {ast.unparse(one).strip("'") for one in (*node.args, *(word.value for word in node.keywords))}
            if (on not in ([], ["output"]) and name in ("write_text", "write_bytes")) or (
                name == "open" and modes & {*MODES}
            ):
                written.add((path.name, *on))
    assert written == {
        ("merge.py", "temporary"),
        ("new.py", "temporary"),
        ("output.py", "temporary"),
        ("output.py", "path"),
    }


def test_every_file_that_is_asked_for_is_reported() -> None:
    """`write_result` and `VerdictFile` report it; what writes in another way calls `report_written`."""
    unreported = set()
    for path in sorted((ROOT / "guardcli" / "cli").rglob("*.py")):
        calls = {
            ast.unparse(node.func)
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, ast.Call)
        }
        writes = {"output.write_file", "atomic_write", "export_gguf", "run_job"} & calls
        if writes and "output.report_written" not in calls and path.name != "output.py":
            unreported.add(path.name)
    assert unreported == {"train.py"}  # which draws curves into the folder of its run


MODES = tuple("".join(mode) for mode in product("wxa", ("", "b", "+", "b+")))


@pytest.mark.parametrize("alias", ["plain", "symlink", "hard link", "other spelling"])
@pytest.mark.parametrize(
    ("command", "option", "arguments", "name"),
    [(*key, arguments, name) for key, (arguments, names) in OUTPUTS.items() for name in names],
)
def test_an_input_as_the_output(
    desk: Path, command: str, option: str, arguments: list[str], name: str, alias: str
) -> None:
    path = {"plain": name, "other spelling": f"logs/../{name}"}.get(alias, "alias")
    if alias == "symlink":
        os.symlink(name, "alias")
    elif alias == "hard link":
        os.link(name, "alias")
    before = content(desk)
    with pytest.raises(OutputError, match=f"^{path} is (an input|the input .*): {option} would write over it$"):
        run(command, [*arguments, option, path])
    assert content(desk) == before


@pytest.mark.parametrize("key", sorted(OUTPUTS.keys() - TO_STDOUT))
def test_an_output_that_is_not_stdout(desk: Path, key: tuple[str, str]) -> None:
    command, option = key
    with pytest.raises((OutputError, click.UsageError), match=r"does not write to stdout|an audit needs a file"):
        run(command, [*OUTPUTS[key][0], option, "-"])
    assert not Path("-").exists()


@pytest.mark.parametrize("key", sorted(OUTPUTS.keys() - {("tune train", "-o")}))
def test_an_output_that_is_a_folder(desk: Path, key: tuple[str, str]) -> None:
    command, option = key
    with pytest.raises(OutputError, match=f"^logs is a folder: {option} writes a file$"):
        run(command, [*OUTPUTS[key][0], option, "logs"])


@pytest.mark.parametrize("name", ["rows.jsonl", "a.jsonl"])
def test_the_file_that_stdin_comes_from(desk: Path, name: str) -> None:
    os.link("rows.jsonl", "a.jsonl")
    before = content(desk)
    with Path("rows.jsonl").open() as stdin:
        done = subprocess.run(
            [*GUARD, "report", "-o", name], stdin=stdin, capture_output=True, env=environment(), timeout=60
        )
    assert done.stderr.decode() == f"guard: {name} is the input -: -o would write over it [output/would-overwrite]\n"
    assert done.returncode == 2
    assert content(desk) == before


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ["report", "rows.jsonl"],
        ["report", "rows.jsonl", "-o", "-"],
        ["report", "rows.jsonl", "-o", "rows.jsonl"],
        ["report", "rows.jsonl", "-o", "/dev/stdout"],
        ["decide", "rows.jsonl", "-t", "llama-guard-3"],
        ["merge", "rows.jsonl", "-o", "-"],
        ["tune", "prepare", "rows.jsonl", "-o", "-", "--template", "llama-guard-3-8b"],
    ],
    ids=" ".join,
)
def test_the_file_that_stdout_goes_to(desk: Path, words: list[str]) -> None:
    """With >> the input would grow as it is read."""
    before = content(desk)
    with Path("rows.jsonl").open("a") as stdout:
        done = subprocess.run([*GUARD, *words], stdout=stdout, stderr=subprocess.PIPE, env=environment(), timeout=60)
    assert (
        done.stderr.decode()
        == "guard: stdout is the input rows.jsonl: the command would write over it [output/would-overwrite]\n"
    )
    assert done.returncode == 2
    assert content(desk) == before


@pytest.mark.parametrize("page", ["out", "./out", "soft", "hard"])
def test_two_outputs_in_one_file(desk: Path, page: str) -> None:
    arguments = OUTPUTS["eval", "-o"][0]
    os.symlink("out", "soft")
    if page == "hard":
        Path("out").write_text("old")
        os.link("out", "hard")
    with pytest.raises(OutputError, match=r"^-o and --save-verdicts would both write out$"):
        run("eval", [*arguments, "-o", page, "--save-verdicts", "out"])
    assert page == "hard" or not Path("out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("key", [("eval", "--html"), ("filter", "--save-verdicts"), ("taxonomy test", "--junit")])
def test_an_output_in_the_file_that_stdout_goes_to(desk: Path, key: tuple[str, str]) -> None:
    command, option = key
    with Path("out").open("w") as stdout:
        done = subprocess.run(
            [*GUARD, *command.split(), *OUTPUTS[key][0], option, "out"],
            stdout=stdout, stderr=subprocess.PIPE, env=environment(), timeout=60,
        )  # fmt: skip
    refusal = f"guard: stdout goes to out already: {option} would write over it [output/would-overwrite]\n"
    assert done.stderr.decode().endswith(refusal)  # the old name of an option is told before
    assert done.returncode == 2


def test_what_is_no_regular_file_is_not_written_over(desk: Path) -> None:
    output.check_output_files({"--html": Path("/dev/null"), "--save-verdicts": Path("/dev/null")}, ["/dev/null"])


def test_all_files_of_a_split_model_are_inputs(desk: Path) -> None:
    for number in (1, 2):
        Path(f"split-0000{number}-of-00002.gguf").write_text("x")
    with pytest.raises(OutputError, match=r"^split-00002-of-00002.gguf is an input"):
        run(
            "filter", ["-m", "split-00001-of-00002.gguf", "--save-verdicts", "split-00002-of-00002.gguf", "chats.jsonl"]
        )


def test_the_model_and_the_policy_of_the_environment_are_inputs(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUARD_MODEL", "model.gguf")
    monkeypatch.setenv("GUARD_TAXONOMY", "policy.yaml")
    for name, words in product(
        ("model.gguf", "base.yaml"),
        (["filter", "--save-verdicts"], ["eval", "--html"], ["eval", "--save-verdicts"], ["audit", "-o"]),
    ):
        with pytest.raises(OutputError, match=f"^{name} is an input"):
            run(words[0], ["set.jsonl", words[1], name])


def test_what_an_audit_writes_beside_its_output(desk: Path) -> None:
    os.rename("chats.jsonl", "chats.journal")
    with pytest.raises(OutputError, match=r"^chats.journal is an input: -o would write over it$"):
        run("audit", ["chats.journal", "-o", "chats", *JUDGING])
    assert not Path("chats").exists()


@pytest.mark.parametrize("name", ["run.json", "log.jsonl"])
def test_what_a_training_writes_into_its_folder(desk: Path, name: str) -> None:
    os.rename("set.jsonl", f"run/{name}")
    before = content(desk)
    with pytest.raises(OutputError, match=f"^run/{name} is an input: -o would write over it$"):
        run("tune train", ["--base", "base", "--data", f"run/{name}", "-o", "run"])
    with pytest.raises(OutputError, match=r"^base is an input: name another folder with -o$"):
        run("tune train", ["--base", "base", "--data", f"run/{name}", "-o", "base"])
    assert content(desk) == before


@pytest.mark.parametrize("words", [["report", "rows.jsonl"], ["diff", "rows.jsonl", "rows.jsonl"]])
def test_a_file_is_reported_and_stdout_is_not(desk: Path, words: list[str]) -> None:
    assert guard(*words, "-o", "out", cwd=desk).stderr == "guard: wrote out\n"
    assert guard(*words, cwd=desk).stderr == ""


def test_an_older_output_is_replaced_and_a_link_leads_where_it_led(desk: Path) -> None:
    Path("old.html").write_text("old")
    Path("old.html").chmod(0o604)
    os.symlink("old.html", "page.html")
    assert guard("report", "rows.jsonl", "-o", "page.html", cwd=desk).returncode == 0
    assert os.readlink("page.html") == "old.html"
    assert Path("old.html").read_text().startswith("<!doctype html>")
    assert Path("old.html").stat().st_mode & 0o777 == 0o604


def small_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))


@pytest.mark.parametrize("there", [True, False])
def test_a_disk_that_is_full_leaves_the_old_page(desk: Path, there: bool) -> None:
    if there:
        Path("page.html").write_text("old")
    before = content(desk)
    done = subprocess.run(
        [*GUARD, "report", "rows.jsonl", "-o", "page.html"],
        capture_output=True, env=environment(), preexec_fn=small_files, timeout=60,
    )  # fmt: skip
    assert done.stderr.decode() == "guard: cannot write page.html: File too large [output/not-written]\n"
    assert done.returncode == 2
    assert content(desk) == before


@pytest.mark.parametrize("path", ["-", "/dev/stdout", None])
def test_a_page_on_stdout(desk: Path, path: str | None) -> None:
    done = launch("report", "rows.jsonl", *([] if path is None else ["-o", path]), cwd=desk)
    named = "" if path is None else f" -o {path}"  # the page names the command that made it
    assert done.stdout.replace(named, "") == guard("report", "rows.jsonl", cwd=desk).stdout
    assert done.stdout.startswith("<!doctype html>")
    assert not Path("-").exists()


def test_a_page_appended_to_the_file_that_stdout_goes_to(desk: Path) -> None:
    Path("page.html").write_text("before\n")
    with Path("page.html").open("a") as stdout:
        subprocess.run([*GUARD, "report", "rows.jsonl", "-o", "/dev/stdout"], stdout=stdout, env=environment())
    assert Path("page.html").read_text().startswith("before\n<!doctype html>")


def test_names_that_are_not_utf_8(desk: Path) -> None:
    names = [os.fsdecode(name) for name in (b"\xff.jsonl", b"\xff.html")]
    shutil.copy("rows.jsonl", names[0])
    assert guard("report", names[0], "-o", names[1], cwd=desk).returncode == 0
    assert Path(names[1]).read_text().startswith("<!doctype html>")
    done = guard("report", names[0], "-o", names[0], cwd=desk)
    assert done.stderr == "guard: \\udcff.jsonl is an input: -o would write over it [output/would-overwrite]\n"


@pytest.mark.parametrize("name", ["acme.yaml", "taxonomy.schema.json"])
def test_a_new_taxonomy_writes_over_nothing(desk: Path, name: str) -> None:
    Path(name).write_text("mine")
    with contextlib.suppress(OutputError):
        run("taxonomy new", ["acme", "--extends", "policy.yaml"])
    assert Path(name).read_text() == "mine"


def test_shards_that_fail_to_merge_leave_nothing_and_those_that_do_not_go_to_stdout(tmp_path: Path) -> None:
    model = tiny.write(tmp_path / "toy.gguf", answers=True, name="Llama Guard 3 (toy)")
    (tmp_path / "a.txt").write_text("hi\n" * 100)
    for number in (1, 2):
        words = ["a.txt", "-o", f"part-{number}", "--shard", f"{number}/2", "-m", model, "-q"]
        guard("audit", *words, "--reproducible", cwd=tmp_path)
    done = guard("merge", "part-1", "part-2", "-o", "-", cwd=tmp_path)
    assert [json.loads(line)["line"] for line in done.stdout.splitlines()] == [*range(1, 101)]
    assert (done.returncode, done.stderr) == (0, "guard: 100 rows of 1 unit in 2 shards\n")
    part = (tmp_path / "part-1").read_text()
    (tmp_path / "part-1").write_text(part.replace('"line":1', '"line":x'))
    before = content(tmp_path)
    done = guard("merge", "part-1", "part-2", "-o", "out", cwd=tmp_path)
    assert "part-1 does not match its journal" in done.stderr
    assert content(tmp_path) == before
