"""One thread runs the engine for many callers, so that their records share batches.

    thread A   check ─ records ─►┐                                        ┌─► verdicts of A, in order
    thread B   check ─ records ─►├─ in turn ─► prepare ─► one engine.run ─┼─► verdicts of B, in order
    task C    acheck ─ records ─►┘          (key: the call)               └─► call_soon_threadsafe ─► C

The thread starts with a call, and ends when none has come for a while. Between two calls' records it gives the engine
to a bulk run that waits for it (`EngineLease`).
"""

from __future__ import annotations

import asyncio
import atexit
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from threading import Condition, RLock, Thread, current_thread
from typing import TypeAlias
from weakref import WeakSet

from guardcli.conversation import Malformed, Record, text_length
from guardcli.engine import LogitCoroutine
from guardcli.errors import ModelError
from guardcli.judging.answer_check import MAX_PROMPTS, MIN_PROMPTS, AnswerCheck
from guardcli.judging.batching import CHARACTERS
from guardcli.judging.engine_lease import CLOSED, EngineLease
from guardcli.judging.pipeline import JudgedRecord, Pipeline
from guardcli.judging.prefetch import WAKE
from guardcli.judging.preparation import PreparedRecord
from guardcli.judging.python_input import Input, to_record
from guardcli.judging.scoring import PromptScore

LOOK_AHEAD = 512  # records of a blocking call that were read, and whose verdicts were not taken
LOOK_AHEAD_CHARACTERS = 1 << 20  # in these records; one longer record is read all the same

GROUP = 64  # records that are prepared together
LINGER = 1.0  # seconds that the thread waits for another call
GATHER = 0.005  # seconds that the first records wait for those that are being read, at most

# A record, or a line and a value that becomes one in the engine thread.
Pending: TypeAlias = "Record | Malformed | tuple[int, Input]"
# What goes through the engine with a record's requests; an exception takes its place in the order.
Task: TypeAlias = "tuple[Call, PreparedRecord | Exception]"


class Call(ABC):
    """One call of `check` or `acheck`: what it still has to be judged, and where its results go."""

    def __init__(self) -> None:
        self.pending: deque[Pending] = deque()
        self.num_due = 0  # records that are pending, or with the engine
        self.queued = False  # waits for its turn
        self.reading = False  # its thread is reading records, and more of them will come
        self.ended = False  # failed, or nobody takes the results any more

    @abstractmethod
    def put_result(self, judged: JudgedRecord) -> None:
        """Take the next result. Runs in the engine thread, with the lock."""

    @abstractmethod
    def put_error(self, error: BaseException, *, at_once: bool = False) -> None:
        """Take the exception that ends the call, after its results or `at_once`. Runs in any thread, with the lock."""

    def fail(self, error: BaseException, *, at_once: bool = False) -> None:
        """End the call with an exception. The caller has the lock."""
        self.ended = True
        self.pending.clear()
        self.put_error(error, at_once=at_once)

    def abandon(self) -> None:
        """Drop what is pending, and all results. May be called by the garbage collector anywhere: takes no lock."""
        self.ended = True
        self.pending.clear()


class BlockingCall(Call):
    """A call whose own thread reads its records and waits for the results."""

    def __init__(self, lock: RLock) -> None:
        super().__init__()
        self.results: deque[JudgedRecord] = deque()
        self.error: BaseException | None = None
        self.raise_at_once = False
        self._arrived = Condition(lock)
        self._waiting = False

    def put_result(self, judged: JudgedRecord) -> None:
        self.results.append(judged)
        if self._waiting:
            self._arrived.notify()

    def put_error(self, error: BaseException, *, at_once: bool = False) -> None:
        self.error, self.raise_at_once = error, at_once
        self._arrived.notify()

    def wait(self) -> None:
        """Wait for a result or an error, for a while. The caller has the lock."""
        if not self.results and self.error is None:
            self._waiting = True
            self._arrived.wait(WAKE)
            self._waiting = False

    def take_results(self) -> Iterator[JudgedRecord]:
        """Yield the results that are there.

        Raises:
            BaseException: the error that ended the call.
        """
        while self.results and not self.raise_at_once:
            yield self.results.popleft()
        self.raise_error()

    def raise_error(self) -> None:
        if self.error is not None:
            raise self.error

    def abandon(self) -> None:
        super().abandon()
        self.results.clear()


