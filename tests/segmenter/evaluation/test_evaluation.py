from dataclasses import replace
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest

from pipeline.files import InputError, read_csv
from segmenter.configuration import Configuration, EvalSettings, InferSettings
from segmenter.configuration.networks import SlightlyFlexibleUNetSettings as UNetSettings
from segmenter.data.dataset import Sample, read_data_set
from segmenter.data.ground_truth import read_gray
from segmenter.evaluation import describe_leak, evaluate, evaluation_identity, read_summary
from segmenter.evaluation.batch_metrics import BatchMetrics
from segmenter.evaluation.evaluator import find_trained_on_too
from segmenter.evaluation.measuring import FROC_COLUMNS, LESION_COLUMNS, image_row, measure
from segmenter.evaluation.threshold_choice import choose_threshold
from segmenter.report.evaluation_lines import collect_evaluation, describe_evaluation


@pytest.fixture
def gray_as_probability(tmp_path):
    """A model that takes an image's gray level as the probability, so that every metric is known."""

    def write(side):
        pixels = keras.Input((side, side, 1))
        path = tmp_path / f"gray{side}.keras"
        keras.Model(pixels, keras.layers.Rescaling(1 / 255)(pixels)).save(path)
        return path

    return write


CONFIGURATION = Configuration(
    model=UNetSettings(metrics=("dice_coef", "iou_coef")), eval=EvalSettings(batch_size=2, nsd_tolerance_px=1)
)


def stripes(columns, side=8):
    """A square whose first columns are white."""
    square = np.zeros((side, side), np.uint8)
    square[:, :columns] = 255
    return square


@pytest.fixture
def striped(tmp_path, write_data_set, write_pair):
    """A test split of predicted and true stripes: Dice 2 * 16 / (16 + 32), an exact hit flipped, and two without lesion."""
    folder = write_data_set(tmp_path / "striped", test=0)
    columns = {"P1_L_CM_CC": (2, 4), "P2_L_CM_CC": (0, 0), "P3_L_CM_CC": (1, 0), "flipped_P1_L_CM_CC": (4, 4)}
    for name, (predicted, true) in columns.items():
        write_pair(folder, "test", name, stripes(predicted), stripes(true))
    return read_data_set(folder)


def run(model, data, folder, configuration=CONFIGURATION):
    identity = evaluation_identity(model, data, configuration, "test")
    return evaluate(model, data.split("test"), configuration, folder, identity, train=(), trained_on=())


def test_metrics_per_image(striped, gray_as_probability, tmp_path):
    metrics = run(gray_as_probability(8), striped, tmp_path / "out")
    dice = 2 * 16 / (16 + 32)
    assert {name: metrics[name] for name in metrics if name not in ("loss", "dice_coef", "iou_coef")} == pytest.approx(
        {
            "dice_mean_originals": 0.6667,  # metrics are computed from tables of four decimals
            "dice_median_originals": 0.6667,
            "dice_mean": (dice + 1) / 2,
            "dice_median": (dice + 1) / 2,
            "dice_count_originals": 1,
            "dice_count": 2,
            "images": 4,
            "empty_truth": 2,
            "empty_truth_with_false_positives": 1,
            "nsd_mean_originals": 0.6780,
            "hd95_px_median_originals": 2,
            "detection_rate": 1,
            "false_positives_per_image": 1 / 3,
            "threshold": 0.5,
        },
        abs=1e-4,
    )


