"""Hyperparameters of a training run. The defaults are those of Llama Guard's paper, adapted to LoRA.

The paper (arXiv 2312.06674) trains all weights for 500 steps (about one epoch) with a learning rate of 2e-6, sequences
of up to 4,096 tokens and a batch of 2 on each of 8 GPUs (here: 8 gradient accumulation steps). LoRA trains two thin
matrices instead, A and B, and needs a higher rate to move the weights as far in 500 steps of Adam::

    full weights          500 * 2e-6 = 1e-3

    LoRA (alpha / r) BA   B starts at zero, the entries of A are about 1 / sqrt(3 * 4096), r = 16, alpha / r = 2:
                          2 * sqrt(16) * 500 * rate / sqrt(3 * 4096) = 1e-3 for rate = 3e-5

Hence ten times the paper's rate. As in the paper, there is no weight decay, no dropout and, by default, no warm-up and
no decay of the learning rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

LrSchedule = Literal["constant", "linear", "cosine"]
LR_SCHEDULES: tuple[LrSchedule, ...] = get_args(LrSchedule)

WeightType = Literal["float32", "bfloat16"]
TrainDType = Literal["auto", WeightType]
TRAIN_DTYPES: tuple[TrainDType, ...] = get_args(TrainDType)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """Hyperparameters of a training run.

    `batch_size` examples go through the model at a time; an optimizer step sums the gradients of
    `gradient_accumulation_steps` batches. `max_length` is in tokens, prompt and answer together. `checkpoint_every` is
    in steps. The learning rate rises to `learning_rate` over the first `warmup_ratio` of all steps, in [0, 1), and then
    follows `lr_schedule`. In the loss, the tokens of the verdict count `verdict_weight`, above 0, and the rest of the
    answer `ids_weight`, at least 0. A run ends early when `patience` evaluations have not improved the held-out AUPRC.
    `dtype` is the type of the base's weights and of all computations with them (see `weight_type`). The LoRA itself and
    the optimizer are always float32.
    """

    lora_rank: int = 16
    lora_alpha: float = 32.0
    learning_rate: float = 2e-5
    lr_schedule: LrSchedule = "constant"
    warmup_ratio: float = 0.0
    epochs: float = 1.0
    batch_size: int = 2
    gradient_accumulation_steps: int = 1
    max_length: int = 4096
    verdict_weight: float = 1.0
    ids_weight: float = 1.0
    seed: int = 0
    checkpoint_every: int = 100
    patience: int | None = None
    dtype: TrainDType = "auto"

    @property
    def effective_batch_size(self) -> int:
        """Examples per optimizer step."""
        return self.batch_size * self.gradient_accumulation_steps

    def weight_type(self, device: str) -> WeightType:
        """The type of the base's weights on "cpu" or "cuda": "auto" is "bfloat16" on a GPU and "float32" on a CPU."""
        if self.dtype != "auto":
            return self.dtype
        return "bfloat16" if device == "cuda" else "float32"

    def as_json(self) -> dict[str, Any]:
        """The values by the names that `run.json` uses, which are those of the command's options."""
        return {
            "rank": self.lora_rank,
            "alpha": self.lora_alpha,
            "learning_rate": self.learning_rate,
            "lr_schedule": self.lr_schedule,
            "warmup_ratio": self.warmup_ratio,
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "accumulate": self.gradient_accumulation_steps,
            "max_length": self.max_length,
            "verdict_weight": self.verdict_weight,
            "ids_weight": self.ids_weight,
            "seed": self.seed,
            "checkpoint_every": self.checkpoint_every,
            "patience": self.patience,
            "dtype": self.dtype,
        }
