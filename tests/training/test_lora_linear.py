"""The fused LoRA layer computes what PEFT computes, and in bfloat16 as near as its rounding."""

from __future__ import annotations

from typing import Any

import pytest

from guardcli.training.lora_linear import fuse_lora

torch = pytest.importorskip("torch", reason="tests of training need the extra dev-tune")
peft = pytest.importorskip("peft")


def adapted(*, bias: bool = False, dtype: Any = torch.float32) -> Any:
    torch.manual_seed(0)
    linear = torch.nn.Sequential(torch.nn.Linear(6, 5, bias=bias)).to(dtype)
    config = peft.LoraConfig(r=3, lora_alpha=12, target_modules=["0"], init_lora_weights=False)
    return peft.get_peft_model(linear, config)


def results(model: Any, x: Any) -> list[Any]:
    """The output, and the gradients of a loss to the input and all weights that are trained."""
    x = x.clone().requires_grad_()
    model.zero_grad()
    y = model(x)
    (y * torch.arange(y.numel()).view_as(y)).sum().backward()
    return [y, x.grad, *(parameter.grad for parameter in model.parameters() if parameter.requires_grad)]


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("shape", [(7, 6), (2, 4, 6)])
def test_output_and_gradients_are_those_of_peft(bias: bool, shape: tuple[int, ...]) -> None:
    model = adapted(bias=bias)
    x = torch.randn(*shape)
    expected = [tensor.clone() for tensor in results(model, x)]
    fuse_lora(model)
    found = results(model, x)
    assert len(found) == 4  # the output, and the gradients of x, A and B
    assert "forward" in vars(model.base_model.model[0])  # it is another way than PEFT's
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        assert float(other.detach().abs().max()) > 0
        assert torch.allclose(one, other, rtol=1e-5, atol=1e-4)


def test_an_input_that_needs_no_gradient_gets_none() -> None:
    model = adapted()
    fuse_lora(model)
    x = torch.randn(3, 6)
    model(x).sum().backward()
    assert x.grad is None
    assert all(parameter.grad is not None for parameter in model.parameters() if parameter.requires_grad)


def test_a_base_in_bfloat16_gives_what_peft_gives_within_its_rounding() -> None:
    """PEFT computes the LoRA of such a base in float32. The gradients of A and B are in float32 here, too."""
    model = adapted(dtype=torch.bfloat16)
    x = torch.randn(7, 6).bfloat16()
    expected = [tensor.clone() for tensor in results(model, x)]
    fuse_lora(model)
    assert "forward" in vars(model.base_model.model[0])
    found = results(model, x)
    assert [tensor.dtype for tensor in found] == [torch.bfloat16, torch.bfloat16, torch.float32, torch.float32]
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, rtol=0.02, atol=0.02 * float(other.detach().abs().max()))