def test_one_row_per_image(striped, gray_as_probability, tmp_path):
    run(gray_as_probability(8), striped, tmp_path / "out")
    rows = {row["sample"]: row for row in read_csv(tmp_path / "out/per_image.csv")}
    # The lesion has 4 columns of 8 pixels; the first 2 are predicted. Its contour has 20 pixels: 10 are predicted, 2 are
    # 1 px and the 8 of the fourth column 2 px away. All 16 predicted pixels are contour; 6 are 1 px inside the true one.
    # By length, c = 0.707 at a corner: 13 + 2 c of the true 20 + 4 c, and 11 + 4 c of the predicted 16 + 4 c are within 1 px.
    assert {key: value for key, value in rows["P1_L_CM_CC"].items() if value} == {
        "sample": "P1_L_CM_CC",
        "image_id": "P1_L_CM_CC",
        "patient": "P1",
        "variant": "original",
        "split": "test",
        "dice": "0.6667",
        "iou": "0.5000",
        "truth_px": "32",
        "predicted_px": "16",
        "empty_truth": "0",
        "sensitivity": "0.5000",
        "precision": "1.0000",
        "specificity": "1.0000",
        "hd95_px": "2.0000",
        "asd_px": "0.6667",
        "nsd": "0.6780",
        "lesions": "1",
        "detected": "1",
        "false_positives": "0",
        "centre_detected": "1",
        "centre_false_positives": "0",
        "kind": "CM",
        "view": "CC",
        "side": "L",
        "size": "medium",
        "band_share": "0.0000",
    }
    empty = rows["P3_L_CM_CC"]
    undefined = ("dice", "iou", "sensitivity", "precision", "hd95_px", "asd_px", "nsd", "size")
    assert [empty[name] for name in undefined] == [""] * 8
    assert [empty[name] for name in ("predicted_px", "empty_truth", "lesions", "false_positives")] == ["8", "1", "0", "1"]
    assert rows["flipped_P1_L_CM_CC"]["variant"] == "flipped"


def test_one_row_per_lesion_and_one_per_candidate(striped, gray_as_probability, tmp_path):
    run(gray_as_probability(8), striped, tmp_path / "out")
    lesions = read_csv(tmp_path / "out/per_lesion.csv", LESION_COLUMNS)
    assert [(row["sample"], row["lesion"], row["area_px"], row["iou"]) for row in lesions] == [
        ("P1_L_CM_CC", "1", "32", "0.5000"),
        ("flipped_P1_L_CM_CC", "1", "32", "1.0000"),
    ]
    candidates = read_csv(tmp_path / "out/froc.csv", FROC_COLUMNS)
    assert [tuple(row.values()) for row in candidates] == [
        ("P1_L_CM_CC", "1", "1.0000", "1", "1"),
        ("P3_L_CM_CC", "1", "1.0000", "", ""),
        ("flipped_P1_L_CM_CC", "1", "1.0000", "1", "1"),
    ]
    curve = read_csv(tmp_path / "out/froc_curve.csv")
    ends = [(row["lesions"], row["detection_rate"], row["false_positives_per_image"]) for row in curve if row["size"] == "all"]
    assert ends == [("1", "1", "0.333333")] * 2, "the curve is over originals only"


def test_lengths_in_source_pixels_and_millimetres(striped, gray_as_probability, tmp_path):
    samples = [replace(sample, scale=0.25, spacing_mm=0.1) for sample in striped.split("test")]
    evaluate(gray_as_probability(8), samples, CONFIGURATION, tmp_path / "out", {}, train=(), trained_on=())
    row = read_csv(tmp_path / "out/per_image.csv")[0]
    lengths = [row[f"hd95_{unit}"] for unit in ("px", "source_px", "mm")]
    assert (row["sample"], lengths) == ("P1_L_CM_CC", ["2.0000", "8.0000", "0.8000"])


def test_sizes_come_from_training_samples_and_a_leak_from_the_trained_patients(
    striped, gray_as_probability, tmp_path, write_pair
):
    """Lesions of 8, 24 and 48 px in training: terciles at 40 / 3 and 32."""
    for number, columns in enumerate((1, 3, 6), 1):
        write_pair(striped.folder, "train", f"P{number}_R_CM_CC", stripes(0), stripes(columns))
    trained = [sample for sample in read_data_set(striped.folder).split("train") if sample.details["side"] == "R"]
    out = tmp_path / "out"
    owners = [sample.owner for sample in trained]
    evaluate(gray_as_probability(8), striped.split("test"), CONFIGURATION, out, {}, train=trained, trained_on=[*owners[1:], "P9"])
    summary = read_summary(out)
    assert summary["size_cuts_px"] == pytest.approx([8 + 16 * 2 / 3, 24 + 24 / 3])
    assert (summary["patients"], summary["patients_in_train"], summary["trained_on_too"]) == (3, 2, ["P2", "P3"])
    message = "2 of 3 patients of test were trained on: these metrics are inflated, and say little about new patients"
    assert (describe_leak(summary, "test"), describe_leak(summary, "train")) == (message, "")
    assert read_csv(out / "per_lesion.csv")[0]["size"] == "medium"


