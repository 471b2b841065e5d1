"""One guard for many threads and tasks: each gets its own answers, and nobody waits for ever."""

from __future__ import annotations

import _thread
import asyncio
import gc
import os
import random
import signal
import subprocess
import sys
import threading
import time
import warnings
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

import pytest

import guardcli
from guardcli import EngineConfig, Guard, JudgeConfig, ModelConfig
from guardcli.conversation import Conversation, Key, Malformed, Message, Record
from guardcli.engine.context_engine import ContextEngine
from guardcli.errors import EngineError, ModelError
from guardcli.judging import Verdict
from guardcli.judging.engine_thread import GROUP, LINGER, LOOK_AHEAD
from guardcli.models import Model
from tests.fake import FakeEngine, words

T = TypeVar("T")

THREADS, TASKS = 32, 64
BOUND = 300  # seconds after which a test that hangs fails, on however busy a machine


def number_of(text: str) -> float:
    """P(unsafe) of "… 123": its number, as thousandths."""
    return int(text.split()[-1]) / 1000


def text_of(number: int) -> str:
    return f"question {number}"


def assert_answers(verdicts: list[Verdict], numbers: list[int]) -> None:
    """Each verdict belongs to the question in its place."""
    scores = [verdict.score for verdict in verdicts]
    assert scores == pytest.approx([min(max(number / 1000, 1e-9), 1 - 1e-9) for number in numbers])


def in_threads(count: int, work: Callable[[int], T]) -> list[T]:
    """Results of as many threads, which begin together."""
    barrier = threading.Barrier(count)

    def begin(number: int) -> T:
        barrier.wait(BOUND)
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return [future.result(BOUND) for future in [pool.submit(begin, number) for number in range(count)]]


