"""The worst and the best images of a task, with the outlines of what is true and what was found."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.segmentation import find_boundaries

from cerberus_annotate.learn.data.labelled_image import UNLABELLED, LabelledImage
from cerberus_annotate.learn.evaluation.plots import DPI, save
from cerberus_annotate.learn.evaluation.prediction import Prediction
from cerberus_annotate.learn.evaluation.scores import ImageScore, TaskScores
from cerberus_annotate.learn.evaluation.tables import MEASURE_TITLES, TASK_TITLES

TRUE_COLOUR = (0, 0, 0)
FOUND_COLOUR = (0, 170, 255)
SHOWN = 3
WINDOW = {"nuclei": 400, "nuclei_points": 250}
LARGE_WINDOW = 1000
"""px of the image; of a larger one, the window is shown in which truth and prediction differ most."""
PANEL = 900
"""px of the drawn panel's longer side, at least."""
LINE, DASH = 1 / 280, 1 / 80
"""Thickness of lines and length of dashes, relative to the panel."""


@dataclass(frozen=True)
class Panel:
    """An image with outlines, uint8 (h, w, 3), and the words above it."""

    rgb: NDArray[np.uint8]
    title: str


def chosen(scores: TaskScores) -> tuple[list[ImageScore], list[ImageScore]]:
    """The worst images, the worst first, and the best, the best first; at most three each, none in both."""
    ranked = sorted(scores.images, key=lambda each: each.values[scores.ranked_by])
    count = min(SHOWN, (len(ranked) + 1) // 2)
    return ranked[:count], ranked[count:][-count:][::-1]


def draw_examples(
    task: str,
    scores: TaskScores,
    read: Callable[[str], LabelledImage],
    predict: Callable[[LabelledImage], Prediction],
    path: Path,
) -> None:
    """A PNG of the worst images above the best; `read` gives an image by its name."""
    worst, best = chosen(scores)
    measure = MEASURE_TITLES.get(scores.ranked_by, scores.ranked_by)
    rows = [
        (words, [_panel(task, read(each.name), predict, each, measure, scores.ranked_by) for each in images])
        for words, images in (("worst", worst), ("best", best))
        if images
    ]
    figure_of(rows, task, path)


def _panel(
    task: str,
    image: LabelledImage,
    predict: Callable[[LabelledImage], Prediction],
    score: ImageScore,
    measure: str,
    ranked_by: str,
) -> Panel:
    prediction = predict(image)
    value = score.values[ranked_by]
    name = image.name if len(image.name) <= 34 else f"…{image.name[-33:]}"
    if task == "patch" and prediction.patch is not None:
        found = prediction.patch_classes[int(prediction.patch.argmax())]
        words = f"{image.patch_class}, found as {found}\nprobability of the true class {value:.2f}"
        return Panel(enlarged(image.rgb), f"{name}\n{words}")
    if task == "nuclei_points":
        return Panel(_with_points(image, prediction), f"{name}\n{measure} {value:.2f}")
    truth, found_map = maps_of(task, image, prediction)
    window = most_wrong(truth, found_map, WINDOW.get(task, LARGE_WINDOW))
    part = "" if truth[window].shape == truth.shape else f", a part of {truth.shape[1]} x {truth.shape[0]} px"
    return Panel(outlined(image.rgb[window], truth[window], found_map[window]), f"{name}\n{measure} {value:.2f}{part}")


def maps_of(task: str, image: LabelledImage, prediction: Prediction) -> tuple[NDArray, NDArray]:
    """The true and the found map of a task."""
    pairs: dict[str, tuple[NDArray | None, NDArray | None]] = {
        "nuclei": (image.nuclei, prediction.nuclei),
        "gland": (image.glands, prediction.glands),
        "lumen": (image.lumina, prediction.lumina),
        "semantic": (image.mask, prediction.mask),
    }
    truth, found = pairs[task]
    shape = image.rgb.shape[:2]
    truth = np.zeros(shape, np.int32) if truth is None else truth
    if task == "semantic":
        truth = np.where(truth == UNLABELLED, 0, truth)
    return truth, np.zeros(shape, np.int32) if found is None else found


def most_wrong(truth: NDArray, found: NDArray, window: int) -> tuple[slice, slice]:
    """Rows and columns of the window, so many px wide and high, in which the foregrounds differ most."""
    height, width = (min(window, side) for side in truth.shape)
    wrong = ((truth > 0) != (found > 0)).astype(np.float32)
    sums = cv2.integral(wrong)
    inside = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    top, left = np.unravel_index(int(inside.argmax()), inside.shape)
    return slice(int(top), int(top) + height), slice(int(left), int(left) + width)


def enlarged(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The image, whole times larger, so that outlines are thin beside what they enclose."""
    times = max(1, -(-PANEL // max(rgb.shape[:2])))
    size = (rgb.shape[1] * times, rgb.shape[0] * times)
    return cv2.resize(rgb, size, interpolation=cv2.INTER_CUBIC).astype(np.uint8)


def outlined(rgb: NDArray[np.uint8], truth: NDArray, found: NDArray) -> NDArray[np.uint8]:
    """The enlarged image with a line around each true object and one around each found one, dashed where they meet."""
    drawn = enlarged(rgb)
    lines = [_lines(labels, drawn.shape[0] // rgb.shape[0]) for labels in (truth, found)]
    rows, columns = np.indices(drawn.shape[:2])
    dashes = (rows + columns) // max(2, round(max(drawn.shape) * DASH)) % 2 == 0
    drawn[lines[0]] = TRUE_COLOUR
    drawn[lines[1] & (dashes | ~lines[0])] = FOUND_COLOUR
    return drawn


def _lines(labels: NDArray, times: int) -> NDArray[np.bool_]:
    large = np.kron(labels, np.ones((times, times), labels.dtype)) if times > 1 else labels
    # the image's border closes what it cuts, so that a map that is all foreground does not look empty
    closed = np.pad(large, 1)
    edge = (find_boundaries(closed, connectivity=1, mode="inner") & (closed > 0))[1:-1, 1:-1]
    thickness = max(2, round(max(large.shape) * LINE))
    return cv2.dilate(edge.astype(np.uint8), np.ones((thickness, thickness), np.uint8)) > 0


def _with_points(image: LabelledImage, prediction: Prediction) -> NDArray[np.uint8]:
    """The part with most points: a dot for each, a line around each found nucleus."""
    shape = image.rgb.shape[:2]
    points = np.zeros((0, 2)) if image.nucleus_points is None else image.nucleus_points[:, :2]
    places = np.zeros(shape, np.uint8)
    places[points[:, 1].astype(int), points[:, 0].astype(int)] = 1
    nothing = np.zeros(shape, np.int32)
    rows, columns = most_wrong(places, nothing, WINDOW["nuclei_points"])
    found = nothing if prediction.nuclei is None else prediction.nuclei
    drawn = outlined(image.rgb[rows, columns], nothing[rows, columns], found[rows, columns])
    times = drawn.shape[0] // (rows.stop - rows.start)
    for x, y in ((points - (columns.start, rows.start)) * times).astype(int).tolist():
        cv2.circle(drawn, (x, y), 2 * times, TRUE_COLOUR, -1)
    return drawn


def figure_of(rows: Sequence[tuple[str, list[Panel]]], task: str, path: Path) -> None:
    """Writes the panels, a row for each of `rows`, with a legend of the outlines."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    columns = max(len(panels) for _, panels in rows)
    heights = [max(panel.rgb.shape[0] / panel.rgb.shape[1] for panel in panels) * 5 + 0.6 for _, panels in rows]
    figure = Figure(figsize=(5 * columns, sum(heights) + 0.9), dpi=DPI, layout="constrained")
    grid = figure.subplots(len(rows), columns, squeeze=False, height_ratios=heights)
    for axes in grid.ravel():
        axes.axis("off")
    for row, (words, panels) in enumerate(rows):
        for column, panel in enumerate(panels):
            axes = grid[row, column]
            axes.imshow(panel.rgb)
            axes.set_title(f"{words}: {panel.title}", fontsize=10)
    figure.suptitle(f"{TASK_TITLES[task]}: worst and best images", fontsize=14)
    if task != "patch":
        handles = [
            Line2D([], [], color=_hex(TRUE_COLOUR), linewidth=3, label="label"),
            Line2D([], [], color=_hex(FOUND_COLOUR), linewidth=3, label="found"),
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=2, fontsize=11, facecolor="#d9a5c0")
    save(figure, path)


def _hex(rgb: tuple[int, int, int]) -> str:
    return "#" + "".join(f"{part:02x}" for part in rgb)
