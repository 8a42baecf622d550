import cv2
import numpy as np
import PIL.Image
import pytest

from pipeline.files import InputError
from pipeline.geometry import square_image
from segmenter.configuration import MaskSettings
from segmenter.data import pairs
from segmenter.data.dataset import Sample, read_data_set
from segmenter.data.ground_truth import cut_mask
from segmenter.data.input_pipeline import explained, validation_batches
from segmenter.data.pairs import PairFormat, check_lesions, read_all, read_pair
from segmenter.data.resizing import resize_image

SIDE = 32


def pair(image, mask=None):
    return Sample("a", "train", image, mask or image.parents[1] / "masks" / image.name, "a", "original", "", "")


def test_masks_are_thresholded_at_128_and_then_at_half_of_the_area(tmp_path, write_pair):
    mask = np.array([[255, 0, 127, 127], [255, 0, 127, 127], [255, 128, 0, 0], [0, 0, 0, 255]], np.uint8)
    write_pair(tmp_path, "train", "a", np.zeros((4, 4), np.uint8), mask)
    sample = pair(tmp_path / "train/images/a.png")
    _, small = read_pair(sample, PairFormat(2, 2, 1))
    np.testing.assert_array_equal(small[..., 0], [[1, 0], [1, 0]])


def test_shrinking_is_that_of_inference():
    image = np.random.default_rng(1).integers(0, 256, (96, 96), np.uint8)
    for side in (96, 48, 36):
        ours, theirs = resize_image(image[..., None], side, side)[..., 0], square_image(image, side)
        assert np.abs(ours.astype(int) - theirs).max() <= 1


def test_jpeg_pixels_are_those_of_opencv(tmp_path, write_pair):
    image = np.random.default_rng(2).integers(0, 256, (SIDE, SIDE), np.uint8)
    write_pair(tmp_path, "train", "a", image, np.zeros_like(image))
    cv2.imwrite(str(tmp_path / "a.jpg"), image)
    sample = pair(tmp_path / "a.jpg", tmp_path / "train/masks/a.png")
    read, _ = read_pair(sample, PairFormat(SIDE, SIDE, 1))
    np.testing.assert_array_equal(read[..., 0], cv2.imread(str(tmp_path / "a.jpg"), cv2.IMREAD_GRAYSCALE))


@pytest.mark.parametrize(
    ("settings", "cut"),
    [
        pytest.param({}, "....##", id="at 128"),
        pytest.param({"threshold": 31}, "...###", id="threshold"),
        pytest.param({"algorithm": "otsu"}, "..####", id="Otsu: between the two groups"),
        pytest.param({"algorithm": "triangle"}, "..####", id="triangle"),
    ],
)
def test_gray_levels_are_thresholded_as_set_in_the_mask_section(settings, cut, tmp_path, write_pair):
    row = np.array([0, 0, 30, 31, 128, 200] if "algorithm" not in settings else [0, 0, 90, 95, 100, 105], np.uint8)
    mask = np.tile(row, (6, 1))
    expected = np.tile([character == "#" for character in cut], (6, 1)).astype(np.uint8)
    np.testing.assert_array_equal(cut_mask(mask, MaskSettings(**settings)), expected)
    write_pair(tmp_path, "train", "a", np.zeros((6, 6), np.uint8), mask)
    sample = pair(tmp_path / "train/images/a.png")
    _, read = read_pair(sample, PairFormat(6, 6, 1, mask=MaskSettings(**settings)))
    np.testing.assert_array_equal(read[..., 0], expected)


def test_blur_takes_specks_out_of_a_mask():
    mask = np.zeros((9, 9), np.uint8)
    mask[1, 1] = 255
    mask[4:, 4:] = 255
    cut = cut_mask(mask, MaskSettings(blur=True, blur_size=3))
    assert (cut[1, 1], cut[6, 6]) == (0, 1)


