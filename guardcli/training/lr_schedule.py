r"""The learning rate of each step: a linear warm-up, then constant, or decayed along a line or a cosine.

::

      ____________           .              _
     /   constant           / ` .  linear  / \_   cosine
    /                      /     ` .      /    \___
    |-| warmup_ratio       |-|            |-|
"""

from __future__ import annotations

import math

from guardcli.training.config import TrainConfig


def learning_rate(step: int, num_steps: int, config: TrainConfig) -> float:
    """The learning rate of a step, counted from 1. It depends on the step alone, so that a run can resume at any step.

    Of 10 steps with `warmup_ratio` 0.2, the first has half of `config.learning_rate`, and the second and third have all
    of it. The last has 4 % of it with the schedule `cosine`, and an eighth with `linear`.
    """
    warmup_steps = int(config.warmup_ratio * num_steps)
    if step <= warmup_steps:
        return config.learning_rate * step / warmup_steps
    if config.lr_schedule == "constant":
        return config.learning_rate
    progress = (step - 1 - warmup_steps) / (num_steps - warmup_steps)
    if config.lr_schedule == "linear":
        return config.learning_rate * (1 - progress)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))
