"""A bulk run over files: in blocks, each judged by itself, so that a run that was killed ends with the same bytes."""

from guardcli.audit.blocks import GUILTY, Block, Item, Limits, blocks, without_guilty
from guardcli.audit.interrupts import Interrupted, Interrupts
from guardcli.audit.progress import Progress
from guardcli.audit.run import Plan, Shard, convict, run
from guardcli.audit.sources import Source
from guardcli.audit.trial import try_records

__all__ = [
    "GUILTY",
    "Block",
    "Interrupted",
    "Interrupts",
    "Item",
    "Limits",
    "Plan",
    "Progress",
    "Shard",
    "Source",
    "blocks",
    "convict",
    "run",
    "try_records",
    "without_guilty",
]
