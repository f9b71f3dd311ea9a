"""Batch norms merged into the convolutions before them, for inference."""

import copy

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from cerberus_annotate.network.cerberus import Cerberus, Encoder, NormFirst, ResidualBlock

BYTE_WEIGHT = "byte_weight"
"""Name of the encoder's buffer with the folded first weights divided by 255, for pixels as bytes."""

_BIAS_BITS = "bias_bits"
"""Name of the buffers with the biases in fp32, seen as whole numbers, which `Module.to(bfloat16)` leaves alone."""


def fold_norms(network: Cerberus) -> Cerberus:
    """A copy in eval mode whose norms are part of the convolutions; the tissue head's stay, they follow none.

    Same outputs up to rounding (within 4e-4 on the parity fixtures' logits, which span 60).
    """
    folded = copy.deepcopy(network).eval()
    for module in folded.modules():
        if isinstance(module, ResidualBlock):
            _fold(module, "conv1", "bn1")
            _fold(module, "conv2", "bn2")
            if module.downsample is not None:
                _fold(module.downsample, "0", "1")
        elif isinstance(module, Encoder):
            _fold(module, "conv1", "bn1")
            # kept beside the weights, so that a network in bf16 has them rounded once
            module.register_buffer(BYTE_WEIGHT, module.conv1.weight.detach() / 255, persistent=False)
        elif isinstance(module, NormFirst):
            _fold(module, "conv", "bn")
    for module in folded.modules():
        if isinstance(module, nn.Conv2d) and module.bias is not None:
            module.register_buffer(_BIAS_BITS, module.bias.detach().clone().view(torch.int32), persistent=False)
    return folded


def exact_bias(conv: nn.Conv2d) -> torch.Tensor | None:
    """The bias of a folded network's convolution in fp32, whatever number type the network is in now."""
    return None if conv.bias is None else conv.get_buffer(_BIAS_BITS).view(torch.float32)


def _fold(module: nn.Module, convolution: str, norm: str) -> None:
    conv, bn = module.get_submodule(convolution), module.get_submodule(norm)
    assert isinstance(conv, nn.Conv2d)
    assert isinstance(bn, nn.BatchNorm2d)
    with torch.no_grad():
        setattr(module, convolution, fuse_conv_bn_eval(conv, bn))
    setattr(module, norm, nn.Identity())