class AsyncCall(Call):
    """A call whose task awaits a future."""

    def __init__(self, values: Iterable[Input]) -> None:
        super().__init__()
        self.pending.extend(enumerate(values, start=1))
        self.num_due = len(self.pending)
        self._loop = asyncio.get_running_loop()
        self.future: asyncio.Future[list[JudgedRecord]] = self._loop.create_future()
        self._results: list[JudgedRecord] = []

    def put_result(self, judged: JudgedRecord) -> None:
        self._results.append(judged)

    def put_error(self, error: BaseException, *, at_once: bool = False) -> None:
        self._settle(error)

    def finish(self) -> None:
        """Let the task have its results."""
        self._settle(None)

    def _settle(self, error: BaseException | None) -> None:
        with suppress(RuntimeError):  # the loop was closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._set_future, error)

    def _set_future(self, error: BaseException | None) -> None:
        if self.future.done():  # the task was cancelled
            return
        if error is None:
            self.future.set_result(self._results)
        else:
            self.future.set_exception(error)


class EngineThread:
    """Judges the records of any number of calls, in turn, in one thread that runs the engine."""

    def __init__(self, pipeline: Pipeline, lease: EngineLease) -> None:
        self._pipeline = pipeline
        self._lease = lease
        self._lock = RLock()  # the garbage collector may close an iterator of a thread that holds it
        self._submitted = Condition(self._lock)
        self._ready: deque[Call] = deque()  # those with pending records, the next one first
        self._open: set[Call] = set()  # those with records that are due
        self._thread: Thread | None = None
        self._answer_check: AnswerCheck | None = None
        self._refused = False  # the answer check has failed
        self._closed = False

    def judge(self, values: Iterable[Input]) -> Iterator[JudgedRecord]:
        """Judge values for the calling thread, which reads a bounded number of them ahead; in order."""
        self._lease.check_usable()
        call = BlockingCall(self._lock)
        source = _Source(values)
        try:
            while True:
                while not call.results and not call.ended and source.has_room:
                    call.reading = True
                    self._submit(call, source.read())
                call.reading = False
                if source.num_unanswered:
                    self._wait(call)
                elif not call.results:
                    break
                for judged in call.take_results():
                    source.answered(judged.record)
                    yield judged
                    if self._closed:
                        raise ModelError(CLOSED, code="model/closed")
                    if source.is_low:
                        self._submit(call, source.read())
            source.raise_failure()
            self._lease.check_open()  # the lock may be held by a thread that was not forked
            self._finish(call)
        finally:
            self._drop(call)

    async def judge_async(self, values: Iterable[Input]) -> list[JudgedRecord]:
        """Judge values for the running task, without blocking its loop."""
        self._lease.check_usable()
        call = AsyncCall(values)
        if not call.num_due:
            return []
        try:
            self._submit(call, ())
            return await call.future
        finally:
            self._drop(call)

    def close(self) -> None:
        """End all calls with a ModelError at once, and wait until the thread has ended."""
        if self._lease.forked:
            return
        self._lease.close()  # the thread may be waiting for it
        with self._lock:
            self._closed = True
            self._fail_calls(ModelError(CLOSED, code="model/closed"), at_once=True)
            self._submitted.notify_all()
            thread = self._thread
        while thread is not None and thread is not current_thread() and thread.is_alive():
            thread.join(WAKE)

    def _submit(self, call: Call, records: Sequence[Record | Malformed]) -> None:
        self._lease.check_usable()
        with self._lock:
            if self._closed:
                raise ModelError(CLOSED, code="model/closed")
            if not call.ended:
                call.pending.extend(records)
                call.num_due += len(records)
            if not call.pending or call.queued:
                return
            call.queued = True
            self._open.add(call)
            self._ready.append(call)
            self._submitted.notify()
            if self._thread is None or not self._thread.is_alive():
                _STARTED.add(self)
                self._thread = Thread(target=self._serve, name="guard-engine", daemon=True)
                self._thread.start()

    def _wait(self, call: BlockingCall) -> None:
        self._lease.check_usable()  # also: a bulk run of this thread would be waited for
        with self._lock:
            call.wait()

    def _drop(self, call: Call) -> None:
        """Forget a call, finished or not. Takes no lock, as `Call.abandon`."""
        call.abandon()
        self._open.discard(call)

    def _fail_calls(self, error: BaseException, *, at_once: bool = False) -> None:
        with self._lock:
            for call in list(self._open):
                call.fail(error, at_once=at_once)
            self._open.clear()

    def _serve(self) -> None:
        """Run the engine while there are records. What the thread does."""
        while self._wait_for_records():
            try:
                with self._lease.hold():
                    self._gather()
                    self._run()
            except BaseException as error:  # belongs to the calls: without it they would wait for ever
                self._fail_calls(error)

    def _wait_for_records(self) -> bool:
        """Wait for pending records; False when the thread is to end."""
        end = time.monotonic() + LINGER
        with self._lock:
            while not self._closed and not self._ready and time.monotonic() < end:
                self._submitted.wait(LINGER)
            if self._ready and not self._closed:
                return True
            self._thread = None
            return False

    def _gather(self) -> None:
        """Let threads that are reading go on for a moment: the first batch holds more than the first record."""
        end = time.monotonic() + GATHER
        while self._is_reading() and time.monotonic() < end:
            time.sleep(GATHER / 10)

    def _is_reading(self) -> bool:
        with self._lock:
            return any(call.reading for call in self._ready)

    def _run(self) -> None:
        """One run of the engine: judge until nothing is pending, or another run waits for the engine."""
        tolerance = self._pipeline.measure_tolerance()
        for (call, prepared), outcomes in self._pipeline.engine.run(self._tasks()):
            if self._closed:
                return
            if isinstance(prepared, Exception):
                self._fail(call, prepared)
                continue
            judged = self._pipeline.assemble(prepared, outcomes, tolerance)
            with self._lock:  # for all of it: a call that ends must know what the answer check says of its last scores
                if not call.ended:
                    call.put_result(judged)
                try:
                    self._observe(outcomes)
                except ModelError as error:
                    self._fail_calls(error)
                    return
                self._settle(call)

    def _settle(self, call: Call) -> None:
        """Count one record of a call as answered."""
        call.num_due -= 1
        if call.num_due or call.ended:
            return
        self._open.discard(call)
        if isinstance(call, AsyncCall):
            try:
                self._finish(call)
            except ModelError as error:
                call.fail(error)
            else:
                call.ended = True
                call.finish()

    def _tasks(self) -> Iterator[tuple[Task, Sequence[LogitCoroutine[PromptScore]]] | None]:
        """The records of all calls with what the engine is asked about them. A None lets it answer what it has."""
        group = self._take_group()
        while group:
            for call, prepared in self._prepare(group):
                if not call.ended:
                    requests = () if isinstance(prepared, Exception) else self._pipeline.requests(prepared)
                    yield (call, prepared), requests
            group = self._take_group_unless_wanted()
            if not group:
                yield None
                group = self._take_group_unless_wanted()

    def _take_group_unless_wanted(self) -> list[tuple[Call, Record | Malformed | Exception]]:
        return [] if self._lease.is_wanted else self._take_group()

    def _take_group(self) -> list[tuple[Call, Record | Malformed | Exception]]:
        """The next records, one of each call in turn; none when the thread is to end."""
        group: list[tuple[Call, Record | Malformed | Exception]] = []
        characters = 0
        while len(group) < GROUP and characters < CHARACTERS and not self._closed and (taken := self._take()):
            call, pending = taken
            try:
                record = to_record(*pending) if isinstance(pending, tuple) else pending
            except Exception as error:
                group.append((call, error))
                continue
            group.append((call, record))
            characters += text_length(record)
        return group

    def _take(self) -> tuple[Call, Pending] | None:
        with self._lock:
            while self._ready:
                call = self._ready.popleft()
                try:
                    pending = call.pending.popleft()
                except IndexError:  # it was abandoned, or failed
                    call.queued = False
                    continue
                if call.pending:
                    self._ready.append(call)
                else:
                    call.queued = False
                return call, pending
        return None

    def _prepare(
        self, group: Sequence[tuple[Call, Record | Malformed | Exception]]
    ) -> Iterator[tuple[Call, PreparedRecord | Exception]]:
        """Prepare records together. One that cannot be prepared fails its own call alone, in its place."""
        records = [record for _, record in group if not isinstance(record, Exception)]
        prepared_records = self._pipeline.prepare(records)
        for number, (call, record) in enumerate(group):
            if isinstance(record, Exception):
                yield call, record
                continue
            try:
                yield call, next(prepared_records)
            except Exception as error:
                yield call, error
                yield from self._prepare(group[number + 1 :])
                return

    def _fail(self, call: Call, error: Exception) -> None:
        with self._lock:
            self._open.discard(call)
            if not call.ended:
                call.fail(error)

    def _observe(self, outcomes: Sequence[PromptScore]) -> None:
        """Let the answer check see the scores of any call. Raises ModelError if it fails.

        It starts again with the next scores; until then it counts for the calls that are about to end.
        """
        if self._answer_check is None or self._refused:
            self._answer_check, self._refused = self._pipeline.new_answer_check(), False
        if self._answer_check is None:
            return
        try:
            self._answer_check.observe(outcomes)
        except ModelError:
            self._refused = True
            raise
        if self._answer_check.num_prompts >= MAX_PROMPTS:
            self._pipeline.answers_checked, self._answer_check = True, None

    def _finish(self, call: Call) -> None:
        """At the end of a call.

        Raises:
            ModelError: most prompts of all calls so far were not answered with verdicts.
        """
        with self._lock:
            if isinstance(call, BlockingCall):
                call.raise_error()
            if self._answer_check is not None:
                self._answer_check.finish()
                if self._answer_check.num_prompts >= MIN_PROMPTS:
                    self._pipeline.answers_checked, self._answer_check = True, None


