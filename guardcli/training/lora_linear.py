"""A linear layer with a LoRA in few passes over its activations.

PEFT computes the base and the LoRA separately, and scales and adds their outputs. On a CPU these passes over memory
take a fifth of a step. Here both are accumulated into one output, and so are the two parts of the input's gradient::

    forward     h = x Aᵀ        y  = x Wᵀ + s h Bᵀ        x (tokens, in), A (r, in), B (out, r), s = alpha / r
    backward    k = s g B       dx = g W + k A        dA = kᵀ x        dB = s gᵀ h        g = dy

W is not trained. If it is bfloat16, all products are. A and B are always float32: each step computes with them rounded,
and their gradients are rounded in each batch, and summed in float32.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from guardcli.training.dependencies import require

_ADAPTER = "default"  # PEFT's name for an adapter that was given none


def fuse_lora(model: Any) -> None:
    """Let the LoRA layers of a PEFT model on a CPU compute both at once."""
    lora_layer = require("peft.tuners.lora").Linear
    for module in model.modules():
        if isinstance(module, lora_layer) and module.base_layer.weight.device.type == "cpu":
            module.forward = _fused_forward(module)


def _fused_forward(layer: Any) -> Callable[[Any], Any]:
    base, down, up, scale = layer.base_layer, layer.lora_A[_ADAPTER], layer.lora_B[_ADAPTER], layer.scaling[_ADAPTER]

    def forward(x: Any) -> Any:
        y = _function().apply(x.reshape(-1, x.shape[-1]), base.weight, down.weight, up.weight, scale)
        y = y.view(*x.shape[:-1], y.shape[-1])
        return y if base.bias is None else y + base.bias

    return forward


@cache
def _function() -> Any:
    """The autograd function of the layer: a class, whose base exists only where PyTorch is installed."""
    torch: Any = require("torch")

    class LoraLinear(torch.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, x: Any, weight: Any, down: Any, up: Any, scale: float) -> Any:
            down, up = down.to(x.dtype), up.to(x.dtype)
            hidden = x @ down.T
            ctx.save_for_backward(x, weight, down, up, hidden)
            ctx.scale = scale
            return (x @ weight.T).addmm_(hidden, up.T, alpha=scale)

        @staticmethod
        def backward(ctx: Any, gradient: Any) -> Any:
            x, weight, down, up, hidden = ctx.saved_tensors
            hidden_gradient = (gradient @ up) * ctx.scale
            down_gradient = hidden_gradient.T @ x
            up_gradient = ((hidden.T @ gradient) * ctx.scale).T
            x_gradient = None
            if ctx.needs_input_grad[0]:
                x_gradient = (gradient @ weight).addmm_(hidden_gradient, down)
            return x_gradient, None, down_gradient, up_gradient, None

    return LoraLinear
