"""Labelled records → training examples: the paper's augmentation, and what must not be trained on.

After Llama Guard's paper (arXiv 2312.06674): categories that a record does not violate are dropped at random, all that
it violates may be dropped and the record so becomes safe, and the rest is shuffled, so that the model reads the policy
instead of remembering it. All of it is pure and depends on a seed. It knows no tokens and no training.
"""

from __future__ import annotations

from guardcli.training.augmentation.contamination import Known, Overlap
from guardcli.training.augmentation.example import TrainingExample
from guardcli.training.augmentation.labeled import Labelled, Unusable
from guardcli.training.augmentation.variants import Variant, Variation

__all__ = ["Known", "Labelled", "Overlap", "TrainingExample", "Unusable", "Variant", "Variation"]
