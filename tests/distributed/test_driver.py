"""The driver with workers in this process: what it does when they die, hang, differ or fail."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from guardcli import EngineConfig, JudgeConfig, ModelConfig, Taxonomy
from guardcli.audit import POISON_MESSAGE, AuditJob, AuditObserver, Interrupted, Interrupts, Shard
from guardcli.audit.auditing import run_job
from guardcli.audit.journal import Journal, PoisonRecord, peek_manifest
from guardcli.audit.progress import AuditPreparation
from guardcli.distributed import ClusterConfig, PoolSize
from guardcli.distributed.driver import MAX_DEATHS, MAX_FAILED_STARTS, Driver
from guardcli.distributed.joined_output import JoinedOutput
from guardcli.distributed.parts import PartsFolder
from guardcli.distributed.proof import Proof
from guardcli.distributed.task import UnitCounts, UnitReport, UnitTask
from guardcli.distributed.unit_notes import notes_path
from guardcli.distributed.worker import Worker
from guardcli.distributed.workers import Event, UnitCounted, UnitEnded, WorkerDied, WorkerProved, WorkerRefused
from guardcli.errors import ClusterError, GuardError, InputError, OutputError
from guardcli.formats import ReadOptions, Remark, RemarkCollector
from guardcli.judging.reader import read_verdicts
from guardcli.judging.summary import summarize
from guardcli.judging.summary_json import to_json
from tests.distributed.fake_opener import FakeOpener


@dataclass
class Pool:
    """Workers that judge when they are asked. `before` sees each task first, and may give an event instead.

    `clock` is a time that goes on by a second with each `wait`.
    """

    job: AuditJob
    num_workers: int = 2
    before: Callable[[UnitTask], Event | None] = lambda task: None
    show: Callable[[int, Proof], Event | None] = lambda worker, proof: None
    clock: float = 0.0
    workers: dict[int, Worker] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    killed: list[int] = field(default_factory=list)
    started: int = 0
    stopped: bool = False
    tasks: list[UnitTask] = field(default_factory=list)

    def size(self) -> PoolSize:
        return PoolSize(self.num_workers, 1, 0)

    def start(self) -> int:
        number, self.started = self.started, self.started + 1
        worker = self.workers[number] = Worker(".", self.job, f"node-{number}")
        proof = worker.prove()
        self.events.append(self.show(number, proof) or WorkerProved(number, proof))
        return number

    def judge(self, worker: int, task: UnitTask) -> None:
        self.tasks.append(task)
        event = self.before(task)
        if isinstance(event, UnitCounted):  # and nothing more
            self.events.append(replace(event, worker=worker))
        else:
            event = event or UnitEnded(worker, self.workers[worker].judge(task))
            self.events.append(replace(event, worker=worker))

    def kill(self, worker: int) -> None:
        self.killed.append(worker)

    def stop(self) -> None:
        self.stopped = True

    def wait(self, seconds: float) -> Sequence[Event]:
        self.clock += 1
        events, self.events = self.events, []
        return events


class Notes(AuditObserver):
    def __init__(self) -> None:
        self.lost: list[str] = []
        self.remarks: list[Remark] = []

    def on_remark(self, remark: Remark) -> None:
        self.remarks.append(remark)

    def on_worker_lost(self, node: str, reason: str) -> None:
        self.lost.append(f"{node}: {reason}")


@pytest.fixture
def job(guard_path: Path, tmp_path: Path) -> AuditJob:
    (tmp_path / "data.jsonl").write_text("".join(f'{{"prompt":"question {n:03}"}}\n' for n in range(60)))
    (tmp_path / "more.json").write_text('[{"prompt":"one"},\n{"prompt":"two"}]\n')
    (tmp_path / "empty.txt").write_text("")
    opener = FakeOpener(
        ModelConfig(str(guard_path), template="llama-guard-3-8b"),
        Taxonomy.load("llama-guard-3"),
        JudgeConfig(),
        EngineConfig(threads=1),
        None,
        seconds=0.0,
    )
    return AuditJob(
        inputs=tuple(str(tmp_path / name) for name in ("data.jsonl", "empty.txt", "more.json")),
        output=tmp_path / "out.jsonl",
        open_guard=opener,
        read_options=ReadOptions(),
        unit_bytes=300,
        block_tokens=400,
    )


@pytest.fixture
def expected(job: AuditJob) -> bytes:
    output = job.output.with_name("one.jsonl")
    run_job(replace(job, output=output), shard=Shard(), observer=AuditObserver())
    return output.read_bytes()


def drive(pool: Pool, *, observer: AuditObserver | None = None, **cluster: float) -> None:
    """Run an audit to its end, which gives the summary of all its rows."""
    job = pool.job
    sources = job.read_sources(job.find_files(), AuditPreparation())
    summary = Driver(
        job,
        sources,
        job.split(sources),
        pool,
        config=ClusterConfig("local", **cluster),  # type: ignore[arg-type]
        observer=observer or AuditObserver(),
        interrupts=Interrupts(),
        now=lambda: pool.clock,
    ).run()
    assert to_json(summary) == to_json(summarize(read_verdicts(str(job.output))))


def test_units_are_joined_into_the_output_of_one_machine(job: AuditJob, expected: bytes) -> None:
    pool = Pool(job)
    drive(pool)
    assert [task.number for task in pool.tasks] == list(range(7))
    assert job.output.read_bytes() == expected
    assert not job.output.with_name("out.jsonl.parts").exists()
    assert peek_manifest(job.output) == peek_manifest(job.output.with_name("one.jsonl"))
    run_job(job, shard=Shard(), observer=AuditObserver())  # nothing is left for one machine
    assert job.output.read_bytes() == expected


def test_parts_are_kept_if_asked_for(job: AuditJob, expected: bytes) -> None:
    drive(Pool(job), keep_parts=True)
    parts = sorted(job.output.with_name("out.jsonl.parts").glob("*.jsonl"))
    assert b"".join(part.read_bytes() for part in parts) == expected


def test_a_task_holds_no_text_and_does_not_grow_with_the_input(job: AuditJob) -> None:
    pool = Pool(job)
    drive(pool)
    assert {task.unit.source.cuts for task in pool.tasks} == {()}
    assert {frozenset(task.manifest) for task in pool.tasks} == {frozenset({"audit", "unit", "start", "kind"})}


@pytest.mark.parametrize("judged", [False, True], ids=["before", "after"])
def test_the_unit_of_a_worker_that_dies_is_for_another_one(job: AuditJob, expected: bytes, *, judged: bool) -> None:
    deaths: set[int] = set()

    def die_once(task: UnitTask) -> Event | None:
        if task.number in deaths or task.number % 3:
            return None
        deaths.add(task.number)
        if judged:
            Worker(".", job, "elsewhere").judge(task)
        return WorkerDied(0, "killed")

    pool, notes = Pool(job, before=die_once), Notes()
    drive(pool, observer=notes)
    assert [line.partition(": ")[2] for line in notes.lost] == ["killed"] * 3
    assert job.output.read_bytes() == expected


def test_a_unit_in_which_workers_die_again_and_again_ends_the_run(job: AuditJob) -> None:
    pool = Pool(job, before=lambda task: WorkerDied(0, "killed") if task.number == 2 else None)
    with pytest.raises(
        ClusterError, match=rf"{MAX_DEATHS} workers died .*data\.jsonl, behind line 25: killed"
    ) as ended:
        drive(pool)
    assert ended.value.code == "cluster/workers-lost"
    assert job.output.read_bytes().count(b"\n") == 24


def test_workers_that_die_before_they_have_loaded_the_model_end_the_run(job: AuditJob) -> None:
    pool = Pool(job, show=lambda worker, proof: WorkerDied(worker, "out of memory"))
    with pytest.raises(ClusterError, match=r"6 workers died while they loaded the model: out of memory"):
        drive(pool)
    assert pool.num_workers + MAX_FAILED_STARTS + 1 == 6
    assert not job.output.exists()


def test_a_worker_that_hangs_is_replaced(job: AuditJob, expected: bytes) -> None:
    hung: list[int] = []

    def hang_once(task: UnitTask) -> Event | None:
        if task.number == 1 and not hung:
            hung.append(task.number)
            return UnitCounted(0, UnitCounts(rows=3, activity=(3,)))
        return None

    pool, notes = Pool(job, before=hang_once), Notes()
    drive(pool, observer=notes, worker_timeout=5)
    assert (pool.killed, notes.lost) == ([1], ["node-1: nothing was judged for 5 seconds"])
    assert job.output.read_bytes() == expected


def test_a_node_that_joins_late_gets_a_worker_and_one_that_leaves_is_done_without(
    job: AuditJob, expected: bytes
) -> None:
    @dataclass
    class Growing(Pool):
        def size(self) -> PoolSize:
            if self.clock > 20:
                raise ClusterError("no node is left", code="cluster/too-small")
            return PoolSize(1 if self.clock < 5 else 2, 1, 0)

    working: list[int] = []

    def slowly(task: UnitTask) -> Event | None:
        pool.clock += 4
        working.append(pool.started)
        return None

    pool = Growing(job, before=slowly)
    drive(pool)
    assert (working[0], working[-1]) == (1, 2)
    assert job.output.read_bytes() == expected


def test_a_part_that_is_locked_is_tried_again(job: AuditJob, expected: bytes) -> None:
    """A worker that was taken for dead still writes it for a while."""
    tries: list[int] = []

    def locked(task: UnitTask) -> Event | None:
        tries.append(task.number)
        if task.number == 1 and tries.count(1) == 1:
            with Journal(Path(task.part), task.manifest):
                return UnitEnded(0, Worker(".", job, "node").judge(task))
        return None

    drive(Pool(job, before=locked))
    assert tries.count(1) == 2
    assert job.output.read_bytes() == expected


def test_an_error_names_the_node(job: AuditJob) -> None:
    full = OutputError("cannot write x: No space left on device", code="output/not-written")
    pool = Pool(job, before=lambda task: UnitEnded(0, UnitReport(number=task.number, error=full)))
    with pytest.raises(OutputError, match=r"on node-0: cannot write x: No space") as raised:
        drive(pool)
    assert raised.value.code == "output/not-written"
    assert pool.stopped


def test_a_worker_that_cannot_be_used_ends_the_run(job: AuditJob) -> None:
    missing = InputError("x.gguf: no such file", code="input/not-found")
    with pytest.raises(GuardError, match=r"on elsewhere: x\.gguf: no such file"):
        drive(Pool(job, show=lambda worker, proof: WorkerRefused(worker, "elsewhere", missing) if worker else None))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"files": ("0" * 64,)}, "the files of the model or of its adapters differ"),
        ({"probe": "0" * 64}, "the scores of the probe differ in their last digits"),
    ],
)
def test_workers_that_differ_are_refused(job: AuditJob, change: dict[str, object], message: str) -> None:
    def show(worker: int, proof: Proof) -> Event | None:
        return WorkerProved(worker, replace(proof, **change)) if worker else None  # type: ignore[arg-type]

    with pytest.raises(ClusterError) as raised:
        drive(Pool(job, show=show))
    assert raised.value.lines[0] == "the worker on node-1 differs from the one on node-0:"
    assert message in raised.value.lines[1]
    assert not job.output.exists() or not job.output.read_bytes()


def other_hardware(proof: Proof, *, probe: str = "0" * 64) -> Proof:
    llama_cpp = {**proof.manifest["llama_cpp"], "features": "another processor"}
    return replace(proof, manifest={**proof.manifest, "llama_cpp": llama_cpp}, probe=probe)


def test_mixed_workers_are_allowed_and_their_kinds_named(job: AuditJob, expected: bytes) -> None:
    def show(worker: int, proof: Proof) -> Event | None:
        return WorkerProved(worker, other_hardware(proof)) if worker else None

    pool = Pool(job, show=show)
    drive(pool, mixed=True)
    manifest = peek_manifest(job.output)
    assert manifest is not None
    assert sorted(kind["features"] == "another processor" for kind in manifest["kinds"]) == [False, True]
    assert len({task.manifest["kind"] for task in pool.tasks}) == 2
    assert job.output.read_bytes() == expected  # the fake engine gives the same scores everywhere
    drive(Pool(job, show=lambda worker, proof: WorkerProved(worker, other_hardware(proof))), mixed=True)
    with pytest.raises(OutputError, match=r"belongs to another run"):
        drive(Pool(job, show=lambda worker, proof: WorkerProved(worker, other_hardware(proof, probe="1"))), mixed=True)


def test_a_late_worker_of_another_kind_is_refused_among_mixed_ones(job: AuditJob) -> None:
    def show(worker: int, proof: Proof) -> Event | None:
        return WorkerProved(worker, other_hardware(proof, probe=str(worker))) if worker else None

    pool = Pool(job, show=show, before=lambda task: WorkerDied(0, "killed") if task.number == 1 else None)
    with pytest.raises(ClusterError, match=r"it is of a kind that the run did not begin with"):
        drive(pool, mixed=True)


def test_reproducible_workers_may_have_other_processors_if_they_score_alike(job: AuditJob) -> None:
    engine = EngineConfig(threads=1, reproducible=True)
    job = replace(job, open_guard=replace(job.open_guard, engine=engine))

    def alike(worker: int, proof: Proof, *, other: int = 1) -> Event | None:
        return WorkerProved(worker, other_hardware(proof, probe=proof.probe)) if worker == other else None

    def unlike(worker: int, proof: Proof) -> Event | None:
        return WorkerProved(worker, other_hardware(proof)) if worker else None

    drive(Pool(job, show=alike))
    # Resumed with the other worker first, it is still the same run.
    drive(Pool(job, show=lambda worker, proof: alike(worker, proof, other=0)))
    with pytest.raises(ClusterError, match=r"llama\.cpp's build was"):
        drive(Pool(replace(job, output=job.output.with_name("other.jsonl")), show=unlike))


def test_an_interrupted_run_lets_workers_end_and_can_be_resumed(job: AuditJob, expected: bytes) -> None:
    def interrupt(task: UnitTask) -> Event | None:
        if task.number == 5:
            raise Interrupted(2)
        return None

    pool = Pool(job, before=interrupt)
    with pytest.raises(Interrupted):
        drive(pool)
    assert pool.stopped
    assert 0 < job.output.read_bytes().count(b"\n") < 60
    pool = Pool(job)
    drive(pool)
    assert pool.tasks[0].number > 0
    assert job.output.read_bytes() == expected


def test_a_run_that_one_machine_began_inside_a_unit_is_ended(job: AuditJob, expected: bytes) -> None:
    class Stop(AuditObserver):
        def watch(self, records):  # type: ignore[no-untyped-def]
            for record in records:
                if record.key.line == 20:
                    raise Interrupted(2)
                yield record

    with pytest.raises(Interrupted):
        run_job(job, shard=Shard(), observer=Stop())
    begun = job.output.read_bytes().count(b"\n")
    assert 12 < begun < 20
    pool = Pool(job)
    drive(pool)
    assert (pool.tasks[0].number, pool.tasks[0].start) == (1, begun + 1)
    assert job.output.read_bytes() == expected


def test_a_part_that_was_changed_is_refused(job: AuditJob) -> None:
    def change(task: UnitTask) -> Event | None:
        report = Worker(".", job, "node").judge(task)
        part = Path(task.part)
        if task.number == 1:
            part.write_bytes(part.read_bytes().replace(b'"safe"', b'"SAFE"').replace(b'"unsafe"', b'"UNSAFE"'))
        return UnitEnded(0, report)

    with pytest.raises(OutputError, match=r"000001\.jsonl does not match its journal"):
        drive(Pool(job, before=change))
    assert job.output.read_bytes().count(b"\n") == 12


def test_parts_of_another_run_are_refused(job: AuditJob) -> None:
    parts = job.output.with_name("out.jsonl.parts")
    parts.mkdir()
    with Journal(parts / "000000.jsonl", {"audit": "another"}):
        pass
    with pytest.raises(OutputError, match=r"out\.jsonl\.parts holds parts of another run: remove the folder"):
        drive(Pool(job))


def test_another_file_on_a_node_is_refused(job: AuditJob) -> None:
    def rewrite(task: UnitTask) -> Event | None:
        path = Path(task.unit.source.path)
        path.write_bytes(path.read_bytes())
        return None

    with pytest.raises(InputError, match=r"has another size or time than where the audit was started"):
        drive(Pool(job, before=rewrite))


def test_poison_records_of_parts_become_error_rows_and_are_noted_in_the_journal(job: AuditJob) -> None:
    def find_poison(task: UnitTask) -> Event | None:
        if task.number == 1:
            with Journal(Path(task.part), task.manifest) as journal:
                journal.add_poison_record(PoisonRecord(0, 14, None, "SIGSEGV"))
                journal.end_isolation()
        return None

    drive(Pool(job, before=find_poison))
    rows = [json.loads(line) for line in job.output.read_text().splitlines()]
    assert [(row["line"], row["error"]) for row in rows if row["verdict"] == "error"] == [(14, POISON_MESSAGE)]
    entries = [json.loads(line) for line in job.output.with_name("out.jsonl.journal").read_text().splitlines()]
    assert [entry["guilty"] for entry in entries if "guilty" in entry] == [
        {"unit": 1, "line": 14, "part": None, "signal": "SIGSEGV"}
    ]


def test_remarks_on_records_are_those_of_one_machine_wherever_workers_die(job: AuditJob) -> None:
    """The first worker of a unit dies in it, and the next one resumes it."""
    lines = [
        json.dumps(
            {"prompt": f"question {n}"} | ({f"remark_{n}": "a sentence that nobody judges"} if n in notable else {})
        )
        for notable in [{2, 3, 20, 21, 40}]
        for n in range(60)
    ]
    Path(job.inputs[0]).write_text("\n".join(lines) + "\n")
    job = replace(job, unit_bytes=1000, block_tokens=200)
    deadly = {0: "question 15", 1: "question 45"}

    def die_inside(task: UnitTask) -> Event | None:
        word = deadly.pop(task.number, None)
        if word is None:
            return None
        opener = replace(job.open_guard, word=word, signal=signal.SIGINT)  # type: ignore[call-arg]
        worker = Worker(".", replace(job, open_guard=opener), "node")
        worker.prove()
        with pytest.raises(KeyboardInterrupt):
            worker.judge(task)
        assert Path(task.part).read_bytes()
        return WorkerDied(0, "killed")

    notes = Notes()
    drive(Pool(job, before=die_inside), observer=notes)
    assert not deadly
    whole = RemarkCollector()
    assert len(list(whole.watch(job.read_options.read(list(job.inputs))))) == 62
    assert [remark.name for remark in whole.remarks] == [f"remark_{n}" for n in (2, 3, 20, 21, 40)]
    assert notes.remarks == whole.remarks


def test_notes_of_workers_that_are_gone_or_changed_are_made_of_the_rows(job: AuditJob) -> None:
    """`drive` compares the summary."""

    def spoil(task: UnitTask) -> Event | None:
        report = Worker(".", job, "node").judge(task)
        notes = notes_path(Path(task.part))
        if task.number == 1:
            notes.unlink()
        if task.number == 2:
            notes.write_bytes(notes.read_bytes().replace(b'"safe":', b'"save":'))
        if task.number == 5:
            raise Interrupted(2)
        return UnitEnded(0, report)

    with pytest.raises(Interrupted):
        drive(Pool(job, before=spoil), keep_parts=True)
    drive(Pool(job), keep_parts=True)
    drive(Pool(job))  # it is finished


def test_rows_are_not_read_where_workers_have_noted_them(job: AuditJob) -> None:
    drive(Pool(job), keep_parts=True)
    manifest = peek_manifest(job.output)
    assert manifest is not None
    units = job.split(job.read_sources(job.find_files(), AuditPreparation()))
    with Journal(job.output, manifest) as journal:
        job.output.write_bytes(b"")
        output = JoinedOutput(
            journal, PartsFolder(job.output, manifest), units, observer=AuditObserver(), interrupts=Interrupts()
        )
        output.sum_up()
    assert output.summary.total == 62
