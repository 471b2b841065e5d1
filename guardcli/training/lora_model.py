"""A base model with a LoRA adapter in PyTorch: one training step, scores, and saving and loading the adapter.

A prefix that examples share is evaluated once for all of them; see `guardcli.training.shared_prefix`. Logits are
computed only at the positions that are read: for a whole batch of 4,096 tokens and the vocabulary of Llama 3 they would
take gigabytes.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from guardcli.errors import InputError, TuneError
from guardcli.training.base_model import BaseModel
from guardcli.training.config import TrainConfig
from guardcli.training.dependencies import require
from guardcli.training.lora_linear import fuse_lora
from guardcli.training.packed_rows import PackedBatch, split_rows
from guardcli.training.prefix_groups import PrefixGroup, group_by_prefix
from guardcli.training.shared_prefix import SharedBatch, SharedPrefix
from guardcli.training.step_loss import AnswerToken, StepLoss, answer_tokens
from guardcli.training.tokenizer import TokenizedExample

T = TypeVar("T")
_TokenLosses: TypeAlias = list[tuple[AnswerToken, float]]  # the cross-entropy of each, in nats

ADAPTER_FILE = "adapter_model.safetensors"
ADAPTER_CONFIG_FILE = "adapter_config.json"
_BATCHES_A_THREAD = 4  # so that threads finish together, although batches differ in size
_MAX_GRAD_NORM = 1.0  # so that one odd example cannot undo what was learned


class LoraModel:
    """A Llama with a LoRA on each linear layer but the output. Only the LoRA is trained. Loading it seeds PyTorch."""

    def __init__(self, base: BaseModel, config: TrainConfig, *, threads: int | None = None) -> None:
        """Load the weights, and put a fresh adapter on them.

        Raises:
            ModelError: the weights cannot be loaded.
            TuneError: the GPU is out of memory.
        """
        self._torch: Any = require("torch")
        self._peft: Any = require("peft")
        if threads is not None:
            self._torch.set_num_threads(threads)
        self.device = "cuda" if self._torch.cuda.is_available() else "cpu"
        with self._explain_out_of_memory():
            model = base.load(self.device, config.weight_type(self.device))
        self._torch.manual_seed(config.seed)
        with warnings.catch_warnings():  # PEFT 0.21 and its dependencies use names that transformers 6 removes
            warnings.simplefilter("ignore", FutureWarning)
            if self.device == "cuda":  # two sequences of 4,096 tokens would take tens of gigabytes
                model.gradient_checkpointing_enable({"use_reentrant": False})
            self._model: Any = self._peft.get_peft_model(model, _lora_config(self._peft, base, config))
        # PEFT keeps the names of the layers as a set, and would save them in another order each time.
        adapter_config = self._model.peft_config["default"]
        adapter_config.target_modules = sorted(adapter_config.target_modules)
        fuse_lora(self._model)
        self._config = config
        self._num_threads: int = self._torch.get_num_threads() if self.device == "cpu" else 1
        self.parameters: dict[str, Any] = {
            name: parameter for name, parameter in self._model.named_parameters() if parameter.requires_grad
        }
        self._optimizer = self._torch.optim.AdamW(self.parameters.values(), weight_decay=0.0)

    def train_step(self, examples: Sequence[TokenizedExample], *, learning_rate: float) -> StepLoss:
        """Make one optimizer step on the gradients of all examples, which are computed batch by batch.

        Returns the loss before the step. If it is not finite, the step is skipped.

        Raises:
            TuneError: the GPU is out of memory.
        """
        loss = self.compute_gradients(examples)
        if math.isfinite(loss.total):
            self._torch.nn.utils.clip_grad_norm_(self.parameters.values(), _MAX_GRAD_NORM)
            for group in self._optimizer.param_groups:
                group["lr"] = learning_rate
            self._optimizer.step()
        return loss

    def compute_gradients(self, examples: Sequence[TokenizedExample]) -> StepLoss:
        """Set the gradients of `parameters` to those of the total loss of the answers' tokens, and return the loss.

        Raises:
            TuneError: the GPU is out of memory.
        """
        self._model.train()
        self._optimizer.zero_grad()
        total_weight = sum(token.loss_weight(self._config) for example in examples for token in answer_tokens(example))
        parameters = list(self.parameters.values())

        def gradients(batch: PackedBatch) -> tuple[_TokenLosses, Sequence[Any]]:
            loss, losses = self._loss(batch, examples, total_weight)
            return losses, self._torch.autograd.grad(loss, parameters)

        shared, packed = self._split(examples)
        losses: _TokenLosses = []
        with self._explain_out_of_memory():
            for batch in self._shared_batches(shared, examples):
                loss, batch_losses = self._loss(batch, examples, total_weight)
                loss.backward()
                losses += batch_losses
            for batch_losses, batch_gradients in self._map(gradients, packed):
                losses += batch_losses
                for parameter, gradient in zip(parameters, batch_gradients, strict=True):
                    parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient
        return StepLoss.from_tokens(losses, self._config)

    def _loss(
        self, batch: SharedBatch | PackedBatch, examples: Sequence[TokenizedExample], total_weight: float
    ) -> tuple[Any, _TokenLosses]:
        """What a batch adds to the loss of a step, and the cross-entropy of its answers' tokens."""
        tokens = [token for index in batch.examples for token in answer_tokens(examples[index])]
        token_losses = self._token_losses(batch, examples)
        weights = token_losses.new_tensor([token.loss_weight(self._config) for token in tokens])
        return token_losses @ weights / total_weight, list(zip(tokens, token_losses.tolist(), strict=True))

    @property
    def _llama(self) -> Any:
        return self._model.get_base_model()

    def _split(self, examples: Sequence[TokenizedExample]) -> tuple[Sequence[PrefixGroup], Sequence[PackedBatch]]:
        """Split all examples into the groups of long prefixes, and the batches of those packed with theirs."""
        batch_size = self._config.batch_size
        num_batches = 1 if self._num_threads == 1 else _BATCHES_A_THREAD * self._num_threads
        groups = group_by_prefix(examples, batch_size)
        groups, batches = split_rows(examples, groups, batch_size, num_batches=num_batches)
        return groups, [PackedBatch(self._llama.model, rows, examples) for rows in batches]

    def _shared_batches(
        self, groups: Iterable[PrefixGroup], examples: Sequence[TokenizedExample]
    ) -> Iterator[SharedBatch]:
        """Yield the batches of groups. After the last one of a prefix, its gradients are propagated."""
        for group in groups:
            prefix = SharedPrefix(self._llama.model, group.prefix)
            for indices in group.batches:
                yield SharedBatch(prefix, indices, examples)
            prefix.backward()

    def _map(self, function: Callable[[PackedBatch], T], batches: Sequence[PackedBatch]) -> Iterator[T]:
        """Apply a function to batches, and yield the results in order.

        On a CPU with several threads each takes batches of its own, which keeps them busier than sharing each batch.
        """
        if self._num_threads == 1 or len(batches) < self._num_threads:
            yield from map(function, batches)
            return
        with ThreadPoolExecutor(self._num_threads, initializer=self._torch.set_num_threads, initargs=(1,)) as pool:
            yield from pool.map(function, batches)

    def _token_losses(self, batch: SharedBatch | PackedBatch, examples: Sequence[TokenizedExample]) -> Any:
        """The cross-entropy of each answer's tokens: (tokens,). The token at i is predicted by the logits at i - 1."""
        positions = [
            (index, token)
            for index in batch.examples
            for token in range(examples[index].prompt_length, len(examples[index].tokens))
        ]
        states = self._states(batch, [(index, token - 1) for index, token in positions])
        logits = self._llama.lm_head(states).float()
        targets = self._torch.tensor([examples[index].tokens[token] for index, token in positions], device=self.device)
        return self._torch.nn.functional.cross_entropy(logits, targets, reduction="none")

    def scores(self, examples: Sequence[TokenizedExample], verdict_ids: tuple[int, int]) -> list[float]:
        """P(unsafe) of each example, by the softmax of the logits of `verdict_ids` (safe, unsafe).

        Raises:
            TuneError: the GPU is out of memory.
        """
        self._model.eval()

        def batch_scores(batch: SharedBatch | PackedBatch) -> dict[int, float]:
            with self._torch.no_grad():  # which each thread has to say for itself
                states = self._states(batch, [(index, examples[index].verdict_index - 1) for index in batch.examples])
                rows = self._llama.lm_head.weight[list(verdict_ids)]
                logits = states.double() @ rows.double().T  # not rounded to bfloat16, in which scores would be alike
            probabilities = logits.softmax(dim=-1)
            return dict(zip(batch.examples, probabilities[:, 1].tolist(), strict=True))

        shared, packed = self._split(examples)
        scores: dict[int, float] = {}
        with self._explain_out_of_memory(), self._torch.no_grad():
            for batch in self._shared_batches(shared, examples):
                scores |= batch_scores(batch)
            for of_batch in self._map(batch_scores, packed):
                scores |= of_batch
        return [scores[index] for index in range(len(examples))]

    def _states(self, batch: SharedBatch | PackedBatch, positions: Sequence[tuple[int, int]]) -> Any:
        """The last hidden states of tokens, each given by its example and its index: (positions, width)."""
        rows, columns = zip(*(batch.place(*position) for position in positions), strict=True)
        return batch.states()[list(rows), list(columns)]

    @contextmanager
    def _explain_out_of_memory(self) -> Iterator[None]:
        try:
            yield
        except self._torch.OutOfMemoryError as error:
            raise TuneError(
                f"the GPU's memory is full: lower TrainConfig.batch_size or TrainConfig.max_length ({error})",
                code="system/out-of-memory",
            ) from error

    def save_adapter(self, folder: Path) -> None:
        """Write the adapter's weights and configuration in PEFT's format."""
        tensors = self._peft.get_peft_model_state_dict(self._model, save_embedding_layers=False)
        require("safetensors.torch").save_file(
            {name: tensor.contiguous().cpu() for name, tensor in tensors.items()}, folder / ADAPTER_FILE
        )
        self._model.peft_config["default"].save_pretrained(str(folder))

    def save_optimizer(self, file: Path) -> None:
        """Write the state of the optimizer."""
        self._torch.save(self._optimizer.state_dict(), file)

    def load_adapter(self, folder: Path) -> None:
        """Replace the adapter's weights by saved ones.

        Raises:
            InputError: the file cannot be read, or is an adapter of other matrices.
        """
        file = folder / ADAPTER_FILE
        try:
            tensors = require("safetensors.torch").load_file(file)
        except Exception as error:  # a missing file, or any error that a damaged one raises
            raise InputError(f"{file} cannot be read: {error}", code="input/unreadable") from error
        own = self._peft.get_peft_model_state_dict(self._model, save_embedding_layers=False)
        if {name: tensor.shape for name, tensor in tensors.items()} != {name: own[name].shape for name in own}:
            raise InputError(f"{file} adapts other matrices than this training", code="tune/invalid-run")
        self._peft.set_peft_model_state_dict(self._model, tensors)

    def load_checkpoint(self, folder: Path, optimizer_file: Path) -> None:
        """Continue from a saved adapter and optimizer. Raises InputError: see `load_adapter`."""
        self.load_adapter(folder)
        self._optimizer.load_state_dict(self._torch.load(optimizer_file, map_location=self.device, weights_only=True))


def _lora_config(peft: Any, base: BaseModel, config: TrainConfig) -> Any:
    """A LoRA on each linear layer but the output. Its matrices are float32, also when the base is bfloat16."""
    return peft.LoraConfig(
        r=config.lora_rank,
        lora_alpha=config.lora_alpha,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
        base_model_name_or_path=str(base.path),
    )
