"""A convolution with what follows it, in one pass over memory.

oneDNN adds a shortcut and applies ReLU while a convolution's result is still in registers. torch has that as internal
operators, which its compiler uses; where they are missing or wrong, the same is computed in three steps.
"""

from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional


def convolve(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    *,
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int] = (0, 0),
    shortcut: Tensor | None = None,
    relu: bool = True,
) -> Tensor:
    """relu(convolution + shortcut), a new tensor, channels last where `x` is.

    x: (N, C, H, W) of the weights' dtype.  shortcut: of the result's shape.  relu: False for the bare sum.
    """
    if not _fuses(x.device.type, x.dtype):
        found = functional.conv2d(x, weight, bias, stride, padding)
        if shortcut is not None:
            found += shortcut
        return found.relu_() if relu else found
    after = "relu" if relu else None
    if shortcut is None:
        return torch.ops.mkldnn._convolution_pointwise(
            x, weight, bias, padding, stride, (1, 1), 1, after or "none", [], None
        )
    return torch.ops.mkldnn._convolution_pointwise.binary(
        x, shortcut, weight, bias, padding, stride, (1, 1), 1, "add", 1.0, after, [], None
    )


def convolve_by(module: nn.Module, x: Tensor, *, relu: bool = True) -> Tensor:
    """`convolve` with the weights, stride and padding of a `Conv2d`."""
    assert isinstance(module, nn.Conv2d)
    assert isinstance(module.padding, tuple)
    (down, across), (above, left) = module.stride, module.padding
    return convolve(x, module.weight, module.bias, stride=(down, across), padding=(above, left), relu=relu)


@cache
def _fuses(device: str, dtype: torch.dtype) -> bool:
    """Whether torch's operators for it are there and give what the three steps give."""
    if device != "cpu" or dtype not in (torch.float32, torch.bfloat16) or not torch.backends.mkldnn.is_available():
        return False
    numbers = torch.arange(-64, 64, dtype=torch.float32).div(64)
    x = numbers.reshape(1, 8, 4, 4).to(dtype).contiguous(memory_format=torch.channels_last)
    weight, bias = numbers[:64].reshape(8, 8, 1, 1).to(dtype), numbers[60:68].to(dtype)
    plain = functional.conv2d(x.float(), weight.float(), bias.float())
    around = ((0, 0), (1, 1), (1, 1), 1)
    try:
        alone = torch.ops.mkldnn._convolution_pointwise(x, weight, bias, *around, "relu", [], None)
        summed = torch.ops.mkldnn._convolution_pointwise.binary(
            x, x, weight, bias, *around, "add", 1.0, "relu", [], None
        )
    except (AttributeError, RuntimeError, TypeError):
        return False
    return torch.allclose(alone.float(), plain.relu(), atol=0.05) and torch.allclose(
        summed.float(), (plain + x.float()).relu(), atol=0.05
    )
