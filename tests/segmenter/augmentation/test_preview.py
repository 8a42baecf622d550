import cv2
import numpy as np
import pytest

from segmenter.augmentation import Draw
from segmenter.augmentation.preview import describe, write_preview
from segmenter.cli import main
from segmenter.data.dataset import read_data_set
from segmenter.pictures import GROUND_TRUTH_BGR

CONFIG = """
[model]
generator = true
image_width = 32
image_height = 32
[augmentor]
hflip = true
rotation = true
shrinks = [0.7]
gamma = true
"""
PANEL = 256


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "varied.toml"
    path.write_text(CONFIG)
    return path


def preview(*arguments):
    return main(["preview", *(str(argument) for argument in arguments)])


def test_one_row_per_training_pair_beginning_with_the_pair_itself(data_folder, config, capsys):
    assert preview(data_folder, "--config", config, "--count", 2) == 0
    path = data_folder / "preview-varied.png"
    assert capsys.readouterr().out == f"{path}: written\n"
    sheet = cv2.imread(str(path))
    assert sheet.shape[1] == 6 * PANEL
    assert 2 * PANEL < sheet.shape[0] < 3 * PANEL
    assert (sheet[:20] == GROUND_TRUTH_BGR).all(axis=-1).any(), "the legend"
    # The last row is the last pair, 8 times as large as its file; its lesion is from 4 to 16 px, down and across.
    last = sheet[-PANEL:, :PANEL]
    image = cv2.imread(str(data_folder / "train/images/P6_L_CM_CC.png"))
    contour = (last == GROUND_TRUTH_BGR).all(axis=-1)
    np.testing.assert_array_equal(last[~contour], cv2.resize(image, (PANEL, PANEL), interpolation=cv2.INTER_NEAREST)[~contour])
    rows, columns = np.nonzero(contour)
    assert (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1) == (32, 128, 32, 128)
    assert (sheet[-PANEL:, PANEL:] != np.tile(last, (1, 5, 1))).any()


def test_the_sheet_depends_on_the_seed(data_folder, config, tmp_path):
    pictures = [tmp_path / f"{number}.png" for number in range(3)]
    for path, seed in zip(pictures, (4, 4, 5), strict=True):
        assert preview(data_folder, "--config", config, "--count", 1, "--seed", seed, "--output", path) == 0
    first, same, other = (path.read_bytes() for path in pictures)
    assert first == same
    assert first != other


def test_classes_have_their_colors(tmp_path, write_pair, configure):
    mask = np.zeros((32, 32), np.uint8)
    mask[4:12, 4:12], mask[18:28, 18:28] = 1, 2
    for split in ("train", "valid"):
        write_pair(tmp_path / "set", split, "P1_L_CM_CC", np.full((32, 32), 90, np.uint8), mask)
    settings = {"model__num_classes": 3, "model__generator": True, "augmentor__hflip": True, "augmentor__probability": 1.0}
    colored = configure(**settings, infer__mask_colors=((255, 0, 0), (0, 0, 255)))
    write_preview(colored, read_data_set(tmp_path / "set").split("train"), tmp_path / "sheet.png", count=3, seed=1)
    sheet = cv2.imread(str(tmp_path / "sheet.png"))[-PANEL:]
    for panel, sides in ((0, ("left", "right")), (1, ("right", "left"))):  # red, green, blue in the settings; flipped
        panel_pixels = sheet[:, panel * PANEL : (panel + 1) * PANEL]
        for color, side in zip(((0, 0, 255), (255, 0, 0)), sides, strict=True):
            columns = np.nonzero((panel_pixels == color).all(axis=-1))[1]
            assert len(columns)
            assert (columns.mean() < PANEL / 2) == (side == "left")


def test_a_configuration_without_variations_is_refused(data_folder, config, capsys):
    config.write_text(CONFIG.replace("generator = true", "generator = false"))
    assert preview(data_folder, "--config", config) == 2
    message = capsys.readouterr().err
    assert f"--config {config}: [model] generator is off, so training pairs are not varied; turn it on" in message
    config.write_text("[model]\ngenerator = true")
    assert preview(data_folder, "--config", config) == 2
    assert "[augmentor] turns nothing on" in capsys.readouterr().err
    assert not list(data_folder.glob("*.png"))


def test_a_broken_file_is_named(data_folder, config, capsys):
    (data_folder / "train/masks/P1_L_CM_CC.png").write_bytes(b"no image")
    assert preview(data_folder, "--config", config) == 2
    assert "train/masks/P1_L_CM_CC.png: starts with b'no image', which is not JPEG, PNG or TIFF" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("happens", "caption"),
    [
        pytest.param({}, "nothing", id="none"),
        pytest.param({"hflip": True, "shrinks": False}, "hflip", id="without a value, and one that did not happen"),
        pytest.param({"rotation": True, "shears": True}, "rotation -12.3, shears", id="one number, and two"),
    ],
)
def test_captions_list_what_was_drawn(happens, caption):
    values = {"rotation": [9, -12.34], "shrinks": [0.9, 0.5], "shears": [[0.2, 0.0], [0.1, 0.0]]}
    arrays = {name: np.array(value, np.float32) for name, value in values.items()}
    drawn = Draw({name: np.array([True, happened]) for name, happened in happens.items()}, arrays, {}, np.array([1, 2]))
    assert describe(drawn, 1) == caption


def test_the_annotated_image_of_a_view_is_shown(views_folder, config):
    config.write_text(CONFIG.replace("[model]\n", "[dataset]\npartner = true\n[model]\nimage_channels = 3\n"))
    assert preview(views_folder, "--config", config, "--count", 8) == 0
    both = cv2.imread(str(views_folder / "preview-varied.png"))
    for path in views_folder.glob("train/partners/*.png"):
        path.unlink()
    assert preview(views_folder, "--config", config, "--count", 8) == 0
    np.testing.assert_array_equal(cv2.imread(str(views_folder / "preview-varied.png")), both)
