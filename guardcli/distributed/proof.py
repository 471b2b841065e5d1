"""What a worker shows before it judges: what it would judge with, and how it scores a fixed probe.

Rows are the same wherever a unit is judged only if all workers show the same.
"""

from __future__ import annotations

import hashlib
import json
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from guardcli import __version__
from guardcli.audit import Shard
from guardcli.audit.job import AuditJob
from guardcli.audit.manifest import describe_differences
from guardcli.conversation import Conversation, Key, Message, Record
from guardcli.errors import ClusterError
from guardcli.judging import Guard
from guardcli.judging.tolerance import PROMPTS
from guardcli.models.cached_files import read_digests

_ANSWER = "Here is how."  # so that there is something to judge for every target
_SCORES_DIFFER = "the scores of the probe differ in their last digits, as on other hardware"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What a worker shows.

    `manifest` is that of the audit without its inputs. `files` are the SHA-256 digests of the model's files and of its
    adapters', and `probe` is that of the scores of the probe. `notices` are warnings of loading, for the user.
    """

    node: str
    manifest: Mapping[str, Any]
    files: tuple[str, ...]
    probe: str
    notices: tuple[str, ...] = ()

    def with_hardware_of(self, other: Proof) -> Proof:
        """The same proof, had it been made on the hardware of another one."""
        features = {"features": other.manifest["llama_cpp"]["features"]}
        manifest = {
            **self.manifest,
            "llama_cpp": self.manifest["llama_cpp"] | features,
            "tolerance": other.manifest["tolerance"],
        }
        return replace(self, manifest=manifest, probe=other.probe)

    @property
    def hardware(self) -> dict[str, Any]:
        """What may differ between machines that have the same files: the kind of a worker."""
        return {
            "features": self.manifest["llama_cpp"]["features"],
            "tolerance": self.manifest["tolerance"],
            "probe": self.probe,
        }


def make_proof(guard: Guard, job: AuditJob, *, node: str, notices: tuple[str, ...] = ()) -> Proof:
    """Judge the probe, and show what this process judges with.

    Raises:
        ModelError: the model does not answer with verdicts, or a file cannot be read.
    """
    return Proof(
        node=node,
        manifest=job.manifest(guard, (), 0, shard=Shard()),
        files=tuple(read_digests([file], job.open_guard.cache).whole for file in job.open_guard.model.files),
        probe=probe_digest(guard),
        notices=notices,
    )


def probe_digest(guard: Guard) -> str:
    """Return the SHA-256 of the scores of the probe, to their last bits.

    Raises:
        ModelError: the model does not answer with verdicts.
    """
    records = [
        Record(Key("probe", line), Conversation((Message("user", text), Message("assistant", _ANSWER))))
        for line, text in enumerate(PROMPTS, start=1)
    ]
    guard.reset(records)
    digest = hashlib.sha256()
    for verdict in guard.judge(records, prefetch="full"):
        digest.update(f"{verdict.verdict} {verdict.score!r} {verdict.error}\n".encode())
    guard.reset()
    return digest.hexdigest()


@cache
def source_digest() -> str:
    """Return the SHA-256 of the modules of guardcli that this process would import."""
    package = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(f"{path.relative_to(package)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def check_same_guardcli(version: str, source: str) -> None:
    """Compare the guardcli of this process with the driver's. Raises ClusterError."""
    if version != __version__:
        raise ClusterError(
            f"guardcli is {__version__}, and {version} where the audit was started: install the same on all nodes",
            code="cluster/workers-differ",
        )
    if source != source_digest():
        raise ClusterError(
            "guardcli has other modules than where the audit was started: install the same on all nodes",
            code="cluster/workers-differ",
        )


def describe_proof_differences(
    first: Proof, other: Proof, *, mixed: bool = False, reproducible: bool = False
) -> list[str]:
    """Return what differs between two workers, a line each, with what to do about it; [] if they may judge together.

    With `mixed` their hardware may differ, and with `reproducible` too as long as the scores of the probe are the same.
    """
    if first.files != other.files:
        return ["the files of the model or of its adapters differ: copy the same files to both"]
    if mixed or (reproducible and first.probe == other.probe):
        other = other.with_hardware_of(first)
    if first.manifest != other.manifest:
        return describe_differences(first.manifest, other.manifest)
    return [_SCORES_DIFFER] if first.probe != other.probe else []


def make_manifest(proofs: Sequence[Proof], before: Mapping[str, Any] | None, *, mixed: bool) -> dict[str, Any]:
    """Return the manifest of a run by what its first workers show, without its inputs.

    With `mixed` it has all their kinds. Those of an earlier attempt, whose manifest is `before`, are taken as they are
    if the workers are of some of them.
    """
    kinds = list({digest_of(proof.hardware): proof.hardware for proof in proofs}.values())
    kinds.sort(key=digest_of)
    if before is None:
        return {**proofs[0].manifest, **({"kinds": kinds} if mixed else {})}
    # Of workers that may differ, the one that is like the earlier attempt stands for all.
    alike = [proof for proof in proofs if _same_build(proof.manifest, before)]
    manifest = dict((alike or proofs)[0].manifest)
    if mixed:
        kinds_before = before.get("kinds")
        if isinstance(kinds_before, list) and all(kind in kinds_before for kind in kinds):
            manifest |= {name: before.get(name) for name in ("llama_cpp", "tolerance", "kinds")}
        else:
            manifest["kinds"] = kinds
    return manifest


def digest_of(value: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a JSON object, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _same_build(manifest: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(manifest.get(name) == other.get(name) for name in ("llama_cpp", "tolerance"))


@contextmanager
def collected_notices() -> Iterator[list[str]]:
    """Collect the warnings of guardcli in the block, to be shown elsewhere."""
    notices: list[str] = []
    handler = _Collector(notices)
    log = logging.getLogger("guardcli")
    log.addHandler(handler)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield notices
        notices += [str(one.message) for one in caught]
    finally:
        log.removeHandler(handler)


class _Collector(logging.Handler):
    def __init__(self, notices: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._notices = notices

    def emit(self, record: logging.LogRecord) -> None:
        self._notices.append(record.getMessage())
