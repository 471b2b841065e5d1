"""What an audit is asked for: the inputs, what judges them, and the output. One machine and many read it alike."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from guardcli.audit.blocks import BlockLimits, Item, choose_block_tokens
from guardcli.audit.input_files import InputFiles, expand_paths
from guardcli.audit.journal import ManifestMismatchError, files_of, peek_manifest
from guardcli.audit.manifest import block_tokens_of, describe_differences, make_manifest, only_inputs_changed
from guardcli.audit.progress import AuditPreparation
from guardcli.audit.run import Shard
from guardcli.audit.sources import UNIT_BYTES, Source, read_sources
from guardcli.audit.units import Unit, read_unit, split_into_units
from guardcli.errors import ErrorCode, OutputError
from guardcli.files.collisions import check_output_path
from guardcli.formats import ReadOptions, load_requests

if TYPE_CHECKING:
    from guardcli.engine import EngineConfig
    from guardcli.judging import Guard, JudgeConfig
    from guardcli.models import ModelConfig
    from guardcli.taxonomy import Taxonomy


_MAX_READERS = 8  # threads that hash: finding line breaks, which one of them does at a time, is the limit then


@dataclass(frozen=True, slots=True)
class GuardOpener:
    """Opens the guard of an audit, in this process or, pickled, in another one."""

    model: ModelConfig
    taxonomy: Taxonomy | None
    config: JudgeConfig
    engine: EngineConfig
    cache: Path | None

    def __call__(self) -> Guard:
        from guardcli.judging import Guard

        return Guard(self.model, self.taxonomy, config=self.config, engine=self.engine, cache=self.cache)

    def with_threads(self, threads: int) -> GuardOpener:
        """The same with another number of threads."""
        return replace(self, engine=replace(self.engine, threads=threads))

    @property
    def files(self) -> list[str | Path]:
        """The files that it reads."""
        return [*self.model.files, *(self.taxonomy.files if self.taxonomy is not None else ())]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditJob:
    """The inputs of an audit, what judges them, and the output. It can be pickled. See `audit` for the fields."""

    inputs: tuple[str, ...]
    output: Path
    open_guard: GuardOpener
    read_options: ReadOptions
    requests: tuple[str | Path, ...] = ()
    unit_bytes: int = UNIT_BYTES
    block_tokens: int | None = None

    @classmethod
    def create(
        cls,
        inputs: str | Path | Sequence[str | Path],
        output: str | Path,
        *,
        model: ModelConfig | str | Path,
        taxonomy: Taxonomy | str | Path | None = None,
        config: JudgeConfig | None = None,
        engine: EngineConfig | None = None,
        cache: Path | None = None,
        read_options: ReadOptions | None = None,
        requests: Sequence[str | Path] = (),
        unit_bytes: int = UNIT_BYTES,
        block_tokens: int | None = None,
    ) -> AuditJob:
        """Make a job of the arguments of `audit`. Raises GuardError: the taxonomy cannot be used."""
        from guardcli.engine import EngineConfig  # llama.cpp is not loaded to merge shards
        from guardcli.judging import JudgeConfig
        from guardcli.models import ModelConfig
        from guardcli.taxonomy import Taxonomy

        return cls(
            inputs=tuple(map(str, [inputs] if isinstance(inputs, (str, Path)) else inputs)),
            output=Path(output),
            open_guard=GuardOpener(
                model=model if isinstance(model, ModelConfig) else ModelConfig(model),
                taxonomy=taxonomy if isinstance(taxonomy, (Taxonomy, type(None))) else Taxonomy.load(taxonomy),
                config=config or JudgeConfig(),
                engine=engine or EngineConfig(),
                cache=cache,
            ),
            read_options=read_options or ReadOptions(),
            requests=tuple(requests),
            unit_bytes=unit_bytes,
            block_tokens=block_tokens,
        )

    def find_files(self, other_files: Iterable[str | Path] = ()) -> InputFiles:
        """Return the files to judge. The audit's own output is not an input.

        Args:
            other_files: files that are read beside the inputs and the requests, such as the model.

        Raises:
            InputError: an input is missing or cannot be read.
            OutputError: the output would overwrite a file that is read.
        """
        others = [*self.requests, *other_files]
        check_output_path(self.output, others, "-o")
        output_files = files_of(self.output)
        # A file without a journal is not an audit's output, unless it is empty: then the run was killed at its start.
        is_own = self.output.exists() and (output_files[1].exists() or not self.output.stat().st_size)
        files = expand_paths(self.inputs, outputs=output_files if is_own else ())
        for file in output_files:
            check_output_path(file, [*files.paths, *others], "-o")
        return files

    def read_sources(self, files: InputFiles, preparation: AuditPreparation) -> list[Source]:
        """Hash the inputs, and find where they can be cut. Raises InputError."""
        from guardcli.engine.resources import available_cores  # llama.cpp is not loaded to merge shards

        preparation.total = _total_size(files.paths)
        return read_sources(
            files.paths, self.unit_bytes, on_read=preparation.read, threads=min(_MAX_READERS, available_cores())
        )

    def split(self, sources: Sequence[Source]) -> list[Unit]:
        """Cut the inputs into units. Raises InputError: one cannot be opened."""
        return split_into_units(sources, self.read_options.find_record_lines)

    def record_reader(
        self, watch: Callable[[Iterable[Item]], Iterable[Item]] = lambda records: records
    ) -> Callable[[BinaryIO, Unit, int], Iterable[Item]]:
        """Return a function that reads the records of a unit from a line on. Raises InputError: invalid requests."""
        conversations = load_requests(self.requests) if self.requests else None

        def read(stream: BinaryIO, unit: Unit, start: int) -> Iterable[Item]:
            return watch(read_unit(stream, unit, start, options=self.read_options, requests=conversations))

        return read

    def block_limits(self, guard: Guard) -> BlockLimits:
        """Return the limits of a block: as asked for, as in an earlier attempt, or by the size of the model."""
        prompts = len(guard.taxonomy.categories) if guard.per_category else 1
        llama = guard.model.llama
        tokens = self.block_tokens or block_tokens_of(peek_manifest(self.output))
        return BlockLimits(tokens=tokens or choose_block_tokens(llama.size, offloaded=llama.offloaded), prompts=prompts)

    def manifest(self, guard: Guard, sources: Sequence[Source], num_units: int, *, shard: Shard) -> dict[str, Any]:
        """Return the manifest of the audit. Raises InputError: a file of requests cannot be read."""
        return make_manifest(
            guard,
            model=self.open_guard.model,
            engine=self.open_guard.engine,
            reading=self.read_options,
            requests=[Source.from_path(str(file)) for file in self.requests],
            inputs=sources,
            units={"bytes": self.unit_bytes, "number": num_units},
            blocks=self.block_limits(guard),
            shard=(shard.number, shard.count),
        )


def mismatch_error(error: ManifestMismatchError) -> OutputError:
    """The error for a person: what differs between an output and the run that would resume it."""
    inputs_changed = only_inputs_changed(error.before, error.after)
    code: ErrorCode = "run/input-changed" if inputs_changed else "run/other-run"
    differences = describe_differences(error.before, error.after)
    if len(differences) == 1:
        return OutputError(f"{error.path} belongs to another run: {differences[0]}; or choose another name", code=code)
    return OutputError(
        f"{error.path} belongs to another run; undo what differs, or choose another name:", *differences, code=code
    )


def _total_size(paths: Iterable[str]) -> int:
    """Return the size of all files that can be read, in bytes."""
    total = 0
    for path in paths:
        with suppress(OSError):
            total += os.stat(path).st_size
    return total
