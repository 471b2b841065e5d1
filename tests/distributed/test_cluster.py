"""Audits on imitated nodes: whatever dies, the bytes are those of one machine, or the run is refused with a reason."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

import guardcli
from guardcli import __version__
from guardcli.audit import POISON_MESSAGE
from tests import tiny
from tests.cli.running import GUARD, environment
from tests.distributed.nodes import LOOPBACK, ROOT, Nodes, running_nodes

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed"),
]

RECORDS = 400
SECONDS = "0.02"  # a prompt takes, so that there is a moment to be killed in
LIMIT = 300  # seconds that any wait may take
COMMIT = "c" * 40
ENGINE = ["--template", "llama-guard-3-8b", "--unit-bytes", "4000", "-q"]


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    with running_nodes([1, 1, 1], tmp_path_factory.mktemp("nodes") / "log") as started:
        yield started


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = random.Random(5)
    path = tmp_path_factory.mktemp("cluster") / "data.jsonl"
    lines = [
        "{broken" if number % 31 == 30 else json.dumps({"prompt": "x" * rng.randrange(1, 60) + str(number)})
        for number in range(RECORDS)
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def expected(data: Path, guard_path: Path) -> bytes:
    """The output of one machine."""
    output = data.with_name("whole.jsonl")
    finish(start(data, output, guard_path, "--seconds", "0"))
    return output.read_bytes()


@pytest.fixture
def small_disk() -> Iterator[Callable[[Path], None]]:
    """Creates folders that are file systems of some kilobytes."""
    mounted: list[Path] = []

    def mount(folder: Path) -> None:
        folder.mkdir()
        words = ["mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", str(folder)]
        if shutil.which("mount") is None or subprocess.run(words, capture_output=True).returncode:
            pytest.skip("may not mount a file system")
        mounted.append(folder)

    yield mount
    for folder in mounted:
        subprocess.run(["umount", folder], check=True)


def start(data: Path, output: Path, model: Path, *more: str) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "tests.distributed.audited", str(data), str(output), str(model), *more]
    return subprocess.Popen(
        words, env=environment(**LOOPBACK), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(process: subprocess.Popen[str], code: int = 0) -> str:
    """The messages of a run that ends with a code, and writes nothing to stdout."""
    try:
        stdout, stderr = process.communicate(timeout=LIMIT)
    finally:
        process.kill()
    assert (process.returncode, stdout) == (code, ""), stderr
    return stderr


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def rows_in_parts(output: Path) -> int:
    """How many rows workers have written that are not in the output yet."""
    return sum(part.read_bytes().count(b"\n") for part in output.with_name(f"{output.name}.parts").glob("*.jsonl"))


def guard(*words: str | Path, cwd: Path, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*GUARD, *map(str, words)], cwd=cwd, env=environment(**LOOPBACK, **variables),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_undisturbed_it_gives_the_bytes_and_the_messages_of_one_machine(
    nodes: Nodes, data: Path, guard_path: Path, tmp_path: Path
) -> None:
    """By the command, on llama.cpp."""
    lines = data.read_text().splitlines()
    for number in (390, 60, 61):
        lines[number] = json.dumps({"prompt": "x", f"remark{number % 2}": "text that nobody judges"})
    lines[200] = '{"messages":[{"role":"system","content":"Be kind."},{"role":"user","content":"hi"}]}'
    (tmp_path / "data.jsonl").write_text("\n".join(lines) + "\n")
    words = ["audit", "data.jsonl", "-m", guard_path, "--threads", "1", *ENGINE, "--max-errors", "9%"]
    stderr = finish(guard(*words, "-o", "one.jsonl", cwd=tmp_path))
    assert [line.split(" ")[1] for line in stderr.splitlines()] == [
        "data.jsonl:61:",
        "data.jsonl:62:",
        "data.jsonl:201:",
    ]
    assert finish(guard(*words, "-o", "many.jsonl", "--ray", nodes.address, cwd=tmp_path)) == stderr
    assert (tmp_path / "many.jsonl").read_bytes() == (tmp_path / "one.jsonl").read_bytes()
    assert not (tmp_path / "many.jsonl.parts").exists()
    finish(guard(*words, "-o", "many.jsonl", cwd=tmp_path))  # one machine takes it for its own, and finished


def test_a_worker_that_is_killed_is_replaced(
    nodes: Nodes, data: Path, guard_path: Path, expected: bytes, tmp_path: Path
) -> None:
    output = tmp_path / "out.jsonl"
    process = start(data, output, guard_path, "--ray", nodes.address, "--seconds", SECONDS)
    wait_for(lambda: rows_in_parts(output) > 20, process)
    os.kill(nodes.workers()[0], signal.SIGKILL)
    stderr = finish(process)
    assert stderr.count("lost ") == 1
    assert output.read_bytes() == expected


def test_a_hung_worker_is_replaced(nodes: Nodes, data: Path, guard_path: Path, expected: bytes, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    process = start(data, output, guard_path, "--ray", nodes.address, "--seconds", SECONDS, "--timeout", "5")
    wait_for(lambda: rows_in_parts(output) > 20, process)
    hung = nodes.workers()[0]
    os.kill(hung, signal.SIGSTOP)
    stderr = finish(process)
    assert "nothing was judged for 5 seconds" in stderr
    assert output.read_bytes() == expected
    assert hung not in nodes.workers()


def test_a_node_that_is_killed_is_done_without(
    nodes: Nodes, data: Path, guard_path: Path, expected: bytes, tmp_path: Path
) -> None:
    output = tmp_path / "out.jsonl"
    process = start(data, output, guard_path, "--ray", nodes.address, "--seconds", SECONDS)
    wait_for(lambda: rows_in_parts(output) > 20, process)
    nodes.kill(-1)
    stderr = finish(process)
    nodes.add(1)
    assert "lost " in stderr
    assert output.read_bytes() == expected


def test_a_node_that_joins_late_judges(
    nodes: Nodes, data: Path, guard_path: Path, expected: bytes, tmp_path: Path
) -> None:
    """The node of the first worker goes, so the late one ends the run."""
    output = tmp_path / "out.jsonl"
    nodes.add(4)
    process = start(data, output, guard_path, "--ray", nodes.address, "--seconds", SECONDS, "--threads", "4")
    wait_for(lambda: rows_in_parts(output) > 20, process)
    assert len(nodes.workers()) == 1
    nodes.add(4)
    wait_for(lambda: len(nodes.workers()) == 2, process)
    nodes.kill(-2)
    stderr = finish(process)
    nodes.kill(-1)
    assert (stderr.count("worker on "), stderr.count("lost ")) == (2, 1)
    assert output.read_bytes() == expected


def test_a_full_disk_ends_the_run_which_can_be_resumed(
    nodes: Nodes, data: Path, guard_path: Path, expected: bytes, tmp_path: Path, small_disk: Callable[[Path], None]
) -> None:
    output = tmp_path / "out.jsonl"
    small_disk(tmp_path / "out.jsonl.parts")
    stderr = finish(start(data, output, guard_path, "--ray", nodes.address), 1)
    assert re.search(r"on 127\.0\.0\.1 \(\w+\): cannot write \S+\.parts/\d+\.jsonl\S*: No space left on device", stderr)
    assert expected.startswith(output.read_bytes())
    subprocess.run(["mount", "-o", "remount,size=64m", tmp_path / "out.jsonl.parts"], check=True)
    finish(start(data, output, guard_path, "--ray", nodes.address))
    assert output.read_bytes() == expected


def test_begun_alone_driver_killed_and_ended_alone(
    nodes: Nodes, data: Path, guard_path: Path, expected: bytes, tmp_path: Path
) -> None:
    output = tmp_path / "out.jsonl"
    alone = start(data, output, guard_path, "--seconds", SECONDS)
    wait_for(lambda: output.exists() and output.read_bytes().count(b"\n") > 20, alone)
    alone.kill()
    alone.communicate()
    before = output.read_bytes().count(b"\n")
    driver = start(data, output, guard_path, "--ray", nodes.address, "--seconds", SECONDS)
    wait_for(lambda: output.read_bytes().count(b"\n") > before + 20, driver)
    driver.send_signal(signal.SIGSTOP)
    second = start(data, output, guard_path, "--ray", nodes.address)
    assert "is being written by another run" in finish(second, 1)
    driver.kill()
    driver.communicate()
    assert expected.startswith(output.read_bytes())
    finish(start(data, output, guard_path))
    assert output.read_bytes() == expected


def test_a_driver_that_is_killed_is_run_again(
    nodes: Nodes, data: Path, guard_path: Path, expected: bytes, tmp_path: Path
) -> None:
    output = tmp_path / "out.jsonl"
    driver = start(data, output, guard_path, "--ray", nodes.address, "--seconds", SECONDS)
    wait_for(lambda: rows_in_parts(output) > 60, driver)
    driver.kill()
    driver.communicate()
    finish(start(data, output, guard_path, "--ray", nodes.address))
    assert output.read_bytes() == expected
    assert not output.with_name("out.jsonl.parts").exists()


def test_ctrl_c_leaves_a_run_to_resume(nodes: Nodes, data: Path, guard_path: Path, tmp_path: Path) -> None:
    shutil.copy(data, tmp_path / "data.jsonl")
    words = ["audit", "data.jsonl", "-m", guard_path, "--threads", "1", *ENGINE]
    output = tmp_path / "out.jsonl"
    process = guard(*words, "-o", "out.jsonl", "--ray", nodes.address, cwd=tmp_path)
    wait_for(lambda: rows_in_parts(output) > 0, process)
    process.send_signal(signal.SIGINT)
    assert finish(process, 130) == "guard: stopped by SIGINT; run the same command again to resume\n"
    finish(guard(*words, "-o", "out.jsonl", "--max-errors", "9%", cwd=tmp_path))
    assert output.read_bytes().count(b"\n") == RECORDS


def test_a_record_that_ends_processes_becomes_the_one_error_row(
    nodes: Nodes, data: Path, guard_path: Path, expected: bytes, tmp_path: Path
) -> None:
    output = tmp_path / "out.jsonl"
    deadly = json.loads(data.read_text().splitlines()[130])["prompt"]
    stderr = finish(start(data, output, guard_path, "--ray", nodes.address, "--word", deadly, "--signal", "SIGSEGV"))
    assert f"poison {data}:131 SIGSEGV" in stderr
    changed = [
        json.loads(row)
        for row, before in zip(output.read_bytes().splitlines(), expected.splitlines(), strict=True)
        if row != before
    ]
    assert [(row["line"], row["verdict"], row["error"]) for row in changed] == [(131, "error", POISON_MESSAGE)]


def in_hub(folder: Path, seed: int) -> str:
    """A model in a cache of the hub; the cache."""
    snapshot = folder / "models--some--guard" / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (folder / "models--some--guard" / "refs").mkdir()
    (folder / "models--some--guard" / "refs" / "main").write_text(COMMIT)
    tiny.write(snapshot / "guard.gguf", answers=True, seed=seed, name="Llama Guard 3 (tiny)")
    return str(folder)


def test_another_model_on_a_node_is_refused(nodes: Nodes, data: Path, tmp_path: Path) -> None:
    caches = [in_hub(tmp_path / f"hub-{seed}", seed) for seed in (0, 1)]
    nodes.add(4, HF_HUB_CACHE=caches[0])
    nodes.add(4, HF_HUB_CACHE=caches[1])
    words = ["audit", data, "-m", "hf:some/guard", "--threads", "4", *ENGINE]
    try:
        stderr = finish(guard(*words, "-o", "out.jsonl", "--ray", nodes.address, cwd=tmp_path), 2)
    finally:
        nodes.kill(-1)
        nodes.kill(-1)
    assert re.search(r"the worker on 127\.0\.0\.1 \(\w+\) differs from the one on 127\.0\.0\.1 \(\w+\):", stderr)
    assert "the files of the model or of its adapters differ: copy the same files to both" in stderr
    assert "[cluster/workers-differ]" in stderr


def test_a_node_without_the_model_is_refused(nodes: Nodes, data: Path, tmp_path: Path) -> None:
    nodes.add(4, HF_HUB_CACHE=in_hub(tmp_path / "hub", 0))
    nodes.add(4, HF_HUB_CACHE=str(tmp_path / "empty"))
    words = ["audit", data, "-m", "hf:some/guard", "--threads", "4", *ENGINE]
    try:
        stderr = finish(guard(*words, "-o", "out.jsonl", "--ray", nodes.address, cwd=tmp_path), 2)
    finally:
        nodes.kill(-1)
        nodes.kill(-1)
    assert re.match(r"guard: on 127\.0\.0\.1 \(\w+\): hf:some/guard is not in the local cache: get it with", stderr)
    assert "[model/not-found]" in stderr


@pytest.mark.parametrize(
    ("module", "old", "new", "message"),
    [
        ("judging/decision.py", "\nfrom ", "\n\nfrom ", "guardcli has other modules than where the audit was "),
        ("__init__.py", f'"{__version__}"', '"9.9.9"', f"guardcli is 9.9.9, and {__version__} where the audit was "),
    ],
    ids=["edited", "version"],
)
def test_another_guardcli_on_a_node_is_refused(
    nodes: Nodes, data: Path, guard_path: Path, tmp_path: Path, module: str, old: str, new: str, message: str
) -> None:
    package = tmp_path / "other" / "guardcli"
    shutil.copytree(Path(guardcli.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / module).write_text((package / module).read_text().replace(old, new, 1))
    nodes.add(4, PYTHONPATH=str(package.parent))
    words = ["audit", data, "-m", guard_path, "--threads", "4", *ENGINE]
    try:
        stderr = finish(guard(*words, "-o", "out.jsonl", "--ray", nodes.address, cwd=tmp_path), 2)
    finally:
        nodes.kill(-1)
    assert f"{message}started: install the same on all nodes [cluster/workers-differ]" in stderr


def test_more_than_any_node_has_is_refused(nodes: Nodes, data: Path, guard_path: Path, tmp_path: Path) -> None:
    words = ["audit", data, "-m", guard_path, "-o", "out.jsonl", "--threads", "64", *ENGINE, "--ray", nodes.address]
    stderr = finish(guard(*words, cwd=tmp_path), 2)
    assert re.fullmatch(  # nodes that a test before has ended may still count
        r"guard: a worker takes 64 CPUs \(--threads\), and no node of the cluster has so much: "
        r"the largest one has \d CPUs \[cluster/too-small\]\n",
        stderr,
    )
    assert not (tmp_path / "out.jsonl").exists()


def test_workers_share_gpus_and_say_that_llama_cpp_cannot_use_them(
    nodes: Nodes, data: Path, guard_path: Path, expected: bytes, tmp_path: Path
) -> None:
    """Ray counts GPUs that are not there: of two, each worker takes a half, on the one node that has any."""
    output = tmp_path / "out.jsonl"
    nodes.add(8, gpus=2)
    process = start(data, output, guard_path, "--ray", nodes.address, "--seconds", SECONDS, "--gpus", "0.5")
    wait_for(lambda: len(nodes.workers()) == 4, process)
    stderr = finish(process)
    nodes.kill(-1)
    ready = re.findall(r"worker on (.*)", stderr)
    assert len(set(ready)) == 1
    assert len(ready) <= 4
    assert stderr.count("workers are given GPUs, and their llama-cpp-python cannot use them: ") == 1
    assert output.read_bytes() == expected


def listening(session: int) -> list[str]:
    """The addresses on which the processes of a session listen, with their ports."""
    lines = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True, check=True).stdout.splitlines()
    pids = {pid for name in os.listdir("/proc") if name.isdecimal() and _session(pid := int(name)) == session}
    return [line.split()[3] for line in lines if pids & set(map(int, re.findall(r"pid=(\d+)", line)))]


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return 0


@pytest.mark.skipif(shutil.which("ss") is None, reason="needs ss")
def test_a_local_cluster_listens_on_loopback_only_and_leaves_nothing(
    data: Path, guard_path: Path, expected: bytes, tmp_path: Path
) -> None:
    output = tmp_path / "out.jsonl"
    before = {path.name for path in Path("/tmp").glob("guard-ray-*")}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.distributed.audited", str(data), str(output), str(guard_path), "--ray", "local",
         "--seconds", SECONDS],
        env=environment(HOME=str(tmp_path)), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    wait_for(lambda: rows_in_parts(output) > 0, process)
    addresses = listening(process.pid)
    finish(process)
    assert len(addresses) >= 3
    assert {re.sub(r"^\[?(?:::ffff:)?([\d.]+)\]?:\d+$", r"\1", address) for address in addresses} == {"127.0.0.1"}
    assert output.read_bytes() == expected
    assert {path.name for path in Path("/tmp").glob("guard-ray-*")} <= before
