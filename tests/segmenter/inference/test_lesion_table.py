import numpy as np
import pytest

from pipeline.files import InputError
from segmenter.inference.lesion_table import lesion_rows, read_lesions


def test_rows_describe_each_lesion():
    mask, probabilities = np.zeros((20, 30), np.uint8), np.zeros((20, 30, 1), np.float32)
    mask[2:4, 5:10], probabilities[2:4, 5:10] = 1, 0.75
    mask[10:18, 20:30], probabilities[10:18, 20:30] = 1, 0.5
    mask[18, 19] = 1  # touches by a corner, with probability 0
    assert lesion_rows(mask, probabilities, ["lesion"]) == [
        {
            "lesion": 1,
            "class": "lesion",
            "area_px": 81,
            "box_left": 19,
            "box_top": 10,
            "box_width": 11,
            "box_height": 9,
            "centre_x": "24.4",
            "centre_y": "13.6",
            "mean_probability": f"{40 / 81:.4f}",
        },
        {
            "lesion": 2,
            "class": "lesion",
            "area_px": 10,
            "box_left": 5,
            "box_top": 2,
            "box_width": 5,
            "box_height": 2,
            "centre_x": "7.0",
            "centre_y": "2.5",
            "mean_probability": "0.7500",
        },
    ]
    assert lesion_rows(np.zeros((4, 4), np.uint8), np.zeros((4, 4, 1), np.float32), ["lesion"]) == []


def test_lesions_are_of_one_class_each():
    mask = np.array([[1, 1, 2], [0, 0, 2], [1, 0, 2]], np.uint8)
    probabilities = np.stack([np.full((3, 3), 0.1), np.full((3, 3), 0.3), np.full((3, 3), 0.6)], axis=-1).astype(np.float32)
    rows = lesion_rows(mask, probabilities, ["benign", "malignant"])
    cells = [(row["lesion"], row["class"], row["area_px"], row["mean_probability"]) for row in rows]
    assert cells == [(1, "malignant", 3, "0.6000"), (2, "benign", 2, "0.3000"), (3, "benign", 1, "0.3000")]


def test_a_missing_table_is_reported_under_its_present_name(tmp_path):
    with pytest.raises(InputError, match=r"lesions.csv: cannot be read as CSV"):
        read_lesions(tmp_path)