def in_thread(work: Callable[[], T]) -> Future[T]:
    """The result of a thread that may still be running when the test ends."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + BOUND
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


class GatedEngine(FakeEngine):
    """An engine that stands still before each prompt until `gate` is set."""

    def __init__(self, score: Callable[[str], float] = number_of) -> None:
        super().__init__(score)
        self.gate = threading.Event()
        self.entered = threading.Event()
        self.closed = threading.Event()

    def score_of(self, prompt: str) -> float:
        self.entered.set()
        assert self.gate.wait(BOUND)
        assert not self.closed.is_set(), "the engine was freed during a run"
        return super().score_of(prompt)

    def close(self) -> None:
        self.closed.set()


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine(number_of)


@pytest.fixture
def guard(model: Model, engine: FakeEngine) -> Iterator[Guard]:
    with Guard(model, "llama-guard-3", engine=engine) as opened:
        yield opened


@pytest.fixture
def gated(model: Model) -> Iterator[tuple[Guard, GatedEngine]]:
    engine = GatedEngine()
    with Guard(model, "llama-guard-3", engine=engine) as opened:
        yield opened, engine
        engine.gate.set()


def records(*numbers: int) -> list[Record]:
    return [Record(Key(None, n), Conversation((Message("user", text_of(n)),))) for n in numbers]


# Many callers


def test_threads_get_their_own_answers_in_order(guard: Guard, engine: FakeEngine) -> None:
    def calls(thread: int) -> None:
        rng = random.Random(thread)
        for _ in range(20):
            numbers = [rng.randrange(1001) for _ in range(rng.randrange(1, 8))]
            assert_answers([guard.check_one(text_of(numbers[0]))], numbers[:1])
            assert_answers(list(guard.check(map(text_of, numbers))), numbers)
            assert_answers(list(guard.check(list(map(text_of, numbers)))), numbers)
            asked[thread] += 1 + 2 * len(numbers)

    asked = [0] * THREADS
    in_threads(THREADS, calls)
    assert len(engine.prompts) == sum(asked), "a prompt was lost or judged twice"


def test_tasks_get_their_own_answers_in_order(guard: Guard, engine: FakeEngine) -> None:
    async def calls(task: int) -> int:
        rng = random.Random(task)
        asked = 0
        for _ in range(10):
            numbers = [rng.randrange(1001) for _ in range(rng.randrange(6))]
            assert_answers(await guard.acheck(map(text_of, numbers)), numbers)
            assert_answers([await guard.acheck_one(text_of(task))], [task])
            asked += 1 + len(numbers)
        return asked

    async def everything() -> list[int]:
        return await asyncio.gather(*map(calls, range(TASKS)))

    asked = sum(asyncio.run(everything()))
    assert len(engine.prompts) == asked, "a prompt was lost or judged twice"


def test_a_real_engine_gives_the_verdicts_of_a_run_alone(guard_path: Path) -> None:
    """Within the tolerance; the text in each row is that of its caller."""
    texts = [f"{'or ' * (number % 9)}question {number}" for number in range(THREADS * 6)]
    source = ModelConfig(guard_path, template="llama-guard-3-8b")
    with Guard(source, config=JudgeConfig(text=True), engine=EngineConfig(threads=1)) as guard:
        alone = {verdict.text: verdict for verdict in guard.check(texts)}

        def calls(thread: int) -> list[Verdict]:
            return [guard.check_one(text) for text in texts[thread::THREADS]]

        async def tasks() -> list[Verdict]:
            return await asyncio.gather(*map(guard.acheck_one, texts))

        together = [verdict for verdicts in in_threads(THREADS, calls) for verdict in verdicts]
        assert [v.text for v in together] == [text for thread in range(THREADS) for text in texts[thread::THREADS]]
        in_tasks = asyncio.run(tasks())
        assert [verdict.text for verdict in in_tasks] == texts
        for verdict in (*together, *in_tasks):
            assert verdict.score == pytest.approx(alone[verdict.text].score, abs=guard.measure_tolerance())


@pytest.mark.slow
def test_callers_share_batches(guard_path: Path) -> None:
    texts = list(map(text_of, range(THREADS * 8)))
    with Guard(ModelConfig(guard_path, template="llama-guard-3-8b"), engine=EngineConfig(threads=1)) as guard:

        async def in_tasks() -> None:
            await asyncio.gather(*map(guard.acheck_one, texts))

        def batches(work: Callable[[], object]) -> int:
            before = guard.stats.batches
            work()
            return guard.stats.batches - before

        guard.check_one("warm up")
        alone = batches(lambda: list(guard.check(texts)))
        one_by_one = batches(lambda: list(map(guard.check_one, texts)))
        assert one_by_one > 1.9 * alone, "nothing would be gained by sharing"
        assert batches(lambda: asyncio.run(in_tasks())) < 1.2 * alone
        assert (
            batches(lambda: in_threads(THREADS, lambda n: list(map(guard.check_one, texts[n::THREADS])))) < 1.5 * alone
        )


@pytest.mark.slow
def test_a_long_call_does_not_starve_a_short_one(guard: Guard, engine: FakeEngine) -> None:
    long = guard.check([text_of(1)] * 10_000)
    next(long)
    reader = in_thread(lambda: sum(1 for _ in long))
    for _ in range(5):
        before = len(engine.prompts)
        guard.check_one(text_of(2))
        assert len(engine.prompts) - before <= 3 * GROUP
    assert not reader.done()
    assert reader.result(BOUND) == 9_999


def test_a_bulk_run_gets_the_engine_from_callers_that_never_pause(guard: Guard) -> None:
    stop = threading.Event()

    def call() -> int:
        calls = 0
        while not stop.is_set():
            guard.check_one(text_of(calls % 1000))
            calls += 1
        return calls

    callers = [in_thread(call) for _ in range(4)]
    for _ in range(5):
        assert_answers(list(guard.judge(records(*range(50)))), list(range(50)))
    stop.set()
    assert all(caller.result(BOUND) > 0 for caller in callers)


# Callers that go away


@pytest.mark.slow
def test_abandoned_callers_leave_nothing_behind(guard: Guard) -> None:
    def calls(thread: int) -> None:
        rng = random.Random(thread)
        for _ in range(4):
            iterator = guard.check([text_of(n) for n in range(rng.randrange(1, 600))])
            taken = list(islice(iterator, rng.randrange(50)))
            assert_answers(taken, list(range(len(taken))))
            if rng.random() < 0.5:
                iterator.close()  # type: ignore[attr-defined]

    async def tasks() -> None:
        async def one(task: int) -> None:
            rng = random.Random(task)
            for _ in range(5):
                call = asyncio.create_task(guard.acheck([text_of(n) for n in range(rng.randrange(1, 50))]))
                await asyncio.sleep(rng.random() / 500)
                call.cancel()

        await asyncio.gather(*map(one, range(TASKS)))

    other = in_thread(lambda: asyncio.run(tasks()))
    in_threads(THREADS, calls)
    other.result(BOUND)
    gc.collect()
    assert_answers(list(guard.check(list(map(text_of, range(300))))), list(range(300)))
    assert guard._engine_thread is not None
    assert (len(guard._engine_thread._open), len(guard._engine_thread._ready)) == (0, 0)


def test_what_a_caller_leaves_is_not_judged(gated: tuple[Guard, GatedEngine]) -> None:
    guard, engine = gated
    iterator = guard.check([text_of(n) for n in range(LOOK_AHEAD)])
    waiting = in_thread(lambda: next(iterator))
    assert engine.entered.wait(BOUND)
    engine.gate.set()
    waiting.result(BOUND)
    iterator.close()  # type: ignore[attr-defined]
    at_most = len(engine.prompts) + GROUP
    guard.check_one(text_of(1))
    assert len(engine.prompts) <= at_most


def test_what_is_read_ahead_is_bounded(gated: tuple[Guard, GatedEngine]) -> None:
    guard, engine = gated
    read: list[int] = []

    def source() -> Iterator[str]:
        for number in range(3 * LOOK_AHEAD):
            read.append(number)
            yield text_of(number % 1000)

    total = in_thread(lambda: sum(1 for _ in guard.check(source())))
    wait_until(lambda: len(read) >= LOOK_AHEAD)
    time.sleep(0.1)
    assert len(read) == LOOK_AHEAD
    engine.gate.set()
    assert total.result(BOUND) == 3 * LOOK_AHEAD


def test_a_slow_source_is_answered_as_it_comes(guard: Guard) -> None:
    """The next value comes only after the verdict before it was taken: no number of them is waited for."""
    taken = threading.Semaphore(0)

    def source() -> Iterator[str]:
        for number in range(5):
            yield text_of(number)
            time.sleep(0.05)
            yield text_of(number)
            assert taken.acquire(timeout=BOUND)

    for _ in guard.check(source()):
        taken.release()


def test_ctrl_c_reaches_a_thread_that_waits(gated: tuple[Guard, GatedEngine]) -> None:
    guard, engine = gated

    def interrupt() -> None:
        engine.entered.wait(BOUND)
        _thread.interrupt_main()

    in_thread(interrupt)
    with pytest.raises(KeyboardInterrupt):
        guard.check_one(text_of(1))
    engine.gate.set()
    assert_answers([guard.check_one(text_of(2))], [2])


def test_no_lock_is_taken_where_ctrl_c_would_leave_it_locked(model: Model) -> None:
    """`Condition.__enter__` is a Python function, in which a signal is handled after the lock was taken."""
    callers: set[str] = set()

    def trace(frame: FrameType, event: str, _: Any) -> None:
        if frame.f_code is threading.Condition.__enter__.__code__ and frame.f_back is not None:
            callers.add(frame.f_back.f_code.co_filename)

    before = sys.gettrace()
    sys.settrace(trace)
    threading.settrace(trace)
    try:
        with Guard(model, "llama-guard-3", engine=FakeEngine(number_of)) as guard:
            assert_answers(list(guard.judge(records(1, 2), prefetch="full")), [1, 2])
            assert_answers(list(guard.check([text_of(3)])), [3])
        with threading.Condition():
            pass
    finally:
        sys.settrace(before)
        threading.settrace(before)  # type: ignore[arg-type]
    assert __file__ in callers, "the trace sees nothing"
    package = Path(guardcli.__file__).parent
    assert [name for name in callers if package in Path(name).parents] == []


def test_a_loop_that_is_closed_before_the_answer(gated: tuple[Guard, GatedEngine]) -> None:
    guard, engine = gated
    loop = asyncio.new_event_loop()
    with pytest.raises(asyncio.TimeoutError):
        loop.run_until_complete(asyncio.wait_for(guard.acheck_one(text_of(1)), 0.05))
    task = loop.create_task(guard.acheck_one(text_of(2)))
    loop.run_until_complete(asyncio.sleep(0.01))
    task.cancel()  # nobody runs the loop any more, so the task does not see it
    loop._ready.clear()  # type: ignore[attr-defined]
    loop.close()
    engine.gate.set()
    assert_answers([guard.check_one(text_of(3))], [3])


def test_the_event_loop_runs_while_records_are_judged(gated: tuple[Guard, GatedEngine]) -> None:
    guard, engine = gated

    async def tasks() -> int:
        call = asyncio.create_task(guard.acheck_one(text_of(7)))
        ticks = 0
        while not engine.entered.is_set() or ticks < 10:
            await asyncio.sleep(0.001)
            ticks += 1
        engine.gate.set()
        assert_answers([await call], [7])
        return ticks

    assert asyncio.run(tasks()) >= 10


def test_an_unclosed_guard_is_freed_when_its_thread_has_ended(model: Model) -> None:
    guard = Guard(model, "llama-guard-3", engine=FakeEngine(number_of))
    thread = weakref.ref(guard._engine_thread)
    guard.check_one(text_of(1))
    left = weakref.ref(guard)
    del guard
    assert left() is None, "a cycle, or the thread, holds the guard"
    time.sleep(LINGER)
    wait_until(lambda: thread() is None)


@pytest.mark.slow
def test_the_thread_ends_and_starts_again(guard: Guard) -> None:
    def running() -> bool:
        assert guard._engine_thread is not None
        return guard._engine_thread._thread is not None

    for number in range(2):
        assert_answers([guard.check_one(text_of(number))], [number])
        assert running()
        wait_until(lambda: not running())


EXIT = """
import sys, threading
from guardcli import EngineConfig, Guard, ModelConfig
from guardcli.conversation import Conversation, Key, Message, Record

