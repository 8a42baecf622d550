"""Tiny data sets: a bright square is the lesion, so a network of a few hundred parameters can learn it."""

import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from segmenter.configuration import Configuration
from segmenter.configuration.networks import MODEL_SETTINGS

SIDE = 32


def draw_pair(number: int, side: int = SIDE) -> tuple[np.ndarray, np.ndarray]:
    """A dim image with a bright square whose position depends on the number, and its mask."""
    image, mask = np.full((side, side), 40, np.uint8), np.zeros((side, side), np.uint8)
    top, left = 4 * (number % 5), 4 * (number // 5 % 5)
    image[top : top + 12, left : left + 12] = 220
    mask[top : top + 12, left : left + 12] = 255
    return image, mask


def write_pair(folder: Path, split: str, name: str, image: np.ndarray, mask: np.ndarray, suffix: str = ".png") -> None:
    """Writes a pair as PNG, or the mask as JPEG too."""
    for kind, pixels, ending in (("images", image, ".png"), ("masks", mask, suffix)):
        path = folder / split / kind / f"{name}{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), pixels)


def write_data_set(folder: Path, train: int = 6, valid: int = 3, test: int = 3) -> Path:
    """A data set without manifest, with one patient per image."""
    number = 0
    for split, count in (("train", train), ("valid", valid), ("test", test)):
        for kind in ("images", "masks"):
            (folder / split / kind).mkdir(parents=True)
        for _ in range(count):
            number += 1
            write_pair(folder, split, f"P{number}_L_CM_CC", *draw_pair(number))
    return folder


# Test modules are imported by path, so what they share comes to them as fixtures.
pair_writer = pytest.fixture(name="write_pair")(lambda: write_pair)
set_writer = pytest.fixture(name="write_data_set", scope="session")(lambda: write_data_set)
pair_drawer = pytest.fixture(name="draw_pair")(lambda: draw_pair)


@pytest.fixture
def data_folder(tmp_path: Path) -> Path:
    """Six pairs to train, three to validate, three to test, 32 px, no manifest."""
    return write_data_set(tmp_path / "set")


# Each network as small as it goes, at 16 px where its design allows.
TINY = {
    "SlightlyFlexibleUNet": {"base_filters": 2, "num_layers": 2},
    "AttentionUNet": {"base_filters": 2, "num_layers": 2},
    "MultiResUNet": {"base_filters": 2, "num_layers": 2},
    "SwinUNet": {
        "image_width": 32,
        "image_height": 32,
        "base_filters": 4,
        "depths": [2, 1],
        "num_heads": [1, 2],
        "window_size": 2,
    },
    "EfficientUNet": {"image_width": 32, "image_height": 32, "base_filters": 2},
    "UNet3Plus": {"base_filters": 2, "num_layers": 2, "deep_supervision": True, "classification_guided": True},
    "DeepLabV3Plus": {
        "image_width": 32,
        "image_height": 32,
        "backbone": "MobileNetV2",
        "output_stride": 8,
        "base_filters": 4,
        "skip_filters": 2,
    },
    "TransUNet": {
        "image_width": 32,
        "image_height": 32,
        "base_filters": 2,
        "num_blocks": [1, 1, 1],
        "hidden_size": 8,
        "num_heads": 2,
        "transformer_layers": 1,
        "mlp_size": 16,
        "decoder_filters": [8, 8, 4, 4, 2],
    },
    "U2Net": {"base_filters": 2, "image_width": 32, "image_height": 32},
    "SharpUNet": {"base_filters": 2, "num_layers": 2},
}


@pytest.fixture
def configure() -> Callable[..., Configuration]:
    """Makes a small configuration; keywords named section__key change it, `model__model` chooses the network."""

    def make(**changes: object) -> Configuration:
        settings: dict[str, dict[str, object]] = {"train": {"epochs": 2, "batch_size": 2, "num_infer_images": 2}}
        for name, value in changes.items():
            section, key = name.split("__")
            settings.setdefault(section, {})[key] = value
        model = settings.pop("model", {})
        network = model.setdefault("model", "SlightlyFlexibleUNet")
        small = {"image_width": 16, "image_height": 16, "learning_rate": 0.01} | TINY[network]
        return Configuration(model=MODEL_SETTINGS[network](**small | model), **settings)

    return make


@pytest.fixture(scope="session")
def tiny() -> dict[str, dict[str, object]]:
    """The smallest settings of each network."""
    return TINY


@pytest.fixture(scope="session")
def phantom_pairs(tmp_path_factory: pytest.TempPathFactory) -> tuple[np.ndarray, np.ndarray]:
    """Two phantom mammograms with lesions and their masks, (2, 64, 64, 1) uint8, masks of 0 and 1."""
    from pipeline import cli

    folder = tmp_path_factory.mktemp("phantom")
    assert cli.main(["phantom", str(folder / "raw"), "--patients", "8", "--workers", "1"]) == 0
    raw = ["--raw", str(folder / "raw"), "--annotations", str(folder / "raw"), "--out", str(folder / "set")]
    assert cli.main(["dataset", *raw, "--recipe", "v2", "--workers", "1"]) == 0
    originals = list((folder / "set/train/masks").glob("P*.png"))
    largest = sorted(originals, key=lambda path: (-cv2.imread(str(path), cv2.IMREAD_GRAYSCALE).sum(dtype=np.int64), path.name))[
        :2
    ]
    images = [cv2.imread(str(path.parents[1] / "images" / f"{path.stem}.jpg"), cv2.IMREAD_GRAYSCALE) for path in largest]
    masks = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in largest]
    small = [[cv2.resize(square, (64, 64), interpolation=cv2.INTER_AREA) for square in squares] for squares in (images, masks)]
    return np.stack(small[0])[..., None], (np.stack(small[1])[..., None] >= 128).astype(np.uint8)


def write_views(folder: Path, **patients: int) -> Path:
    """A data set in the layout of recipe v2-pairs, 32 px, without manifest: both images of a view per patient.

    The subtracted image shows the lesion; the low-energy one is an even gray, the number of the patient.

    Args:
      patients: their number in each split.
    """
    number = 0
    for split, count in patients.items():
        for kind in ("images", "masks", "partners"):
            (folder / split / kind).mkdir(parents=True)
        for _ in range(count):
            number += 1
            subtracted, mask = draw_pair(number)
            views = {"DM": np.full_like(subtracted, number), "CM": subtracted}
            for kind, other in (("DM", "CM"), ("CM", "DM")):
                name = f"P{number}_L_{kind}_CC"
                write_pair(folder, split, name, views[kind], mask)
                assert cv2.imwrite(str(folder / split / "partners" / f"{name}.png"), views[other])
    return folder


views_writer = pytest.fixture(name="write_views", scope="session")(lambda: write_views)


@pytest.fixture
def views_folder(tmp_path: Path) -> Path:
    """Both images of a view of four patients to train, two to validate, two to test."""
    return write_views(tmp_path / "views", train=4, valid=2, test=2)
