"""How a run trains: the settings of Llama Guard's paper, and what LoRA changes of them.

The paper (arXiv 2312.06674) trains all weights for 500 steps, about one epoch, at a learning rate of 2e-6, on sequences
of up to 4,096 tokens, with a batch of 2 on each of 8 GPUs (here: `accumulate` 8). LoRA trains two thin matrices
instead, of which one begins at zero. In 500 steps Adam moves a weight by up to 500 * 2e-6 = 1e-3. The product of
matrices of rank 16, counted alpha / rank = 2 times, where the entries of the one that is not zero are about
1 / sqrt(3 * 4096), moves by 2 * sqrt(16) * 500 * rate / sqrt(3 * 4096): by as much at a rate of about 3e-5. So the rate
is ten times the paper's. Neither rate is decayed; weights are not, and nothing is dropped out.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """A step learns from `accumulate` batches. `max_length` is in tokens, prompt and answer together, and
    `checkpoint_every` in steps."""

    rank: int = 16
    alpha: float = 32.0
    learning_rate: float = 2e-5
    epochs: float = 1.0
    batch_size: int = 2
    accumulate: int = 1
    max_length: int = 4096
    seed: int = 0
    checkpoint_every: int = 100

    @property
    def at_once(self) -> int:
        """Examples of a step."""
        return self.batch_size * self.accumulate