guard = Guard(ModelConfig(sys.argv[1], template="llama-guard-3-8b"), engine=EngineConfig(threads=1))
left = guard.check(f"question {number}" for number in range(10_000))
next(left)
records = [Record(Key(None, n), Conversation((Message("user", "hi"),))) for n in range(100)]
if sys.argv[2] == "bulk":
    bulk = guard.judge(records)
    next(bulk)
threading.Thread(target=guard.check_one, args=("hi",), daemon=True).start()
"""


@pytest.mark.parametrize("open_run", ["none", "bulk"])
def test_a_program_ends_though_its_guard_is_open(guard_path: Path, open_run: str) -> None:
    command = [sys.executable, "-c", EXIT, str(guard_path), open_run]
    done = subprocess.run(command, capture_output=True, text=True, timeout=BOUND)
    assert done.returncode == 0, done.stderr


# Closing, forking, nesting


def test_closing_raises_in_those_that_wait_and_then_frees_the_engine(model: Model) -> None:
    engine = GatedEngine()
    guard = Guard(model, "llama-guard-3", engine=engine)
    half = guard.check([text_of(n) for n in range(5)])
    waiting = [
        in_thread(lambda: guard.check_one(text_of(1))),
        in_thread(lambda: list(half)),
        in_thread(lambda: asyncio.run(guard.acheck_one(text_of(2)))),
    ]
    engine.entered.wait(BOUND)
    time.sleep(0.05)
    closing = in_thread(guard.close)
    for call in waiting:
        with pytest.raises(ModelError, match="this guard is closed"):
            call.result(BOUND)
    assert not engine.closed.is_set(), "a prompt is being evaluated"
    engine.gate.set()
    closing.result(BOUND)
    assert engine.closed.is_set()
    guard.close()
    with pytest.raises(ModelError, match="this guard is closed"):
        guard.check_one(text_of(1))
    with pytest.raises(ModelError, match="this guard is closed"):
        asyncio.run(guard.acheck(["hi"]))


def test_closing_waits_for_the_step_of_a_bulk_run(model: Model) -> None:
    engine = GatedEngine()
    guard = Guard(model, "llama-guard-3", engine=engine)
    bulk = in_thread(lambda: list(guard.judge(records(1, 2, 3))))
    engine.entered.wait(BOUND)
    waiting = in_thread(lambda: next(guard.judge(records(4))))
    closing = in_thread(guard.close)
    with pytest.raises(ModelError, match="this guard is closed"):
        waiting.result(BOUND)
    assert not engine.closed.is_set()
    engine.gate.set()
    with pytest.raises(ModelError, match="this guard is closed"):
        bulk.result(BOUND)
    closing.result(BOUND)
    assert engine.closed.is_set()


@pytest.mark.slow
@pytest.mark.parametrize("prefetch", [None, "full", "live"])
@pytest.mark.parametrize("reproducible", [False, True])
def test_a_source_that_closes_the_guard_of_its_run(guard_path: Path, prefetch: Any, reproducible: bool) -> None:
    """The engine is in the middle of a step: it is freed after it, or the process would end with a SIGSEGV."""
    engine = EngineConfig(threads=1, reproducible=reproducible)
    guard = Guard(ModelConfig(guard_path, template="llama-guard-3-8b"), engine=engine)

    def source() -> Iterator[Record]:
        yield from records(*range(1, 600))
        guard.close()
        yield from records(*range(600, 1200))

    with pytest.raises(ModelError, match="closed"):
        list(guard.judge(source(), prefetch=prefetch))
    assert isinstance(guard._engine, ContextEngine)
    assert guard._engine._context.closed
    assert guard.model.llama.handle is None


def test_a_guard_that_is_closed_as_a_run_begins(model: Model) -> None:
    """Between the check that it is open and the grant of the engine."""
    engine = FakeEngine(number_of)
    guard = Guard(model, "llama-guard-3", engine=engine)
    with guard._engine_lease._lock:
        waiting = in_thread(lambda: list(guard.judge(records(1))))
        time.sleep(0.1)  # it waits for the lock
        guard.close()
    with pytest.raises(ModelError, match="this guard is closed"):
        waiting.result(BOUND)
    assert engine.prompts == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.parametrize(
    "way",
    [
        "check_one",
        "judge",
        "reset",
        "acheck",
        "check, begun before",
        "judge, begun before",
        "closed while a thread had the lock",
        "ended while a thread had the lock",
    ],
)
def test_a_forked_process_is_refused(model: Model, guard: Guard, way: str) -> None:
    begun = guard.check([text_of(n) for n in range(2 * LOOK_AHEAD)])
    next(begun)
    other = Guard(model, "llama-guard-3", engine=FakeEngine(number_of))
    bulk = other.judge(records(*range(9)), prefetch="full")
    next(bulk)

    third = Guard(model, "llama-guard-3", engine=FakeEngine(number_of))
    answered = third.check([text_of(1)])
    next(answered)

    def left() -> None:
        """What a thread held as the process forked, nobody gives back."""
        other.close()
        next(bulk)

    ways: dict[str, Callable[[], Any]] = {
        "check_one": lambda: guard.check_one("hi"),
        "judge": lambda: list(guard.judge(records(1))),
        "reset": guard.reset,
        "acheck": lambda: asyncio.run(guard.acheck(["hi"])),
        "check, begun before": lambda: list(begun),
        "judge, begun before": lambda: list(bulk),
        "closed while a thread had the lock": left,
        "ended while a thread had the lock": lambda: list(answered),
    }
    held, free = threading.Event(), threading.Event()

    def hold() -> None:
        assert third._engine_thread is not None
        with other._engine_lease._lock, third._engine_thread._lock:
            held.set()
            free.wait(BOUND)

    holder = in_thread(hold)
    held.wait(BOUND)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer Pythons warn of what is tested here
        child = os.fork()
    if child == 0:
        try:
            ways[way]()
        except EngineError as error:
            guard.close()
            os._exit(0 if "open a guard in each process" in str(error) else 3)
        except BaseException:
            os._exit(2)
        os._exit(1)
    ended: list[int] = []
    try:
        wait_until(lambda: ended.extend(os.waitpid(child, os.WNOHANG)) or ended[-2:] != [0, 0])
    except AssertionError:
        os.kill(child, signal.SIGKILL)
        raise
    free.set()
    holder.result(BOUND)
    assert len(list(bulk)) == 8
    assert list(answered) == []
    other.close()
    third.close()
    assert ended[-1] == 0
    assert sum(1 for _ in begun) == 2 * LOOK_AHEAD - 1


def test_a_check_inside_a_bulk_run_is_refused_and_from_another_thread_waits(guard: Guard) -> None:
    bulk = guard.judge(records(1, 2))
    next(bulk)
    with pytest.raises(EngineError, match="another run on this engine is still in progress"):
        guard.check_one(text_of(1))
    with pytest.raises(EngineError, match="another run on this engine is still in progress"):
        asyncio.run(guard.acheck_one(text_of(1)))
    other = in_thread(lambda: guard.check_one(text_of(3)))
    time.sleep(0.1)
    assert not other.done()
    assert sum(1 for _ in bulk) == 1
    assert_answers([other.result(BOUND)], [3])


@pytest.mark.parametrize("prefetch", [None, "full", "live"])
def test_a_check_where_the_records_of_a_bulk_run_are_read_is_refused(guard: Guard, prefetch: Any) -> None:
    def source() -> Iterator[Record]:
        yield from records(1)
        guard.check_one(text_of(1))

    with pytest.raises(EngineError, match="another run on this engine is still in progress"):
        list(guard.judge(source(), prefetch=prefetch))
    assert_answers([guard.check_one(text_of(2))], [2])


def test_checks_and_bulk_runs_inside_a_check(guard: Guard) -> None:
    seen = []
    for verdict in guard.check(text_of(int(number)) for number in (guard.check_one("1").score, 2, 3) if number >= 1):
        seen.append(verdict.score)
        assert_answers([guard.check_one(text_of(9))], [9])
        assert_answers(list(guard.judge(records(5, 6))), [5, 6])
    assert seen == pytest.approx([0.002, 0.003])


def test_a_bulk_run_may_move_to_another_thread(guard: Guard) -> None:
    bulk = guard.judge(records(*range(10)))
    next(bulk)
    for _ in range(3):  # a thread that has ended may leave its number to the next one
        in_thread(lambda: next(bulk)).result(BOUND)
        waits = in_thread(lambda: guard.check_one(text_of(1)))
        time.sleep(0.02)
        assert not waits.done()
    assert len(list(bulk)) == 6
    assert_answers([waits.result(BOUND)], [1])


# Failures


def test_a_failure_of_the_engine_reaches_all_calls_and_no_later_one(model: Model) -> None:
    def score(text: str) -> float:
        if text == "boom":
            raise EngineError("llama.cpp failed", code="engine/failed")
        return number_of(text)

    engine = GatedEngine(score)
    with Guard(model, "llama-guard-3", engine=engine) as guard:
        calls: list[Future[Any]] = [in_thread(lambda: guard.check_one(text_of(1)))]
        engine.entered.wait(BOUND)
        calls += [in_thread(lambda: guard.check_one("boom")), in_thread(lambda: asyncio.run(guard.acheck(["boom"])))]
        calls += [in_thread(lambda: list(guard.check([text_of(1), "boom"])))]
        time.sleep(0.1)
        engine.gate.set()
        assert_answers([calls[0].result(BOUND)], [1])
        for call in calls[1:]:
            with pytest.raises(EngineError, match=r"llama\.cpp failed"):
                call.result(BOUND)
        assert_answers([guard.check_one(text_of(2))], [2])


def test_a_source_that_fails_is_answered_up_to_there(guard: Guard) -> None:
    def source() -> Iterator[str]:
        yield from map(text_of, range(3))
        raise KeyError("source")

    verdicts = []
    with pytest.raises(KeyError, match="source"):
        verdicts.extend(guard.check(source()))
    assert_answers(verdicts, [0, 1, 2])


def test_a_record_that_cannot_be_encoded_fails_its_own_call_in_its_place(gated: tuple[Guard, GatedEngine]) -> None:
    """No reader gives half a surrogate."""
    guard, engine = gated
    bad = Record(Key(None, 3), Conversation((Message("user", "\ud800"),)))

    def first() -> list[Verdict]:
        verdicts = []
        with pytest.raises(UnicodeEncodeError):
            verdicts.extend(guard.check([*records(1, 2), bad, *records(4)]))
        return verdicts

    blocked = in_thread(lambda: guard.check_one(text_of(0)))
    engine.entered.wait(BOUND)
    failing, other = in_thread(first), in_thread(lambda: list(guard.check(records(5, 6, 7))))
    time.sleep(0.1)
    engine.gate.set()
    assert_answers(failing.result(BOUND), [1, 2])
    assert_answers(other.result(BOUND), [5, 6, 7])
    assert_answers([blocked.result(BOUND)], [0])


class Exhausted(dict[str, Any]):
    """A record whose own code raises StopIteration, as `next(iterator)` does."""

    def get(self, *_: Any) -> Any:
        raise StopIteration

    __getitem__ = __contains__ = keys = items = __iter__ = get  # type: ignore[assignment]


@pytest.mark.parametrize("way", ["check", "acheck"])
def test_a_value_that_raises_stop_iteration_does_not_end_the_values(guard: Guard, way: str) -> None:
    """Silently, or so that the task waits for ever."""
    values = [text_of(1), Exhausted(prompt="x"), text_of(2)]

    async def task() -> list[Verdict]:
        return await asyncio.wait_for(guard.acheck(values), BOUND)

    with pytest.raises(RuntimeError, match="a conversation's own code raised StopIteration"):
        list(guard.check(values)) if way == "check" else asyncio.run(task())
    assert_answers([guard.check_one(text_of(3))], [3])


def test_a_model_that_does_not_answer_is_refused_in_every_call(model: Model) -> None:
    with Guard(model, "llama-guard-3", engine=FakeEngine(words(), mass=0.3)) as guard:

        def calls(thread: int) -> list[Verdict]:
            verdicts: list[Verdict] = []
            with pytest.raises(ModelError, match="does not answer with a verdict"):
                verdicts.extend(guard.check(["hi"] * (thread + 1)))
            return verdicts

        verdicts = [verdict for found in in_threads(8, calls) for verdict in found]
        assert {verdict.verdict for verdict in verdicts} <= {"error"}
        with pytest.raises(ModelError, match="does not answer with a verdict"):
            guard.check_one("hi")
        with pytest.raises(ModelError, match="does not answer with a verdict"):
            asyncio.run(guard.acheck(["hi"] * 3))


# What may be passed


def test_what_is_one_conversation_and_what_is_several(model: Model) -> None:
    messages = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "a bomb"}]
    conversation = Conversation((Message("user", "a bomb"),))
    (record,) = records(5)
    with Guard(model, "llama-guard-3", engine=FakeEngine(words(bomb=0.9))) as guard:
        assert [verdict.verdict for verdict in guard.check(messages)] == ["unsafe"]
        mixed = [
            "a bomb",
            messages,
            {"messages": messages},
            conversation,
            record,
            Malformed(Key("x", 7), "bad", "record/not-json"),
            3,
        ]
        verdicts = list(guard.check(mixed))
        assert [v.verdict for v in verdicts] == ["unsafe"] * 4 + ["safe", "error", "error"]
        assert [v.key for v in verdicts] == [*(Key(None, n) for n in range(1, 6)), Key("x", 7), Key(None, 7)]
        assert [guard.check_one(value) for value in mixed[1:3]] == list(guard.check([mixed[1]])) + list(
            guard.check([mixed[2]])
        )
        assert asyncio.run(guard.acheck(mixed)) == verdicts
        assert asyncio.run(guard.acheck([])) == list(guard.check([])) == []
        with pytest.raises(TypeError, match="check_one"):
            asyncio.run(guard.acheck("hi"))


def test_one_verdict_is_not_asked_of_a_target_that_gives_several(model: Model) -> None:
    with Guard(model, engine=FakeEngine(words()), config=JudgeConfig(target="each")) as guard:
        chat = Conversation((Message("user", "hi"), Message("assistant", "ho")))
        assert len(asyncio.run(guard.acheck([chat]))) == 2
        with pytest.raises(ValueError, match="use check"):
            guard.check_one(chat)
        with pytest.raises(ValueError, match="use check"):
            asyncio.run(guard.acheck_one(chat))
