"""A convolution and the ReLU after it in one pass over memory, its bias in fp32 whatever the number type.

torch has an internal operator for it, which its compiler uses; where that is missing or wrong, the same is computed in
two steps, with the bias in the number type. In bf16 the rounding of biases makes nearly all of the difference to fp32,
since it is the same at every pixel, while that of weights and maps averages out.
"""

from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional

from cerberus_annotate.network.folding import exact_bias


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

    x: (N, C, H, W) of the weights' dtype.  bias: fp32.  shortcut: of the result's shape.  relu: False for the bare sum.
    """
    at_once = relu and shortcut is None
    if _fuses(x.device.type, x.dtype):
        after = "relu" if at_once else "none"
        found = torch.ops.mkldnn._convolution_pointwise(x, weight, bias, padding, stride, (1, 1), 1, after, [], None)
        if at_once:
            return found
    else:
        found = functional.conv2d(x, weight, None if bias is None else bias.to(x.dtype), stride, padding)
    if shortcut is not None:
        found += shortcut
    return found.relu_() if relu else found


def convolve_by(
    module: nn.Module,
    x: Tensor,
    *,
    padding: tuple[int, int] | None = None,
    shortcut: Tensor | None = None,
    relu: bool = True,
) -> Tensor:
    """`convolve` with the weights and stride of a folded network's `Conv2d`, and its padding where none is given."""
    assert isinstance(module, nn.Conv2d)
    assert isinstance(module.padding, tuple)
    (down, across), (above, left) = module.stride, padding or module.padding
    return convolve(
        x,
        module.weight,
        exact_bias(module),
        stride=(down, across),
        padding=(above, left),
        shortcut=shortcut,
        relu=relu,
    )


@cache
def _fuses(device: str, dtype: torch.dtype) -> bool:
    """Whether torch's operator for it is there and gives what the two steps give."""
    if device != "cpu" or dtype not in (torch.float32, torch.bfloat16) or not torch.backends.mkldnn.is_available():
        return False
    numbers = torch.arange(-64, 64, dtype=torch.float32).div(64)
    x = numbers.reshape(1, 8, 4, 4).to(dtype).contiguous(memory_format=torch.channels_last)
    weight, bias = numbers[:64].reshape(8, 8, 1, 1).to(dtype), numbers[60:68]
    try:
        found = torch.ops.mkldnn._convolution_pointwise(x, weight, bias, (0, 0), (1, 1), (1, 1), 1, "relu", [], None)
    except (AttributeError, RuntimeError, TypeError):
        return False
    return torch.allclose(found.float(), functional.conv2d(x.float(), weight.float(), bias).relu(), atol=0.05)