@pytest.mark.parametrize("algorithm", ["otsu", "triangle"])
def test_an_empty_mask_stays_empty_and_a_full_one_full(algorithm):
    for level in (0, 255):
        cut = cut_mask(np.full((4, 4), level, np.uint8), MaskSettings(algorithm=algorithm))
        assert (cut == (level > 0)).all()


def test_class_indices_shrink_to_the_class_with_most_of_a_pixel(tmp_path, write_pair):
    mask = np.array([[1, 1, 0, 0], [2, 0, 0, 2], [2, 2, 1, 2], [1, 2, 1, 0]], np.uint8)
    write_pair(tmp_path, "train", "a", np.zeros((4, 4), np.uint8), mask)
    sample = pair(tmp_path / "train/images/a.png")
    _, small = read_pair(sample, PairFormat(2, 2, 1, classes=3))
    np.testing.assert_array_equal(small[..., 0], [[1, 0], [2, 1]])
    _, whole = read_pair(sample, PairFormat(4, 4, 1, classes=3))
    np.testing.assert_array_equal(whole[..., 0], mask)


@pytest.mark.parametrize(
    ("image", "mask", "message"),
    [
        pytest.param(np.zeros((16, 16)), np.zeros((8, 8)), "bad.png: is 8 x 8 but its image is 16 x 16", id="sizes differ"),
        pytest.param(np.zeros((8, 16)), np.zeros((8, 16)), "bad.png: is 16 x 8; expected a square", id="not square"),
        pytest.param(np.zeros((4, 4)), np.zeros((4, 4)), "bad.png: is 4 px wide, but the model takes 8; lower", id="small"),
        pytest.param(
            np.zeros((16, 16)),
            np.eye(16) * 2,
            r"bad.png: holds class indices up to 2; .*num_classes = 1; set num_classes = 3 for recipe full",
            id="indices",
        ),
    ],
)
@pytest.mark.parametrize("cache", [False, True])
def test_a_bad_pair_is_named(tmp_path, write_data_set, write_pair, image, mask, message, cache):
    folder = write_data_set(tmp_path / "set")
    write_pair(folder, "train", "bad", image.astype(np.uint8), mask.astype(np.uint8))
    samples = read_data_set(folder).split("train")
    with pytest.raises(InputError, match=message), explained():
        list(validation_batches(samples, PairFormat(8, 8, 1), 2, cache=cache))


def test_pairs_after_a_bad_one_are_not_read(tmp_path, write_data_set, monkeypatch):
    samples = read_data_set(write_data_set(tmp_path / "set", train=40)).split("train")
    samples[0].mask.write_text("no mask")
    read = []
    plain = pairs.read_pair
    monkeypatch.setattr(pairs, "all_cores", lambda: 2)
    monkeypatch.setattr(pairs, "read_pair", lambda sample, pair_format: (read.append(sample), plain(sample, pair_format))[1])
    with pytest.raises(InputError, match=samples[0].mask.name):
        read_all(samples, PairFormat(8, 8, 1))
    assert len(read) <= 6


def test_a_cut_file_is_named(tmp_path, write_data_set):
    folder = write_data_set(tmp_path / "set")
    (folder / "train/images/P1_L_CM_CC.png").write_bytes(b"\x89PNG")
    samples = read_data_set(folder).split("train")
    with (
        pytest.raises(InputError, match=r"P1_L_CM_CC.png: is a PNG of 4 bytes without its end mark"),
        explained(),
    ):
        list(validation_batches(samples, PairFormat(8, 8, 1), 2, cache=False))


@pytest.mark.parametrize(
    ("mask", "suffix", "message"),
    [
        pytest.param(
            np.eye(16) * 255, ".png", r"bad.png: holds values up to 255; .*num_classes = 3; set num_classes = 1", id="levels"
        ),
        pytest.param(
            np.eye(16) * 3, ".png", "bad.png: holds values up to 3; .*num_classes = 3; set num_classes = 1", id="class too many"
        ),
        pytest.param(
            np.eye(16),
            ".jpg",
            "bad.jpg: is a JPEG; expected a lossless mask .*num_classes = 3",
            id="JPEG",
        ),
    ],
)
def test_masks_that_hold_no_class_indices_are_named(tmp_path, write_data_set, write_pair, mask, suffix, message):
    folder = write_data_set(tmp_path / "set", train=0)
    write_pair(folder, "train", "bad", np.zeros((16, 16), np.uint8), mask.astype(np.uint8), suffix)
    samples, pair_format = read_data_set(folder).split("train"), PairFormat(8, 8, 1, classes=3)
    with pytest.raises(InputError, match=message), explained():
        list(validation_batches(samples, pair_format, 2, cache=False))


