"""Images segmented one by one, from Python."""

import dataclasses

import cv2
import keras
import numpy as np
import pytest
from inputs import mammogram

import segmenter
from segmenter.cli import main


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model of 64 px that takes gray levels as probabilities."""
    path = tmp_path_factory.mktemp("model") / "gray.keras"
    pixels = keras.Input((64, 64, 1))
    keras.Model(pixels, keras.layers.Rescaling(1 / 255)(pixels)).save(path)
    return path


@pytest.fixture(scope="module")
def predictor(model):
    return segmenter.load_predictor(model)


@pytest.fixture
def image(tmp_path):
    """A dim image of 100 x 64 px (height x width), with a bright square of 10 px and one of 4 px."""
    gray = np.full((100, 64), 40, np.uint8)
    gray[10:20, 5:15] = 255
    gray[50:54, 30:34] = 255
    cv2.imwrite(str(tmp_path / "P1_L_CM_CC.png"), gray)
    return tmp_path / "P1_L_CM_CC.png"


def test_a_result_is_arrays_and_a_table_at_the_images_size(predictor, image):
    result = predictor.segment(image)
    assert result.name == "P1_L_CM_CC"
    assert (result.image.shape, result.image.dtype) == ((100, 64), np.uint8)
    assert (result.mask.shape, result.mask.dtype) == ((100, 64), np.uint8)
    assert (result.probability.shape, result.probability.dtype) == ((100, 64), np.float32)
    assert result.lesions.columns.tolist()[:3] == ["lesion", "class", "area_px"]
    assert result.lesions["lesion"].tolist() == [1, 2]
    assert result.lesions["centre_x"].dtype == np.float64
    assert abs(result.lesions["centre_x"][0] - 9.5) < 1
    assert repr(result) == "Segmentation('P1_L_CM_CC': 64 x 100 px, 2 lesions)"
    assert repr(predictor).endswith("64 px, lesion)")


def test_an_array_is_an_image_too(predictor, image):
    result = predictor.segment(cv2.imread(str(image), cv2.IMREAD_GRAYSCALE), name="array")
    np.testing.assert_array_equal(result.mask, predictor.segment(str(image)).mask)
    assert (result.name, result.source) == ("array", None)
    with pytest.raises(
        segmenter.InputError, match=r"the image has shape \(2, 2, 3\) and type uint8; expected \(height, width\) uint8, gray"
    ):
        predictor.segment(np.zeros((2, 2, 3), np.uint8))


def test_an_inverted_array_and_what_is_no_array(predictor, image):
    with pytest.warns(UserWarning, match="P9: has a white background; are gray levels inverted?"):
        predictor.segment(255 - cv2.circle(np.zeros((64, 64), np.uint8), (20, 30), 15, 100, -1), "P9")
    with pytest.raises(segmenter.InputError, match="P9: is of type list; expected a file, or a NumPy array of gray levels"):
        predictor.segment([[0, 1], [2, 3]], "P9")


def test_saving_writes_what_the_command_writes(predictor, model, image, tmp_path):
    other = image.with_name("P2_L_CM_CC.png")
    cv2.imwrite(str(other), np.full((64, 64), 200, np.uint8))
    for path in (image, other, image):
        predictor.segment(path).save(tmp_path / "saved")
    assert main(["infer", "--model", str(model), "--images", str(image), str(other), "--output", str(tmp_path / "cli")]) == 0
    written = {path.relative_to(tmp_path / "cli") for path in (tmp_path / "cli").rglob("*.*")} - {"inference.json"}
    for name in written:
        if name.name not in ("inference.json", "lesions.csv"):
            assert (tmp_path / "saved" / name).read_bytes() == (tmp_path / "cli" / name).read_bytes()
    rows, expected = (sorted((tmp_path / folder / "lesions.csv").read_text().splitlines()) for folder in ("saved", "cli"))
    assert rows == expected


def test_settings_change_how_probabilities_become_masks(model, image):
    strict = segmenter.load_predictor(model, settings={"infer": {"smallest_lesion_px": 50}})
    assert len(strict.segment(image).lesions) == 1
    low = segmenter.load_predictor(model, settings={"infer": {"threshold": 0.1}})
    assert low.segment(image).mask.all()
    with pytest.raises(segmenter.InputError, match=r"settings: \[infer\] treshold: unknown key"):
        segmenter.load_predictor(model, settings={"infer": {"treshold": 0.1}})


def test_tiles_are_at_the_images_own_resolution(model, image):
    result = segmenter.load_predictor(model, tiled=True).segment(image)
    assert result.lesions["area_px"].tolist() == [100, 16]


def test_a_plot_has_the_prediction_in_orange_and_ground_truth_in_green(predictor, image, tmp_path):
    result = predictor.segment(image)
    ax = result.plot()
    assert ax.get_title() == "P1_L_CM_CC: 2 lesions"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["prediction"]
    drawn = ax.get_images()[0].get_array()
    assert (drawn == (255, 140, 0)).all(axis=-1).any()
    mask = np.zeros((100, 64), np.uint8)
    mask[70:80, 20:40] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    for ground_truth in (mask, tmp_path / "mask.png"):
        ax = result.plot(ground_truth, ax=ax.figure.add_subplot())
        assert [text.get_text() for text in ax.get_legend().get_texts()] == ["prediction", "ground truth"]
        assert (ax.get_images()[0].get_array() == (80, 220, 80)).all(axis=-1).any()
    with pytest.raises(segmenter.InputError, match="the ground truth is 3 x 2 px, but its image 64 x 100 px"):
        result.plot(np.zeros((2, 3), np.uint8))
    with pytest.raises(segmenter.InputError, match=r"nowhere\.png: "):
        result.plot(tmp_path / "nowhere.png")


def test_dicom_is_read_as_the_data_sets_recipe_says(model, tmp_path):
    (tmp_path / "recipe.toml").write_text('[dicom]\nburned_in = "keep"\n')
    path = mammogram(tmp_path / "P1.dcm", np.full((20, 10), 3000, np.uint16), BurnedInAnnotation="YES")
    with pytest.raises(segmenter.InputError, match=r"P1\.dcm: "):
        segmenter.load_predictor(model).segment(path)

    @dataclasses.dataclass
    class Data:
        folder: object = tmp_path

    result = segmenter.load_predictor(model, data=Data()).segment(path)
    assert result.mask.shape == (20, 10)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("nowhere.keras", "nowhere.keras: there is no such file"),
        ("nowhere", "nowhere: there is no such folder; expected that of a run, DATASET/runs/NAME, or a .keras file"),
    ],
)
def test_a_missing_model_is_an_input_error(given, message):
    with pytest.raises(segmenter.InputError, match=message):
        segmenter.load_predictor(given)


def test_an_image_that_cannot_be_read_is_an_input_error(predictor, tmp_path):
    (tmp_path / "text.jpg").write_text("no image")
    with pytest.raises(segmenter.InputError, match=r"text\.jpg: .*not JPEG, PNG or TIFF"):
        predictor.segment(tmp_path / "text.jpg")
