"""The table of predicted lesions, lesions.csv: one row per connected lesion of one class."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from pipeline.files import read_csv, write_csv
from pipeline.geometry import connected_components

TABLE = "lesions.csv"
TABLE_BEFORE = "findings.csv"  # the name in the previous version, where the column `lesion` was called `finding`
COLUMNS = (
    "image",
    "lesion",
    "class",
    "area_px",
    "box_left",
    "box_top",
    "box_width",
    "box_height",
    "centre_x",
    "centre_y",
    "mean_probability",
)


def lesion_rows(mask: np.ndarray, probabilities: np.ndarray, class_names: Sequence[str]) -> list[dict[str, object]]:
    """The connected lesions of each class in a mask (edges and corners connect), the largest first.

    Args:
      mask: (height, width) uint8: 0 is background, 1, 2, ... are the lesion classes.
      probabilities: (height, width, classes) float32; with several classes the first is the background.
      class_names: the names of the lesion classes.

    Returns:
      Rows of lesions.csv, without the image's name: area, box and centre in source pixels (a whole number is a
      pixel's centre), and the mean probability of the lesion's class.

    Example:
      >>> mask = np.array([[1, 1, 0]], np.uint8)
      >>> rows = lesion_rows(mask, np.array([[[0.8], [0.6], [0.1]]], np.float32), ["lesion"])
      >>> rows[0]["area_px"], rows[0]["centre_x"], rows[0]["mean_probability"]
      (2, '0.5', '0.7000')
    """
    if not mask.any():
        return []
    lesions = probabilities[..., -len(class_names) :]
    rows = [row for index, name in enumerate(class_names) for row in _class_rows(mask == index + 1, lesions[..., index], name)]
    rows.sort(key=lambda row: -row["area_px"])
    return [{"lesion": number} | row for number, row in enumerate(rows, 1)]


def _class_rows(mask: np.ndarray, probabilities: np.ndarray, class_name: str) -> list[dict]:
    components = connected_components(mask)
    inside = np.flatnonzero(components.labels)  # the background is most of an image, and its sum is not used
    labels, values = components.labels.ravel()[inside], probabilities.ravel()[inside]
    sums = np.bincount(labels, values, minlength=len(components) + 1)[1:]
    rows = []
    for area, (left, top, width, height), (x, y), total in zip(
        components.areas.tolist(), components.boxes.tolist(), components.centres, sums, strict=True
    ):
        rows.append(
            {
                "class": class_name,
                "area_px": area,
                "box_left": left,
                "box_top": top,
                "box_width": width,
                "box_height": height,
                "centre_x": f"{x:.1f}",
                "centre_y": f"{y:.1f}",
                "mean_probability": f"{total / area:.4f}",
            }
        )
    return rows


def write_lesions(output: Path, rows: Iterable[Mapping[str, object]]) -> None:
    """Writes lesions.csv into the folder of an inference."""
    write_csv(output / TABLE, COLUMNS, rows)


def read_lesions(output: Path) -> list[dict[str, str]]:
    """The rows of an inference's table, by COLUMNS; a folder of the previous version has them in findings.csv.

    Raises:
      InputError: there is no table, or it lacks columns.
    """
    if (output / TABLE).is_file() or not (output / TABLE_BEFORE).is_file():
        return read_csv(output / TABLE, COLUMNS)
    return [
        {"lesion" if name == "finding" else name: cell for name, cell in row.items()} for row in read_csv(output / TABLE_BEFORE)
    ]


def remove_tables(output: Path) -> None:
    """Removes the table of an earlier inference, whatever its name."""
    for name in (TABLE, TABLE_BEFORE):
        (output / name).unlink(missing_ok=True)
