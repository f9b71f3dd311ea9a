"""Network pixels per second on this CPU: the plain 448/144 network against our tiles, in one run.

    python benchmarks/network_geometry.py [--rounds 3] [--threads 2]

Both run the official configuration with the same initial weights in fp32; `plain` is the network as published (norms
not folded, whole output computed, central 144 px kept), `ours` folds the norms, keeps channels last, computes only what
the kept part needs, and takes the tile that `predict` would take. The rounds alternate, so that a machine that slows
down slows both. Before timing, the two are compared on one 448 px patch.
"""

import argparse
import statistics
import time

import torch

from cerberus_annotate.network import fold_norms, official
from cerberus_annotate.predict.geometry import choose_geometry
from cerberus_annotate.predict.inference import REFERENCE_KEPT, REFERENCE_MARGIN, cpu_computes_in_bf16

SLIDE = (20_000, 20_000)


def seconds(network: torch.nn.Module, pixels: torch.Tensor, margin: int) -> float:
    """Wall seconds of one forward pass."""
    started = time.perf_counter()
    with torch.inference_mode():
        network(pixels, margin)
    return time.perf_counter() - started


def main() -> None:
    """Prints the equality, each round, and the median ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(1)
    plain = official().eval()
    folded = fold_norms(plain).to(memory_format=torch.channels_last)
    side = REFERENCE_KEPT + 2 * REFERENCE_MARGIN
    patch = torch.rand(1, 3, side, side) * 255
    last = patch.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        whole, cut = plain(patch), folded(last, REFERENCE_MARGIN)
    kept = slice(REFERENCE_MARGIN, REFERENCE_MARGIN + REFERENCE_KEPT)
    for name, value in cut.items():
        expected = whole[name] if value.shape[2:] == (1, 1) else whole[name][:, :, kept, kept]
        spread, difference = expected.std().item(), (value - expected).abs().max().item()
        print(f"{name:13s} largest difference {difference:.1e} at a standard deviation of {spread:.1e}")
        assert difference < 1e-3 * max(1.0, spread)
    half = folded.to(torch.bfloat16) if cpu_computes_in_bf16() else None
    folded = fold_norms(plain).to(memory_format=torch.channels_last)
    rates: dict[str, list[float]] = {}
    for round_number in range(given.rounds):
        rates.setdefault("plain", []).append(REFERENCE_KEPT**2 / seconds(plain, patch, 0))
        for name, network, dtype in (("ours fp32", folded, torch.float32), ("ours bf16", half, torch.bfloat16)):
            if network is None:
                continue
            tiling = choose_geometry(plain.config, SLIDE, False, dtype, "cpu")
            length = tiling.side + 2 * tiling.reach
            pixels = (torch.rand(1, 3, length, length) * 255).to(dtype)
            pixels = pixels.contiguous(memory_format=torch.channels_last)
            rates.setdefault(name, []).append(tiling.side**2 / seconds(network, pixels, tiling.reach))
            if round_number == 0:
                print(f"{name}: {length} px tiles, {tiling.side} px kept")
        print("  ".join(f"{name} {values[-1]:,.0f} px/s" for name, values in rates.items()), flush=True)
    for name in list(rates)[1:]:
        ratios = [ours / base for ours, base in zip(rates[name], rates["plain"], strict=True)]
        print(f"{name} / plain: median {statistics.median(ratios):.1f} of {', '.join(f'{r:.1f}' for r in ratios)}")


if __name__ == "__main__":
    main()