@pytest.mark.parametrize(
    ("patient", "trained_on", "shared"),
    [
        pytest.param("", ["D1-0002_L_CC"], None, id="unknown"),
        pytest.param("", [], [], id="trained on nobody"),
        pytest.param("", ["D1-0001_R_CC"], ["D1-0001_R_CC"], id="the image itself"),
        pytest.param("P1", ["P2"], [], id="known"),
    ],
)
def test_no_leak_is_denied_where_patients_are_unknown(patient, trained_on, shared):
    sample = Sample("D1-0001_R_CC", "test", Path("i"), Path("m"), "D1-0001_R_CC", "original", patient, "")
    assert find_trained_on_too([sample], trained_on) == shared


def test_masks_of_originals_are_kept(striped, gray_as_probability, tmp_path):
    run(gray_as_probability(8), striped, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out/masks").iterdir()) == [f"P{number}_L_CM_CC.png" for number in (1, 2, 3)]
    np.testing.assert_array_equal(read_gray(tmp_path / "out/masks/P1_L_CM_CC.png"), stripes(2))


def test_metrics_over_batches_by_hand(striped, gray_as_probability, tmp_path):
    metrics = run(gray_as_probability(8), striped, tmp_path / "out")
    # Batches of two in the order of names: (P1, P2) and (P3, flipped P1).
    first, second = (2 * 16 + 1) / (32 + 16 + 1), (2 * 32 + 1) / (32 + 40 + 1)
    assert metrics["dice_coef"] == pytest.approx((first + second) / 2, abs=1e-6)
    assert metrics["iou_coef"] == pytest.approx((16 / 32 + 32 / 40) / 2, abs=1e-6)
    lines = (tmp_path / "out/evaluation.csv").read_text().splitlines()
    assert lines[0] == f"loss,{metrics['loss']:.4f}"
    assert lines[1] == f"dice_coef,{metrics['dice_coef']:.4f}"
    assert "images,4" in lines


def test_batch_metrics_are_those_of_keras(striped, gray_as_probability, tmp_path):
    from segmenter.data.input_pipeline import validation_batches
    from segmenter.training.losses import LOSSES
    from segmenter.training.metrics import METRICS

    samples = striped.split("test")[:3]  # the last batch is smaller
    metrics = evaluate(gray_as_probability(8), samples, CONFIGURATION, tmp_path / "out", {}, train=(), trained_on=None)
    model = keras.saving.load_model(gray_as_probability(8), compile=False)
    model.compile(loss=LOSSES["bce_dice_loss"], metrics=[METRICS["dice_coef"], METRICS["iou_coef"]])
    from segmenter.data.pairs import PairFormat

    batches = validation_batches(samples, PairFormat(8, 8, 1), 2, cache=False)
    expected = model.evaluate(batches, return_dict=True, verbose=0)
    assert {name: metrics[name] for name in expected} == pytest.approx(expected, abs=1e-5)


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


def test_best_and_worst_are_drawn(striped, gray_as_probability, tmp_path):
    run(gray_as_probability(8), striped, tmp_path / "out")
    for name in ("best.png", "worst.png"):
        assert cv2.imread(str(tmp_path / "out" / name)).shape[1] == 3 * 8


def test_an_earlier_evaluation_is_recognised(striped, gray_as_probability, tmp_path):
    model = gray_as_probability(8)
    run(model, striped, tmp_path / "out")
    earlier = read_summary(tmp_path / "out")["identity"]
    assert earlier == evaluation_identity(model, striped, CONFIGURATION, "test")
    other = CONFIGURATION.model_copy(update={"eval": EvalSettings(batch_size=3)})
    assert earlier != evaluation_identity(model, striped, other, "test")
    assert read_summary(tmp_path / "nothing") == {}


@pytest.mark.parametrize(
    ("loss", "parameter", "value"),
    [
        ("tversky_loss", "tversky_alpha", 0.35),
        ("tversky_loss", "tversky_beta", 0.65),
        ("focal_loss", "focal_alpha", 0.35),
        ("focal_loss", "focal_gamma", 1.5),
    ],
)
def test_with_another_parameter_of_the_loss_it_is_evaluated_again(striped, gray_as_probability, tmp_path, loss, parameter, value):
    model, results = gray_as_probability(8), []
    for parameters in ({}, {parameter: value}):
        configuration = CONFIGURATION.model_copy(update={"model": UNetSettings(loss=loss, **parameters)})
        identity = evaluation_identity(model, striped, configuration, "test")
        results.append((identity, run(model, striped, tmp_path / "out", configuration)["loss"]))
    assert results[0][1] != results[1][1], "the parameter changes the loss that is written"
    assert results[0][0] != results[1][0]


def test_a_split_without_lesions_has_no_mean(tmp_path, write_data_set, write_pair, gray_as_probability):
    folder = write_data_set(tmp_path / "none", test=0)
    write_pair(folder, "test", "P1_L_CM_CC", stripes(0), stripes(0))
    metrics = run(gray_as_probability(8), read_data_set(folder), tmp_path / "out")
    assert (metrics["images"], metrics["empty_truth"], metrics["empty_truth_with_false_positives"]) == (1, 1, 0)
    assert not [name for name in metrics if name.startswith(("dice_mean", "dice_median", "nsd", "hd95", "detection"))]


def test_several_classes_are_measured_together_and_separately(tmp_path):
    sample = Sample("a", "test", tmp_path, tmp_path, "a", "original", "", "")
    ground_truth = np.array([[0, 1, 1, 2, 2, 2]], np.uint8)
    probabilities = np.eye(3, dtype=np.float32)[[[0, 1, 2, 2, 2, 0]]]
    configuration = Configuration(model=UNetSettings(num_classes=3))
    row = image_row(measure(sample, ground_truth, probabilities, configuration=configuration), None)
    assert row["dice"] == 2 * 4 / (5 + 4)
    assert (row["dice_benign"], row["dice_malignant"]) == (2 / 3, 4 / 6)
    without_benign = image_row(
        measure(sample, ground_truth * (ground_truth == 2), probabilities, configuration=configuration), None
    )
    assert (without_benign["dice_benign"], without_benign["truth_px_benign"]) == (None, 0)


def test_batch_metrics_are_given_for_each_class():
    metrics = BatchMetrics(Configuration(model=UNetSettings(num_classes=3)))
    ground_truth = np.array([0, 1, 2, 2], np.uint8).reshape(1, 1, 4, 1)
    metrics.add(ground_truth, np.eye(3, dtype=np.float32)[[0, 1, 2, 0]].reshape(1, 1, 4, 3))
    values = metrics.values()
    assert values["dice_coef_benign"] == pytest.approx(1)
    assert values["dice_coef_malignant"] == pytest.approx((2 * 1 + 1) / (2 + 1 + 1))
    assert values["dice_coef"] == pytest.approx((1 + 3 / 4) / 2)


def test_images_with_a_partner_are_counted(views_folder, tmp_path):
    (views_folder / "test/partners/P7_L_CM_CC.png").unlink()
    pixels = keras.Input((32, 32, 3))
    keras.Model(pixels, keras.layers.Rescaling(1 / 255)(pixels[..., 2:])).save(tmp_path / "pair.keras")
    configuration = Configuration.model_validate({"model": {"image_channels": 3}, "dataset": {"partner": True}})
    data = read_data_set(views_folder)
    for given, count in ((data, 3), (data.without_partners(), 0)):
        run(tmp_path / "pair.keras", given, tmp_path / "evaluation", configuration)
        assert read_summary(tmp_path / "evaluation")["with_partner"] == count
    line = f"{count} of 4 images with both images of their view"
    assert f"  {line}" in describe_evaluation(collect_evaluation(tmp_path / "evaluation", configuration))
    single = Configuration.model_validate({"model": {"image_channels": 3}})
    run(tmp_path / "pair.keras", data, tmp_path / "evaluation", single)
    assert read_summary(tmp_path / "evaluation")["with_partner"] is None
    lines = describe_evaluation(collect_evaluation(tmp_path / "evaluation", single))
    assert not any("both images" in line for line in lines)


def test_views_are_averaged_where_the_configuration_says_so(striped, tmp_path):
    """A model that predicts lesion left of the middle for any image: averaged over flips that is a half everywhere."""
    pixels = keras.Input((8, 8, 1))
    left = np.repeat([[1.0, 0.0]], 4, axis=1).reshape(1, 1, 8, 1) * np.ones((1, 8, 1, 1))
    model = keras.Model(pixels, pixels * 0 + keras.ops.convert_to_tensor(left, "float32"))
    model.save(tmp_path / "left.keras")
    for views, predicted in (("none", 32), ("flips", 64)):
        configuration = CONFIGURATION.model_copy(update={"infer": InferSettings(augmentation=views)})
        run(tmp_path / "left.keras", striped, tmp_path / views, configuration)
        assert {row["predicted_px"] for row in read_csv(tmp_path / views / "per_image.csv")} == {str(predicted)}


@pytest.fixture
def hesitant(tmp_path, write_data_set, write_pair):
    """Valid images with a lesion of gray level 80 on 40: any threshold from 0.16 to 0.31 is right."""
    folder = write_data_set(tmp_path / "hesitant", valid=0)
    for name in ("P1_L_CM_CC", "P2_L_CM_CC"):
        mask = stripes(4)
        write_pair(folder, "valid", name, np.where(mask, 80, 40).astype(np.uint8), mask)
    write_pair(folder, "valid", "P3_L_CM_CC", stripes(8), stripes(0))  # without lesion: does not count
    return read_data_set(folder)


def test_the_threshold_is_chosen_by_mean_dice_and_remembered(hesitant, gray_as_probability, tmp_path, monkeypatch):
    model = gray_as_probability(8)
    choice = choose_threshold(model, hesitant, CONFIGURATION, tmp_path / "out")
    assert choice == (0.3, 1.0)  # of 0.2, 0.25 and 0.3 the nearest to 0.5
    monkeypatch.setattr("segmenter.evaluation.threshold_choice.load", lambda *_: pytest.fail("chosen again"))
    assert choose_threshold(model, hesitant, CONFIGURATION, tmp_path / "out") == choice


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(
            {"model": UNetSettings(num_classes=3)},
            r"uses no threshold, because \[model\] num_classes is 3, and the most probable class counts",
            id="classes",
        ),
        pytest.param(
            {"infer": InferSettings(algorithm="otsu")}, r"\[infer\] algorithm is otsu; leave --threshold out", id="otsu"
        ),
    ],
)
def test_a_run_without_threshold_is_an_error(striped, gray_as_probability, tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        choose_threshold(gray_as_probability(8), striped, CONFIGURATION.model_copy(update=change), tmp_path)


def test_a_split_without_lesions_gives_no_threshold(tmp_path, write_data_set, write_pair, gray_as_probability):
    folder = write_data_set(tmp_path / "none", valid=0)
    write_pair(folder, "valid", "P1_L_CM_CC", stripes(2), stripes(0))
    with pytest.raises(InputError, match="no image of valid has a lesion to choose a threshold by; give a number instead"):
        choose_threshold(gray_as_probability(8), read_data_set(folder), CONFIGURATION, tmp_path)
