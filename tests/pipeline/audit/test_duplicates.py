"""Which altered copies of an image are found across splits, and which images are not mistaken for copies."""

import cv2
import numpy as np
import pytest

from pipeline.audit import audit
from pipeline.workers import Inline

MASK = cv2.circle(np.zeros((160, 120), np.uint8), (40, 60), 20, 255, -1)


def breast(seed, shape=(160, 120)):
    """A bright ellipse at the left border with tissue of its own, (height, width) uint8."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    inside = ((rows - shape[0] / 2) / (0.45 * shape[0])) ** 2 + (columns / (0.85 * shape[1])) ** 2 < 1
    tissue = sum(
        cv2.GaussianBlur(random.normal(0, 1, shape), (0, 0), size) * size * weight for size, weight in ((2, 20), (6, 35))
    )
    return np.where(inside, 110 + tissue, 3).clip(0, 255).astype(np.uint8)


def encode(pixels, suffix=".png", quality=50):
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if suffix == ".jpg" else []
    return cv2.imencode(suffix, np.ascontiguousarray(pixels), options)[1]


def write_set(root, images):
    """Writes pairs with names of different patients; `images` by split and name."""
    for split, pairs in images.items():
        for kind in ("images", "masks"):
            (root / split / kind).mkdir(parents=True, exist_ok=True)
        for name, pixels in pairs.items():
            (root / split / "images" / f"{name}.png").write_bytes(encode(pixels))
            mask = cv2.resize(MASK, pixels.shape[::-1], interpolation=cv2.INTER_NEAREST)
            (root / split / "masks" / f"{name}.png").write_bytes(encode(mask))


def duplicates(root):
    return [finding.examples for finding in audit(root, executor=Inline()) if finding.code == "duplicate-pixels"]


def gamma(pixels, exponent):
    return (255 * (pixels / 255) ** exponent).round().astype(np.uint8)


ALTERED = {
    "copy": lambda pixels: pixels,
    "flip": lambda pixels: pixels[:, ::-1],
    "quarter turn": lambda pixels: np.rot90(pixels),
    "turned flip": lambda pixels: np.rot90(pixels[::-1], 3),
    "JPEG at quality 50": lambda pixels: cv2.imdecode(encode(pixels, ".jpg"), cv2.IMREAD_GRAYSCALE),
    "half the size": lambda pixels: cv2.resize(pixels, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
    "twice the size": lambda pixels: cv2.resize(pixels, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC),
    "crop at a corner": lambda pixels: pixels[:128, :96],
    "crop in the middle": lambda pixels: pixels[16:144, 12:108],
    "turned crop": lambda pixels: np.rot90(pixels[32:, 24:], 2),
    "brighter": lambda pixels: cv2.add(pixels, 30),
    "darker": lambda pixels: (pixels * 0.6).astype(np.uint8),
    "gamma of a half": lambda pixels: gamma(pixels, 0.5),
    "gamma of two": lambda pixels: gamma(pixels, 2.0),
    "32 levels": lambda pixels: pixels // 8,
    "12 bits in 16": lambda pixels: pixels.astype(np.uint16) * 16,
    "a small part of 16 bits": lambda pixels: 20_000 + pixels.astype(np.uint16) * 2,
}


@pytest.mark.parametrize("altered", ALTERED.values(), ids=ALTERED)
def test_an_altered_copy_is_found_in_another_split(tmp_path, altered):
    train = {f"P{number}_L_DM_CC": breast(number) for number in range(1, 5)}
    write_set(tmp_path, {"train": train, "test": {"P9_L_DM_CC": altered(train["P3_L_DM_CC"]), "P8_L_DM_CC": breast(8)}})
    assert duplicates(tmp_path) == [("train/P3_L_DM_CC = test/P9_L_DM_CC",)]


@pytest.mark.parametrize("levels", [256, 12, 4])
def test_images_are_compared_relative_to_their_own_contrast(tmp_path, levels):
    """Ten dark images are ten images, in 8 and in 16 bits."""
    dark = {f"P{number}_L_DM_CC": (breast(number) // (256 // levels)).astype(np.uint8) for number in range(1, 6)}
    wide = {f"P{number}_L_DM_CC": breast(number).astype(np.uint16) * levels for number in range(6, 11)}
    write_set(
        tmp_path, {"train": dict(list(dark.items())[:3] + list(wide.items())[:3]), "test": {"P4_L_DM_CC": dark["P4_L_DM_CC"]}}
    )
    write_set(tmp_path, {"test": {"P10_L_DM_CC": wide["P10_L_DM_CC"]}})
    assert duplicates(tmp_path) == []


@pytest.mark.parametrize("pixels", [np.zeros((64, 64), np.uint8), np.full((64, 64), 40_000, np.uint16)])
def test_plain_images_are_not_copies(tmp_path, pixels):
    write_set(tmp_path, {"train": {"P1_L_DM_CC": pixels, "P2_L_DM_CC": pixels}, "test": {"P3_L_DM_CC": pixels}})
    assert duplicates(tmp_path) == []


def test_a_black_image_with_noise_of_its_coding_is_plain(tmp_path):
    noise = [(np.random.default_rng(seed).random((64, 64)) < 0.2).astype(np.uint8) for seed in range(2)]
    write_set(tmp_path, {"train": {"P1_L_DM_CC": noise[0]}, "test": {"P2_L_DM_CC": noise[0], "P3_L_DM_CC": noise[1]}})
    assert duplicates(tmp_path) == []


def test_the_same_shape_with_other_tissue_is_another_image(tmp_path):
    write_set(
        tmp_path,
        {
            "train": {f"P{number}_L_DM_CC": breast(number) for number in range(30)},
            "test": {f"P{number}_R_DM_CC": breast(number)[:, ::-1] for number in range(30, 40)},
        },
    )
    assert duplicates(tmp_path) == []


def test_a_copy_of_a_copy_joins_its_group(tmp_path):
    image = breast(1)
    write_set(
        tmp_path,
        {
            "train": {"P1_L_DM_CC": image, "P2_L_DM_CC": breast(2)},
            "valid": {"P3_L_DM_CC": image[16:144, 12:108]},
            "test": {"P4_L_DM_CC": np.rot90(image)},
        },
    )
    assert duplicates(tmp_path) == [("train/P1_L_DM_CC = valid/P3_L_DM_CC = test/P4_L_DM_CC",)]


def test_a_variant_that_shows_another_image_than_its_name_is_compared_by_itself(tmp_path):
    write_set(
        tmp_path,
        {
            "train": {"P1_L_DM_CC": breast(1), "flipped_P1_L_DM_CC": breast(5)[16:144, 12:108]},
            "test": {"P5_L_DM_CC": breast(5)},
        },
    )
    assert duplicates(tmp_path) == [("train/flipped_P1_L_DM_CC = test/P5_L_DM_CC",)]
