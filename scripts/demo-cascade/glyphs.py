"""Signed distance fields of the capital letters and digits of DejaVu Sans Bold.

Each glyph is fitted to a cell 1 wide and CELL_HEIGHT high, wide ones squeezed, and stored with a margin so that outlines,
glows and antialiasing have distances outside it too.  Distances are in cell widths, negative inside.
The font (Bitstream Vera derived, free licence) comes with matplotlib; only the picture of its letters enters the data.
"""
import os

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vocabulary import LETTERS

CELL_HEIGHT = 1.12
MARGIN = 0.16
RESOLUTION = 160  # samples per cell width
FILL = 0.9  # share of the cell's width that a wide glyph may take


def font_path() -> str:
    try:
        import matplotlib

        return os.path.join(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans-Bold.ttf")
    except ImportError:
        return "/usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf"


def atlas() -> np.ndarray:
    """float32 (36, rows, columns)."""
    from scipy.ndimage import distance_transform_edt

    over = 4
    unit = RESOLUTION * over
    rows, columns = (round((side + 2 * MARGIN) * RESOLUTION) * over for side in (CELL_HEIGHT, 1.0))
    font = ImageFont.truetype(font_path(), 1000)
    top, bottom = font.getbbox("H")[1], font.getbbox("H")[3]
    fields = []
    for letter in LETTERS:
        left, up, right, down = font.getbbox(letter)
        glyph = Image.new("L", (right - left, down - up), 0)
        ImageDraw.Draw(glyph).text((-left, -up), letter, fill=255, font=font)
        scale = CELL_HEIGHT * unit / (bottom - top)
        width = min((right - left) * scale, FILL * unit)
        # round letters reach a little over and under the capital height: keep that, it is what makes them look even
        box = (round(width), round((down - up) * scale))
        glyph = glyph.resize(box, Image.LANCZOS)
        page = Image.new("L", (columns, rows), 0)
        page.paste(glyph, (round((columns - box[0]) / 2), round(MARGIN * unit + (up - top) * scale)))
        inside = np.asarray(page) >= 128
        field = distance_transform_edt(~inside) - distance_transform_edt(inside)
        field = field.reshape(rows // over, over, columns // over, over).mean((1, 3)) / unit
        fields.append(field.astype(np.float32))
    return np.stack(fields)


def load(cache: str) -> np.ndarray:
    if not os.path.exists(cache):
        os.makedirs(os.path.dirname(cache) or ".", exist_ok=True)
        np.save(cache, atlas().astype(np.float16))
    return np.load(cache).astype(np.float32)
