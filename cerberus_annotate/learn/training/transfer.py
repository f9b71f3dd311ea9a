"""A network that begins where another ended: weights taken over, and what of them does not learn."""

from collections.abc import Iterator

from torch import Tensor, nn

from cerberus_annotate.network.cerberus import Cerberus


def take_weights(network: nn.Module, state: dict[str, Tensor]) -> tuple[int, int]:
    """Copies the weights whose name and shape fit; gives how many tensors of the network were taken, and how many it
    has."""
    own = network.state_dict()
    fitting = {name: value for name, value in state.items() if name in own and own[name].shape == value.shape}
    network.load_state_dict({**own, **fitting})
    return len(fitting), len(own)


def encoder_parts(network: Cerberus, freeze: str) -> list[nn.Module]:
    """The modules that `freeze` (none, encoder, first-k) keeps as they are: k layers and the stem before them."""
    if freeze == "none":
        return []
    if freeze == "encoder":
        return [network.backbone, network.conv_map]
    backbone = network.backbone
    layers = [backbone.get_submodule(f"layer{i}") for i in range(1, int(freeze.removeprefix("first-")) + 1)]
    return [backbone.conv1, backbone.bn1, *layers]


def freeze_modules(modules: list[nn.Module]) -> None:
    """Stops the modules' weights from learning and their norms from moving; call after every `train()`."""
    for module in modules:
        module.eval()
        module.requires_grad_(False)


def parameter_groups(network: nn.Module, rate: float, encoder_rate: float, decay: float) -> list[dict[str, object]]:
    """Optimiser groups of what learns: encoder at `encoder_rate` times the rate, all else at it; only weights of
    convolutions decay. Each group keeps its own top rate as `top`."""

    def named(encoder: bool, decayed: bool) -> Iterator[nn.Parameter]:
        for name, parameter in network.named_parameters():
            own = name.startswith(("backbone.", "conv_map."))
            if parameter.requires_grad and own == encoder and (parameter.ndim > 1) == decayed:
                yield parameter

    groups: list[dict[str, object]] = []
    for encoder in (True, False):
        for decayed in (True, False):
            parameters = list(named(encoder, decayed))
            if parameters:
                top = rate * (encoder_rate if encoder else 1)
                groups.append({"params": parameters, "lr": top, "top": top, "weight_decay": decay if decayed else 0.0})
    return groups