def test_a_split_without_any_lesion_is_named(tmp_path, write_data_set, write_pair):
    folder = write_data_set(tmp_path / "set", train=0)
    for name in ("a", "b"):
        write_pair(folder, "train", name, np.zeros((16, 16), np.uint8), np.zeros((16, 16), np.uint8))
    samples = read_data_set(folder).split("train")
    with pytest.raises(InputError, match=r"train/masks: 0 of 2 train masks hold a lesion \(a.png holds the values 0\); check"):
        check_lesions(samples, PairFormat(8, 8, 1))
    write_pair(folder, "train", "b", np.zeros((16, 16), np.uint8), np.eye(16, dtype=np.uint8))
    check_lesions(samples, PairFormat(8, 8, 1))


def test_masks_that_are_mostly_lesion_may_be_inverted(tmp_path, write_data_set, write_pair, capsys):
    folder = write_data_set(tmp_path / "set", train=0)
    for name in ("a", "b"):
        write_pair(folder, "train", name, np.zeros((16, 16), np.uint8), 255 - np.eye(16, dtype=np.uint8) * 255)
    samples = read_data_set(folder).split("train")
    check_lesions(samples, PairFormat(8, 8, 1))
    assert "in all 2 masks that hold a lesion it fills more than half of the image; are they inverted?" in capsys.readouterr().err
    write_pair(folder, "train", "b", np.zeros((16, 16), np.uint8), np.eye(16, dtype=np.uint8) * 255)
    check_lesions(samples, PairFormat(8, 8, 1))
    assert not capsys.readouterr().err


def test_zeros_at_the_end_of_a_file_belong_to_it(tmp_path, write_data_set, write_pair):
    folder = write_data_set(tmp_path / "set", train=0)
    write_pair(folder, "train", "a", np.zeros((16, 16), np.uint8), np.eye(16, dtype=np.uint8))
    mask = folder / "train/masks/a.png"
    lesion = np.diag([1] * 15 + [0]).astype(np.uint8)
    PIL.Image.fromarray(lesion * 255).save(mask, "TIFF")
    assert mask.read_bytes().endswith(b"\0")
    sample = pair(folder / "train/images/a.png")
    np.testing.assert_array_equal(read_pair(sample, PairFormat(16, 16, 1))[1][..., 0], lesion)


def test_binary_masks_of_0_and_1_are_lesion_and_background(tmp_path, write_data_set, write_pair):
    folder = write_data_set(tmp_path / "set", train=0)
    write_pair(folder, "train", "a", np.zeros((16, 16), np.uint8), np.eye(16, dtype=np.uint8))
    sample = pair(folder / "train/images/a.png")
    np.testing.assert_array_equal(read_pair(sample, PairFormat(16, 16, 1))[1][..., 0], np.eye(16))


@pytest.mark.parametrize("file_format", ["BMP", "GIF", "WEBP"])
def test_other_formats_under_another_name_are_named(tmp_path, write_data_set, file_format):
    folder = write_data_set(tmp_path / "set")
    PIL.Image.new("RGB", (16, 16)).save(folder / "train/images/P1_L_CM_CC.png", file_format)
    samples = read_data_set(folder).split("train")
    with (
        pytest.raises(InputError, match=r"P1_L_CM_CC.png: contains .*, which is not JPEG, PNG or TIFF"),
        explained(),
    ):
        list(validation_batches(samples, PairFormat(8, 8, 1), 2, cache=True))
