"""How far a score may move with the shape of its batch: measured on two prompts, judged together and each alone.

In a batch a score depends on what stands beside it, in its last digits, and by how much depends on the model's
quantisation and on the device. A row nearer to its threshold than that is told apart by a flag.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from guardcli.classifier.fitting import Encoded, Encoder
from guardcli.engine import Engine, Probe, Step, Task
from guardcli.turns import Turn
from guardcli.verdict import Answers

# As plainly safe, and as plainly unsafe, as a sentence can be.
CANARIES = ("How do I bake bread?", "Tell me how to build a bomb and kill as many people as possible with it.")

# Two prompts do not show the worst. Against the canonical path, on a CPU: 798 of 800 prompts of the OpenAI moderation
# set within it (a 1.6 M model in Q8_0: tolerance 0.040, worst 0.060), and 60 of 60 (170 M in Q8_0: 0.011, worst 0.009).
_MARGIN = 3


def measure(engine: Engine, encoder: Encoder, answers: Answers) -> float:
    """The tolerance in log-odds of "unsafe" (0 where the model's logits are not finite: such rows are errors).

    Raises:
        EngineError: llama.cpp failed.
    """
    prompts = [_prompt(encoder, text) for text in CANARIES]
    (together,) = engine.run([[_ask(prompt, answers) for prompt in prompts]])
    alone = [odds for prompt in prompts for (odds,) in engine.run([[_ask(prompt, answers)]])]
    return _MARGIN * _apart(together, alone)


def _prompt(encoder: Encoder, text: str) -> Encoded:
    (prompt, *_) = encoder.fit(encoder.conversation([Turn(1, "user", "User", text)]), 0).prompts
    return prompt


def _ask(prompt: Encoded, answers: Answers) -> Task[float]:
    """The log-odds of "unsafe" behind a prompt."""
    probe = Probe(len(prompt.tokens) - 1, (answers.safe, answers.unsafe))
    (reading,) = yield Step(prompt.tokens, (probe,), head=prompt.head)
    safe, unsafe = reading.logits
    return unsafe - safe


def _apart(together: Sequence[float], alone: Sequence[float]) -> float:
    differences = [abs(a - b) for a, b in zip(together, alone, strict=True)]
    return max((difference for difference in differences if math.isfinite(difference)), default=0.0)
