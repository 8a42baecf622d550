"""Models of crops: 48 x 30 px, which take gray levels as probabilities, so that what comes back is the image itself."""

from dataclasses import dataclass

import cv2
import keras
import numpy as np
import pytest
from skips import need_package

from pipeline.files import InputError
from pipeline.geometry import square_image
from segmenter.cli import main
from segmenter.configuration import Configuration
from segmenter.data.dataset import read_data_set
from segmenter.evaluation.predictions import predict_batches
from segmenter.inference.ensembles import AugmentedPredictor, Ensemble
from segmenter.inference.images import load_predictor as load_image_predictor
from segmenter.inference.tiling import predict_at_side, predict_whole
from segmenter.models.input_names import input_name
from segmenter.models.onnx_models import load_onnx_predictor, read_description
from segmenter.models.saved_models import load_predictor

HEIGHT, WIDTH = 48, 30
CROPPED = input_name(crop="breast")


@dataclass
class Gray:
    """A predictor of gray levels / 255."""

    height: int = HEIGHT
    width: int = WIDTH
    channels: int = 1
    classes: int = 1
    crop: str = "breast"
    partner: bool = False
    name: str = "gray"
    network: str = "Gray"

    def predict(self, images):
        assert images.shape[1:] == (self.height, self.width, self.channels)
        return images[..., :1].astype(np.float32) / 255


def write_model(path, height=HEIGHT, width=WIDTH, name=CROPPED):
    pixels = keras.Input((height, width, 1), name=name)
    keras.Model(pixels, keras.layers.Rescaling(1 / 255)(pixels)).save(path)
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("model") / "gray.keras")


def breast(height=96, width=64, wall="right"):
    """Half an ellipse from rows 8 to 88 with a bright lesion, on black."""
    rows, columns = np.mgrid[:height, :width]
    columns = width - 1 - columns if wall == "right" else columns
    image = np.where(((rows - height / 2) / (height / 2 - 8)) ** 2 + (columns / (width - 20)) ** 2 < 1, 90, 0)
    image[(rows - 40) ** 2 + (columns - 18) ** 2 < 60] = 240
    return image.astype(np.uint8)


def test_evaluate_and_infer_predict_the_same(tmp_path, model, write_data_set):
    folder = write_data_set(tmp_path / "set", train=1, valid=1, test=1)
    sample = read_data_set(folder).split("test")[0]
    square = square_image(breast(), 96)
    cv2.imwrite(str(sample.image), square)
    cv2.imwrite(str(sample.mask), np.where(square > 200, 255, 0).astype(np.uint8))
    predictor = load_predictor(model)
    assert (predictor.height, predictor.width, predictor.crop) == (HEIGHT, WIDTH, "breast")
    _, ground_truth, probabilities = next(predict_batches(predictor, [sample], Configuration()))
    assert ground_truth.shape == (1, 96, 96, 1)
    inferred = load_image_predictor(model).segment(sample.image).probability
    np.testing.assert_array_equal(inferred, probabilities[0, ..., 0])
    assert ((inferred >= 0.5) != (square > 128)).sum() < 50
    from_source = load_image_predictor(model).segment(breast()).probability
    np.testing.assert_array_equal(from_source, probabilities[0, :, 16:80, 0])


@pytest.mark.parametrize("wall", ["left", "right"])
@pytest.mark.parametrize("size", [(96, 64), (96, 120), (500, 300)])
def test_lesions_are_where_they_are_in_images_of_any_size(size, wall):
    image = breast(*size, wall)
    (probabilities,) = predict_whole([image], Gray())
    assert probabilities.shape == (*size, 1)
    found, lesion = probabilities[..., 0] >= 0.6, image > 200
    assert (found & lesion).sum() / (found | lesion).sum() > (0.75 if size[0] < 200 else 0.5)
    assert not probabilities[image == 0].max() > 0.5


def test_probabilities_wait_at_the_models_size():
    predicted = predict_at_side([breast(960, 640)], Gray())
    assert predicted[0].probabilities.shape == (HEIGHT, WIDTH, 1)
    assert predicted[0].at_source().shape == (960, 640, 1)


def test_a_color_model_gets_three_channels():
    color = np.repeat(breast()[..., None], 3, axis=-1)
    plain = predict_whole([breast()], Gray())[0]
    for image in (breast(), color):
        np.testing.assert_array_equal(predict_whole([image], Gray(channels=3))[0], plain)


def test_flips_average_the_same_pixels_and_turns_need_a_square():
    plain, flips = (predict_whole([breast()], predictor)[0] for predictor in (Gray(), AugmentedPredictor(Gray(), "flips")))
    np.testing.assert_allclose(flips, plain, atol=1e-6)
    with pytest.raises(InputError, match=r"gray: takes images of 30 x 48 px, which cannot be turned by 90 degrees; .* flips"):
        AugmentedPredictor(Gray(), "turns")
    turned = predict_whole([breast()], AugmentedPredictor(Gray(40, 40), "turns"))[0]
    np.testing.assert_allclose(turned, predict_whole([breast()], Gray(40, 40))[0], atol=1e-6)


def test_models_of_crops_and_of_whole_images_form_no_ensemble():
    with pytest.raises(
        InputError,
        match="gray: is for 48 px, 1 channel and 1 class, and gray for 48 px, 1 channel and 1 class, cropped to the breast; an",
    ):
        Ensemble([Gray(48, 48), Gray(48, 48, crop="none")])
    with pytest.raises(InputError, match=r"gray: is for 48 px, .*, and gray for 30 x 48 px, .*, cropped to the breast; an"):
        Ensemble([Gray(), Gray(48, 48, crop="none")])


def test_tiles_are_refused(model, tmp_path, capsys):
    cv2.imwrite(str(tmp_path / "a.png"), breast())
    arguments = ["--model", str(model), "--images", str(tmp_path / "a.png"), "--output", str(tmp_path / "out"), "--tiled"]
    assert main(["infer", *arguments]) == 2
    assert capsys.readouterr().err == (
        f'error: {model}: a model with [dataset] crop = "breast" predicts the breast as a whole, and no tiles; leave out tiles, '
        "which is --tiled on the command line\n"
    )
    assert not (tmp_path / "out/masks").exists()


def test_a_rectangle_that_is_no_crop_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"has the input shape \(None, 48, 30, 1\) .*; expected one input, \(None, side, side"):
        load_predictor(write_model(tmp_path / "other.keras", name="image"))


def test_an_onnx_file_says_that_its_images_are_cropped(tmp_path, model):
    for package in ("onnx", "onnxruntime", "tf2onnx"):
        need_package(package)
    assert main(["export", str(model), "--output", str(tmp_path / "gray.onnx")]) == 0
    predictor = load_onnx_predictor(tmp_path / "gray.onnx")
    assert (predictor.height, predictor.width, predictor.crop) == (HEIGHT, WIDTH, "breast")
    description = read_description(tmp_path / "gray.onnx")
    assert description.crop == "breast"
    assert description.geometry.startswith("mirror the image so that the chest wall is at the left")
    exported, expected = (load_image_predictor(file).segment(breast()) for file in (tmp_path / "gray.onnx", model))
    np.testing.assert_allclose(exported.probability, expected.probability, atol=1e-6)
    assert repr(load_image_predictor(model)).endswith(", 30 x 48 px, lesion)")
