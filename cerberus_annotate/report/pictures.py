"""Pictures as text that stands in the HTML file itself."""

import base64
import io

import numpy as np
from numpy.typing import NDArray


def jpeg_data_uri(rgb: NDArray[np.uint8], quality: int = 60) -> str:
    """A `data:` URI of the picture as JPEG.  rgb: uint8 (h, w, 3). quality: 1 to 95, as Pillow has it."""
    from PIL import Image

    encoded = io.BytesIO()
    # colours at full resolution, or thin outlines lose theirs
    Image.fromarray(np.ascontiguousarray(rgb)).save(encoded, "JPEG", quality=quality, subsampling=0, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(encoded.getvalue()).decode("ascii")
