"""Pictures of a harvest that nobody reviewed, listed in its `unreviewed.csv`."""

import csv
from pathlib import Path

from cerberus_annotate.errors import UsageError
from cerberus_annotate.learn.data.labelled_image import LabelledImage
from cerberus_annotate.learn.data.reading import read_picture

LIST = "unreviewed.csv"


def read_unreviewed(folder: Path) -> list[LabelledImage]:
    """The pictures, without labels; none where the folder lists none.  Raises UsageError for a list that cannot be
    read or a picture that is missing, SlideError for a damaged one."""
    path = folder / LIST
    if not path.is_file():
        return []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        return [
            LabelledImage(
                name=row["name"],
                dataset=row["dataset"],
                split=row["split"],
                mpp=float(row["mpp"]),
                rgb=read_picture(folder / row["image"])[0],
                patient=row["patient"],
            )
            for row in rows
        ]
    except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise UsageError(f"{path} cannot be read ({error}); run `harvest` again, which writes it anew.") from error
