"""A bulk run over files: in blocks, each judged by itself, so that a run that was killed ends with the same bytes."""

from guardcli.audit.blocks import GUILTY, Block, Item, Limits, block_tokens, blocks, without_guilty
from guardcli.audit.interrupts import Interrupted, Interrupts
from guardcli.audit.progress import Preparation, Progress
from guardcli.audit.run import Plan, Shard, convict, run
from guardcli.audit.sources import UNIT_BYTES, Source
from guardcli.audit.trial import try_records
from guardcli.audit.units import Unit, units

__all__ = [
    "GUILTY",
    "UNIT_BYTES",
    "Block",
    "Interrupted",
    "Interrupts",
    "Item",
    "Limits",
    "Plan",
    "Preparation",
    "Progress",
    "Shard",
    "Source",
    "Unit",
    "block_tokens",
    "blocks",
    "convict",
    "run",
    "try_records",
    "units",
    "without_guilty",
]