class _Source:
    """The values of a blocking call: read ahead, as far as there is room for records that are not answered."""

    def __init__(self, values: Iterable[Input]) -> None:
        self._values = enumerate(values, start=1)
        # To read from a sequence takes no time; from an iterator it may take long, and each record goes ahead at once.
        self._at_a_time = LOOK_AHEAD if isinstance(values, Sequence) else 1
        self._failure: Exception | None = None
        self._exhausted = False
        self._characters = 0
        self.num_unanswered = 0

    @property
    def has_room(self) -> bool:
        """Whether more can be read."""
        room = self.num_unanswered < LOOK_AHEAD and self._characters < LOOK_AHEAD_CHARACTERS
        return room and not self._exhausted

    @property
    def is_low(self) -> bool:
        """Whether more should be read though there are results to take: half of the room is free, and no reading is
        waited for."""
        return self._at_a_time > 1 and 2 * self.num_unanswered <= LOOK_AHEAD and self.has_room

    def read(self) -> list[Record | Malformed]:
        """Read records. An exception of the source is kept until all before it are answered."""
        records: list[Record | Malformed] = []
        while self.has_room and len(records) < self._at_a_time:
            try:
                record = to_record(*next(self._values))
            except StopIteration:
                self._exhausted = True
                break
            except Exception as error:
                self._failure, self._exhausted = error, True
                break
            records.append(record)
            self.num_unanswered += 1
            self._characters += text_length(record)
        return records

    def answered(self, record: Record | Malformed) -> None:
        self.num_unanswered -= 1
        self._characters -= text_length(record)

    def raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure


_STARTED: WeakSet[EngineThread] = WeakSet()


@atexit.register
def _close_all() -> None:
    """Let no thread be in llama.cpp while the interpreter ends."""
    for engine_thread in list(_STARTED):
        engine_thread.close()
