"""A model with a LoRA adapter on it, in PyTorch: its loss on a batch, its scores, its adapter's files.

Logits are computed only where they are read: over a whole batch of 4,096 tokens a Llama 3 vocabulary would take
gigabytes.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from guardcli.errors import TuneError
from guardcli.training.base_model import Weights
from guardcli.training.config import Settings
from guardcli.training.dependencies import needed
from guardcli.training.tokenizer import Encoded

ADAPTER = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
_CLIPPED_AT = 1.0  # the length of a step's gradient: one odd example must not undo what was learned


class Adapted:
    """A Llama whose linear layers have a LoRA each; only those are trained. Loading it seeds PyTorch."""

    def __init__(self, weights: Weights, settings: Settings, *, threads: int | None = None) -> None:
        """Raises ModelError: the weights cannot be loaded; TuneError: the GPU's memory is full."""
        self._torch: Any = needed("torch")
        self._peft: Any = needed("peft")
        if threads is not None:
            self._torch.set_num_threads(threads)
        self.device = "cuda" if self._torch.cuda.is_available() else "cpu"
        with self._room():
            model = weights.load(self.device)
        self._torch.manual_seed(settings.seed)
        with warnings.catch_warnings():  # PEFT 0.21, and what follows, use names that go with transformers 6
            warnings.simplefilter("ignore", FutureWarning)
            if self.device == "cuda":  # two sequences of 4,096 tokens would take tens of gigabytes
                model.gradient_checkpointing_enable({"use_reentrant": False})
            self._model: Any = self._peft.get_peft_model(model, _lora(self._peft, weights, settings))
        self._parameters = [parameter for parameter in self._model.parameters() if parameter.requires_grad]
        self._optimizer = self._torch.optim.AdamW(self._parameters, lr=settings.learning_rate, weight_decay=0.0)

    def learn(self, batches: Sequence[Sequence[Encoded]]) -> float:
        """One step; the mean loss of the answers' tokens before it. Where it is not finite nothing is learned.

        Raises:
            TuneError: the GPU's memory is full.
        """
        self._model.train()
        self._optimizer.zero_grad()
        answers = sum(len(one.tokens) - one.asked for batch in batches for one in batch)
        found = 0.0
        with self._room():
            for batch in batches:
                loss = self._loss(batch) / answers
                loss.backward()
                found += float(loss.detach())
        if math.isfinite(found):
            self._torch.nn.utils.clip_grad_norm_(self._parameters, _CLIPPED_AT)
            self._optimizer.step()
        return found

    def _loss(self, batch: Sequence[Encoded]) -> Any:
        """The summed cross-entropy of the answers' tokens."""
        places = [(row, at) for row, one in enumerate(batch) for at in range(one.asked, len(one.tokens))]
        targets = [batch[row].tokens[at] for row, at in places]
        logits = self._logits(batch, [(row, at - 1) for row, at in places])
        wanted = self._torch.tensor(targets, device=self.device)
        return self._torch.nn.functional.cross_entropy(logits, wanted, reduction="sum")

    def scores(self, batch: Sequence[Encoded], verdicts: tuple[int, int]) -> list[float]:
        """P(unsafe) of the two verdicts, by the ids of safe and unsafe, where the answer has it."""
        self._model.eval()
        with self._room(), self._torch.no_grad():
            logits = self._logits(batch, [(row, one.read - 1) for row, one in enumerate(batch)])
            pairs = logits[:, list(verdicts)].double().softmax(dim=-1)
        return [float(score) for score in pairs[:, 1]]

    def _logits(self, batch: Sequence[Encoded], places: Sequence[tuple[int, int]]) -> Any:
        """Logits behind the tokens at (row, position), in float32."""
        torch = self._torch
        longest = max(len(one.tokens) for one in batch)
        ids = torch.zeros((len(batch), longest), dtype=torch.long)
        mask = torch.zeros((len(batch), longest), dtype=torch.long)
        for row, one in enumerate(batch):
            ids[row, : len(one.tokens)] = torch.tensor(list(one.tokens))
            mask[row, : len(one.tokens)] = 1
        llama = self._model.get_base_model()
        states = llama.model(
            input_ids=ids.to(self.device), attention_mask=mask.to(self.device), use_cache=False
        ).last_hidden_state
        rows, positions = zip(*places, strict=True)
        return llama.lm_head(states[list(rows), list(positions)]).float()

    @contextmanager
    def _room(self) -> Iterator[None]:
        try:
            yield
        except self._torch.OutOfMemoryError as error:
            raise TuneError(f"the GPU's memory is full: lower --batch-size or --max-length ({error})") from error

    def save(self, folder: Path) -> None:
        """Write the adapter as PEFT reads it."""
        tensors = self._peft.get_peft_model_state_dict(self._model, save_embedding_layers=False)
        needed("safetensors.torch").save_file(
            {name: t.contiguous().cpu() for name, t in tensors.items()}, folder / ADAPTER
        )
        self._model.peft_config["default"].save_pretrained(str(folder))

    def save_state(self, file: Path) -> None:
        """Write what the optimizer remembers."""
        self._torch.save(self._optimizer.state_dict(), file)

    def restore(self, folder: Path, state: Path) -> None:
        """Go on from an adapter and an optimizer that were saved."""
        tensors = needed("safetensors.torch").load_file(folder / ADAPTER)
        self._peft.set_peft_model_state_dict(self._model, tensors)
        self._optimizer.load_state_dict(self._torch.load(state, map_location=self.device, weights_only=True))


def _lora(peft: Any, weights: Weights, settings: Settings) -> Any:
    """A LoRA on every linear layer but the output; its matrices are float32, on bfloat16 weights, too."""
    return peft.LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
        base_model_name_or_path=str(weights.folder),
    )
