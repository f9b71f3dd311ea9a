"""Finding the same image twice: perceptual hashes, confirmed by what the thumbnails show."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn

SIDE = 32
"""Of the thumbnail in px."""

LOW = 8
"""Frequencies a direction that make the hash: 8 x 8 bits."""

NEAR = 4
"""Bits by which the hashes of one image, saved twice, may differ."""

CORRELATION = 0.9
"""Of two thumbnails of one image at least. Different images of GlaS, CoNSeP, EBHI-Seg, DSB2018 and CRC-VAL-HE-7K reach
0.65, the same one in another exposure 0.99."""

FLAT = 4.0
"""Standard deviation of the grey values of a thumbnail below which it shows nothing to recognise."""


@dataclass(frozen=True)
class Fingerprint:
    """hash: 64 bits.  thumbnail: uint8 (32, 32), grey."""

    hash: int
    thumbnail: NDArray[np.uint8]


def fingerprint(rgb: NDArray[np.uint8]) -> Fingerprint:
    """Of an image uint8 (H, W, 3): signs of the low frequencies of its cosine transform against their median (pHash,
    Zauner 2010)."""
    grey = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2GRAY)
    thumbnail = cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.uint8)
    low = dctn(thumbnail.astype(np.float64), norm="ortho")[:LOW, :LOW].ravel()
    bits = low > np.median(low[1:])
    return Fingerprint(int.from_bytes(np.packbits(bits).tobytes(), "little"), thumbnail)


def same_images(fingerprints: Sequence[Fingerprint]) -> list[tuple[int, int]]:
    """Pairs of indices (i < j) of images that are the same but for size, compression or slight changes of colour.

    Turned, mirrored and shifted images are not found, nor ones that show next to nothing.
    """
    shown = [index for index, one in enumerate(fingerprints) if one.thumbnail.std() >= FLAT]
    hashes = np.array([fingerprints[index].hash for index in shown], np.uint64)
    pairs = {(shown[first], shown[second]) for first, second in _near_pairs(hashes)}
    return sorted(pair for pair in pairs if _correlation(*(fingerprints[i].thumbnail for i in pair)) >= CORRELATION)


def _correlation(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def _near_pairs(hashes: NDArray[np.uint64]) -> Iterator[tuple[int, int]]:
    """Pairs i < j, some several times, of hashes at most NEAR bits apart.

    Of NEAR + 1 parts of two such hashes one at least is equal, so only those that share a part are compared.
    """
    part_bits = 64 // (NEAR + 1) + 1
    for part in range(NEAR + 1):
        shift, mask = np.uint64(part * part_bits), np.uint64((1 << part_bits) - 1)
        keys = (hashes >> shift) & mask
        order = np.argsort(keys, kind="stable")
        starts = np.flatnonzero(np.diff(keys[order])) + 1
        for group in np.split(order, starts):
            for position, index in enumerate(group[:-1]):
                rest = group[position + 1 :]
                apart = np.unpackbits((hashes[rest] ^ hashes[index]).view(np.uint8).reshape(-1, 8), axis=1).sum(1)
                for other in rest[apart <= NEAR]:
                    yield int(index), int(other)
