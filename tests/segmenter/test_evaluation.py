import cv2
import keras
import numpy as np
import pytest

from pipeline.files import read_csv
from segmenter.configuration import Configuration, EvalSettings
from segmenter.configuration.model import SlightlyFlexibleUNetSettings as UNetSettings
from segmenter.evaluation import COLUMNS, evaluate, evaluation_identity, measure_overlap, read_summary, summarise
from segmenter.folders import Sample, read_data_set


@pytest.fixture
def gray_as_probability(tmp_path):
    """A model that takes an image's grey level as the probability, so that every figure is known."""

    def write(side):
        pixels = keras.Input((side, side, 1))
        path = tmp_path / f"gray{side}.keras"
        keras.Model(pixels, keras.layers.Rescaling(1 / 255)(pixels)).save(path)
        return path

    return write


CONFIGURATION = Configuration(model=UNetSettings(metrics=("dice_coef", "iou_coef")), eval=EvalSettings(batch_size=2))


def stripes(columns, side=8):
    """A square whose first columns are white."""
    square = np.zeros((side, side), np.uint8)
    square[:, :columns] = 255
    return square


@pytest.fixture
def judged(tmp_path, write_data_set, write_pair):
    """A test split of predicted and true stripes: Dice 2 * 16 / (16 + 32), an exact hit turned, and two empty truths."""
    folder = write_data_set(tmp_path / "judged", test=0)
    columns = {"P1_L_CM_CC": (2, 4), "P2_L_CM_CC": (0, 0), "P3_L_CM_CC": (1, 0), "flipped_P1_L_CM_CC": (4, 4)}
    for name, (predicted, truth) in columns.items():
        write_pair(folder, "test", name, stripes(predicted), stripes(truth))
    return read_data_set(folder)


def run(model, data, folder, configuration=CONFIGURATION):
    return evaluate(model, data.split("test"), configuration, folder, evaluation_identity(model, data, configuration, "test"))


def test_figures_an_image(judged, gray_as_probability, tmp_path):
    figures = run(gray_as_probability(8), judged, tmp_path / "out")
    dice = 2 * 16 / (16 + 32)
    assert {name: figures[name] for name in figures if name not in ("loss", "dice_coef", "iou_coef")} == pytest.approx(
        {
            "dice_mean_originals": dice,
            "dice_median_originals": dice,
            "dice_mean": (dice + 1) / 2,
            "dice_median": (dice + 1) / 2,
            "dice_count_originals": 1,
            "dice_count": 2,
            "images": 4,
            "empty_truth": 2,
            "empty_truth_with_false_positives": 1,
        }
    )
    rows = {row["sample"]: row for row in read_csv(tmp_path / "out/per_image.csv", COLUMNS)}
    assert rows["P1_L_CM_CC"] == {
        "sample": "P1_L_CM_CC",
        "image_id": "P1_L_CM_CC",
        "patient": "P1",
        "variant": "original",
        "class": "",
        "split": "test",
        "dice": "0.6667",
        "iou": "0.5000",
        "truth_px": "32",
        "predicted_px": "16",
        "empty_truth": "0",
    }
    assert [rows["P3_L_CM_CC"][column] for column in ("dice", "iou", "predicted_px", "empty_truth")] == ["", "", "8", "1"]
    assert rows["flipped_P1_L_CM_CC"]["variant"] == "flipped"


def test_figures_over_batches_by_hand(judged, gray_as_probability, tmp_path):
    figures = run(gray_as_probability(8), judged, tmp_path / "out")
    # Batches of two in the order of names: (P1, P2) and (P3, flipped P1).
    first, second = (2 * 16 + 1) / (32 + 16 + 1), (2 * 32 + 1) / (32 + 40 + 1)
    assert figures["dice_coef"] == pytest.approx((first + second) / 2, abs=1e-6)
    assert figures["iou_coef"] == pytest.approx((16 / 32 + 32 / 40) / 2, abs=1e-6)
    lines = (tmp_path / "out/evaluation.csv").read_text().splitlines()
    assert lines[0] == f"loss,{figures['loss']:.4f}"
    assert lines[1] == f"dice_coef,{figures['dice_coef']:.4f}"
    assert "images,4" in lines


def test_batch_figures_are_those_of_keras(judged, gray_as_probability, tmp_path):
    from segmenter.input_pipeline import training_batches
    from segmenter.losses import LOSSES
    from segmenter.metrics import METRICS

    samples = judged.split("test")[:3]  # the last batch is smaller
    figures = evaluate(gray_as_probability(8), samples, CONFIGURATION, tmp_path / "out", {})
    model = keras.saving.load_model(gray_as_probability(8), compile=False)
    model.compile(loss=LOSSES["bce_dice_loss"], metrics=[METRICS["dice_coef"], METRICS["iou_coef"]])
    expected = model.evaluate(training_batches(samples, 8, 1, 2, cache=False, repeat=False), return_dict=True, verbose=0)
    assert {name: figures[name] for name in expected} == pytest.approx(expected, abs=1e-5)


def test_a_smaller_model_is_measured_on_the_grid_of_the_data(tmp_path, write_data_set, write_pair, gray_as_probability):
    folder = write_data_set(tmp_path / "fine", test=0)
    image, mask = stripes(4), stripes(3)
    write_pair(folder, "test", "P1_L_CM_CC", image, mask)
    data = read_data_set(folder)
    run(gray_as_probability(4), data, tmp_path / "out")
    small = cv2.resize(image, (4, 4), interpolation=cv2.INTER_AREA)
    large = cv2.resize(small.astype(np.float32) / 255, (8, 8), interpolation=cv2.INTER_LINEAR)
    (row,) = read_csv(tmp_path / "out/per_image.csv")
    assert int(row["truth_px"]) == 24
    assert int(row["predicted_px"]) == (large >= 0.5).sum() == 32


def test_best_and_worst_are_drawn(judged, gray_as_probability, tmp_path):
    run(gray_as_probability(8), judged, tmp_path / "out")
    for name in ("best.png", "worst.png"):
        assert cv2.imread(str(tmp_path / "out" / name)).shape[1] == 3 * 8


def test_the_same_again_is_recognised(judged, gray_as_probability, tmp_path):
    model = gray_as_probability(8)
    run(model, judged, tmp_path / "out")
    earlier = read_summary(tmp_path / "out")["identity"]
    assert earlier == evaluation_identity(model, judged, CONFIGURATION, "test")
    other = CONFIGURATION.model_copy(update={"eval": EvalSettings(batch_size=3)})
    assert earlier != evaluation_identity(model, judged, other, "test")
    assert read_summary(tmp_path / "nothing") == {}


def test_overlap_without_truth_has_no_dice():
    overlap = measure_overlap(stripes(0), stripes(3))
    assert (overlap.dice, overlap.iou, overlap.predicted_px) == (None, None, 24)


def test_a_split_without_lesions_has_no_mean(tmp_path):
    sample = Sample("a", "test", tmp_path, tmp_path, "a", "original", "", "")
    assert summarise([sample], [measure_overlap(stripes(0), stripes(0))]) == {
        "images": 1,
        "empty_truth": 1,
        "empty_truth_with_false_positives": 0,
    }
