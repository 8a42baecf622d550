"""Text on pictures: captions above them, legends of their contours. Its size grows with the picture, so that it can be read."""

from collections.abc import Sequence

import cv2
import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from pipeline.page import GROUND_TRUTH_COLOR, PREDICTION_COLOR, rgb

Color = tuple[int, int, int]  # red, green, blue
Entry = tuple[str, Color]
WHITE: Color = (255, 255, 255)
_LINES_PER_WIDTH = 50  # a picture is so many letters' heights wide
_SMALLEST_PX = 12
_LEGEND_FROM_PX = 160  # smaller pictures have no room for a legend inside


def text_size(width: int) -> int:
    """The height of letters, in pixels, for a picture of a width."""
    return max(_SMALLEST_PX, width // _LINES_PER_WIDTH)


def legend(colors: Sequence[Color] = (), class_names: Sequence[str] = ()) -> list[Entry]:
    """What contours mean: those of ground truth and prediction, then the lesion classes where there are several.

    Args:
      colors: of the lesion classes.
      class_names: of the lesion classes; where they are left out, classes are numbered.
    """
    if len(colors) < 2:
        return [("ground truth", rgb(GROUND_TRUTH_COLOR)), ("prediction", rgb(PREDICTION_COLOR))]
    names = class_names or [f"class {index}" for index in range(1, len(colors) + 1)]
    return [("ground truth: dashed", WHITE), ("prediction: solid", WHITE), *zip(names, colors, strict=True)]


def add_text(picture: np.ndarray, lines: Sequence[Sequence[Entry]], size_px: int) -> np.ndarray:
    """Adds a black strip with text above a picture.

    Args:
      picture: (height, width, 3) uint8, blue, green, red.
      lines: of each the entries, text and color, from left to right. What does not fit the width is wrapped between words.
      size_px: height of the letters.

    Returns:
      (height + strip, width, 3) uint8.
    """
    width, font = picture.shape[1], PIL.ImageFont.load_default(size_px)
    placed, rows = _lay_out(lines, width, font, size_px)
    line_px = round(1.35 * size_px)
    strip = PIL.Image.new("RGB", (width, rows * line_px + size_px // 3))
    pen = PIL.ImageDraw.Draw(strip)
    for text, color, left, row in placed:
        pen.text((left, row * line_px + size_px // 6), text, color, font)
    return np.vstack([np.asarray(strip)[..., ::-1], picture])


def add_titles(panels: Sequence[np.ndarray], titles: Sequence[Entry], size_px: int) -> np.ndarray:
    """Puts panels of one height next to each other, each with its title above.

    Args:
      panels: (height, width, 3) uint8 each, blue, green, red.
    """
    strips = [add_text(panel[:0], [[title]], size_px) for panel, title in zip(panels, titles, strict=True)]
    tallest = max(map(len, strips))
    level = [np.pad(strip, ((0, tallest - len(strip)), (0, 0), (0, 0))) for strip in strips]
    return np.vstack([np.hstack(level), np.hstack(panels)])


def _lay_out(lines: Sequence[Sequence[Entry]], width: int, font, size_px: int) -> tuple[list[tuple[str, Color, float, int]], int]:
    """Each word with its color, left edge in pixels and row; and the number of rows."""
    margin, space = size_px / 3, font.getlength(" ")
    placed: list[tuple[str, Color, float, int]] = []
    row = -1
    for line in filter(None, lines):
        row, left = row + 1, margin
        for text, color in line:
            for word in text.split():
                length = font.getlength(word)
                if left > margin and left + length > width - margin:
                    row, left = row + 1, margin
                placed.append((word, color, left, row))
                left += length + space
            left += 2 * space
    return placed, row + 1


def draw_legend(picture: np.ndarray, entries: Sequence[Entry]) -> np.ndarray:
    """Writes a legend into the darkest corner of a picture, which keeps its size; one that is small stays as it is.

    Args:
      picture: (height, width, 3) uint8, blue, green, red.
    """
    height, width = picture.shape[:2]
    if min(height, width) < _LEGEND_FROM_PX:
        return picture
    size_px = max(_SMALLEST_PX, min(height, width) // 36)
    font = PIL.ImageFont.load_default(size_px)
    line_px = round(1.35 * size_px)
    box_height = line_px * len(entries) + size_px // 2
    box_width = round(max(font.getlength(text) for text, _ in entries)) + size_px
    tops, lefts = (0, max(0, height - box_height)), (0, max(0, width - box_width))
    top, left = min(
        ((top, left) for top in tops for left in lefts),
        key=lambda corner: float(picture[corner[0] : corner[0] + box_height, corner[1] : corner[1] + box_width].mean()),
    )
    # Only the corner is converted and drawn on: pictures may have 10 million pixels.
    box = (slice(top, top + box_height), slice(left, left + box_width))
    image = PIL.Image.fromarray(cv2.cvtColor(picture[box], cv2.COLOR_BGR2RGB))
    pen = PIL.ImageDraw.Draw(image)
    for number, (text, color) in enumerate(entries):
        corner = (size_px // 2, size_px // 4 + number * line_px)
        # An edge in black makes it legible on bright tissue.
        pen.text(corner, text, color, font, stroke_width=max(1, size_px // 10), stroke_fill=(0, 0, 0))
    drawn = picture.copy()
    drawn[box] = cv2.cvtColor(np.asarray(image), cv2.COLOR_RGB2BGR)
    return drawn
