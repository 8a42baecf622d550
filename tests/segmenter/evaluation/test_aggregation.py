import numpy as np
import pandas as pd
import pytest

from pipeline.files import InputError
from segmenter.evaluation.aggregation import CURVE_COLUMNS, METRIC_COLUMNS, read_table, summarise_metrics, write_metrics

UNDEFINED = ("iou", "specificity", "hd95_source_px", "asd_source_px", "hd95_mm", "asd_mm", "asd_px")


def image(sample, patient, dice=np.nan, **cells):
    """A row of per_image.csv; without Dice the image has no lesion."""
    row = {"sample": sample, "image_id": sample, "patient": patient, "variant": "original", "class": "malignant"}
    row |= {"dice": dice, "sensitivity": dice, "precision": dice, "nsd": dice, "hd95_px": np.nan, **dict.fromkeys(UNDEFINED)}
    row |= {"predicted_px": 8, "empty_truth": int(np.isnan(dice)), "lesions": int(not np.isnan(dice)), "detected": 0}
    row |= {"false_positives": 0, "centre_detected": 0, "centre_false_positives": 0, "size": "", "band_share": 0.0}
    row |= dict.fromkeys(("view", "side", "density", "birads", "findings", "machine"), "")
    return row | {"kind": "CM"} | cells


IMAGES = [
    image("a", "P1", 0.8, lesions=2, detected=1, false_positives=1, size="large", birads="3$5", findings="Enhancing mass$Edema"),
    image("b", "P1", 0.4, detected=1, kind="DM", size="medium", birads="4", findings="High density mass", hd95_px=6.0),
    image("c", "P2", 0.0, size="small", birads="5", hd95_px=2.0),
    image("d", "P3", predicted_px=30, false_positives=2, **{"class": "normal"}),
    image("e", "", predicted_px=0, **{"class": "normal"}),
]
TURNED = image("flipped_a", "P1", 1.0, variant="flipped", lesions=2, detected=2, false_positives=9, size="large")
LESIONS = [  # sample, its number there, size, detected
    *[("a", 1, "small", 0), ("a", 2, "large", 1), ("b", 1, "medium", 1), ("c", 1, "small", 0), ("flipped_a", 1, "small", 1)]
]
CANDIDATES = [  # sample, score, lesion detected by overlap, by centre
    *[("a", 0.9, 2, 2), ("a", 0.6, np.nan, 2), ("a", 0.3, 1, np.nan), ("b", 0.6, 1, 1)],
    *[("d", 0.8, np.nan, np.nan), ("d", 0.3, np.nan, np.nan), ("flipped_a", 0.95, 1, 1)],
]


def tables(images=IMAGES):
    names = {row["sample"] for row in images}
    lesions = pd.DataFrame(LESIONS, columns=["sample", "lesion", "size", "detected"]).assign(centre_detected=1)
    candidates = pd.DataFrame(CANDIDATES, columns=["sample", "score", "lesion", "centre_lesion"])
    return pd.DataFrame(images), lesions[lesions["sample"].isin(names)], candidates[candidates["sample"].isin(names)]


@pytest.fixture(scope="module")
def metrics():
    return summarise_metrics(*tables([*IMAGES, TURNED])).metrics


def rows_of(metrics, group, value, metric):
    """The rows of a metric, one at most, without their names."""
    rows = metrics[(metrics["group"] == group) & (metrics["value"] == value) & (metrics["metric"] == metric)]
    return rows[METRIC_COLUMNS[3:]].to_numpy(float).tolist()


def expected(images, patients, *values):
    """One row as `rows_of` returns it; values that are left out are NaN."""
    return [pytest.approx([images, patients, *values] + [np.nan] * (6 - len(values)), nan_ok=True)]


@pytest.mark.parametrize(
    ("metric", "row"),
    [
        # With two patients a quarter of the draws has only P2 and a quarter only P1: the interval goes from one to the other.
        ("dice", expected(3, 2, 0.4, 0.0, 0.6, 0.4, 0.0, 0.6)),
        ("hd95_px", expected(2, 2, 4.0, 2.0, 6.0, 4.0, 2.0, 6.0)),
        ("detection_rate", expected(3, 2, 2 / 4, 0.0, 2 / 3)),
        ("centre_detection_rate", expected(3, 2, 0.0, 0.0, 0.0)),
        ("centre_false_positives_per_image", expected(5, 4, 0.0, 0.0, 0.0)),
    ],
)
def test_metrics_of_all(metrics, metric, row):
    assert rows_of(metrics, "all", "", metric) == row


def test_false_positives_are_over_images_without_lesion_too(metrics):
    ((images, patients, mean, low, high, *median),) = rows_of(metrics, "all", "", "false_positives_per_image")
    assert (images, patients, mean) == (5, 4, pytest.approx(3 / 5))
    assert 0 <= low < mean < high <= 2
    assert np.isnan(median).all()


def test_a_metric_that_no_image_has_gets_no_row(metrics):
    assert not set(metrics["metric"]) & set(UNDEFINED)


@pytest.mark.parametrize(
    ("size", "row"),
    [("small", expected(2, 2, 0.0, 0.0, 0.0)), ("medium", expected(1, 1, 1.0)), ("large", expected(1, 1, 1.0))],
)
def test_detection_by_the_size_of_each_lesion(metrics, size, row):
    assert rows_of(metrics, "lesion size", size, "detection_rate") == row


@pytest.mark.parametrize(
    ("metric", "row"),
    [
        ("share_without_false_positive", expected(2, 2, 0.5, 0.0, 1.0)),
        ("false_positive_px", expected(2, 2, 15.0, 0.0, 30.0, 15.0, 0.0, 30.0)),
        ("false_positives", expected(2, 2, 1.0, 0.0, 2.0, 1.0, 0.0, 2.0)),
        ("dice", []),
    ],
)
def test_images_without_lesion_are_a_group_of_their_own(metrics, metric, row):
    assert rows_of(metrics, "without lesion", "", metric) == row


@pytest.mark.parametrize(
    ("group", "value", "metric", "row"),
    [
        ("kind", "CM", "dice", expected(2, 2, 0.4, 0.0, 0.8, 0.4, 0.0, 0.8)),
        ("kind", "DM", "dice", expected(1, 1, 0.4, np.nan, np.nan, 0.4)),
        ("kind", "DM", "detection_rate", expected(1, 1, 1.0)),
        ("kind", "DM", "false_positives_per_image", expected(1, 1, 0.0)),
        ("birads", "5", "nsd", expected(2, 2, 0.4, 0.0, 0.8, 0.4, 0.0, 0.8)),
        ("birads", "4", "sensitivity", expected(1, 1, 0.4, np.nan, np.nan, 0.4)),
        ("finding", "mass", "dice", expected(2, 1, 0.6, np.nan, np.nan, 0.6)),
        ("finding", "edema", "dice", expected(1, 1, 0.8, np.nan, np.nan, 0.8)),
        ("finding", "unknown", "false_positives_per_image", expected(3, 3, 2 / 3, 0.0, 2.0)),
        ("class", "normal", "false_positives_per_image", expected(2, 2, 1.0, 0.0, 2.0)),
        ("class", "normal", "dice", []),
        ("size", "large", "detection_rate", expected(1, 1, 0.5)),
        ("machine", "unknown", "dice", expected(3, 2, 0.4, 0.0, 0.6, 0.4, 0.0, 0.6)),
    ],
)
def test_metrics_of_groups(metrics, group, value, metric, row):
    assert rows_of(metrics, group, value, metric) == row


def test_values_of_a_group_are_in_order(metrics):
    values = metrics.groupby("group", sort=False)["value"].unique().map(list)
    assert values["size"] == ["small", "medium", "large"]
    assert values["birads"] == ["4", "5", "unknown"]


def test_images_whose_lesion_is_mostly_a_band_are_a_group_of_their_own():
    shares = {"a": 0.7, "b": 0.5, "c": 0.0}
    images, lesions, candidates = tables([row | {"band_share": shares.get(row["sample"], np.nan)} for row in IMAGES])
    metrics = summarise_metrics(images, lesions, candidates).metrics
    assert metrics.loc[metrics["group"] == "bands", "value"].unique().tolist() == ["none", "some", "most"]
    assert rows_of(metrics, "bands", "most", "dice") == expected(1, 1, 0.8, np.nan, np.nan, 0.8)
    assert rows_of(metrics, "bands", "some", "dice") == expected(1, 1, 0.4, np.nan, np.nan, 0.4)
    assert "bands" not in set(summarise_metrics(*tables()).metrics["group"]), "there is no such group without bands"


def test_classes_have_their_own_dice():
    images, lesions, froc = tables()
    images["dice_benign"] = [0.5, np.nan, 0.1, np.nan, np.nan]
    metrics = summarise_metrics(images, lesions, froc).metrics
    assert rows_of(metrics, "all", "", "dice_benign") == expected(2, 2, 0.3, 0.1, 0.5, 0.3, 0.1, 0.5)


def test_without_originals_all_samples_count():
    metrics = summarise_metrics(*tables([TURNED])).metrics
    assert rows_of(metrics, "all", "", "false_positives_per_image") == expected(1, 1, 9.0)


def test_without_any_lesion_there_are_only_metrics_of_false_positives():
    result = summarise_metrics(*tables(IMAGES[3:]))
    assert set(result.metrics["metric"]) == {
        *("false_positives_per_image", "centre_false_positives_per_image"),
        *("share_without_false_positive", "false_positive_px", "false_positives"),
    }
    assert result.froc_curve.empty


def test_the_curve_adds_candidates_from_the_highest_score_to_the_lowest():
    curve = summarise_metrics(*tables([*IMAGES, TURNED])).froc_curve
    rows = {(row["criterion"], row["threshold"], row["size"]): row[CURVE_COLUMNS[3:]].tolist() for _, row in curve.iterrows()}
    assert list(curve.columns) == CURVE_COLUMNS
    assert len(curve) == len(rows) == 2 * 4 * 4
    # Of the four lesions P1 has three and P2 one, which nobody finds: the interval goes from one patient to the other.
    assert rows["iou", 0.9, "all"] == pytest.approx([4, 1 / 4, 0.0, 1 / 3, 0])
    assert rows["iou", 0.8, "all"] == pytest.approx([4, 1 / 4, 0.0, 1 / 3, 1 / 5])
    assert rows["iou", 0.6, "all"] == pytest.approx([4, 2 / 4, 0.0, 2 / 3, 2 / 5])
    assert rows["iou", 0.3, "all"] == pytest.approx([4, 3 / 4, 0.0, 1.0, 3 / 5])
    assert rows["iou", 0.3, "small"] == pytest.approx([2, 1 / 2, 0.0, 1.0, 3 / 5])
    assert rows["iou", 0.9, "large"] == pytest.approx([1, 1.0, np.nan, np.nan, 0], nan_ok=True)
    # By centre, the second hit in a lesion does not count, and the lowest candidate of `a` hits none.
    assert rows["centre", 0.6, "all"] == pytest.approx([4, 2 / 4, 0.0, 2 / 3, 1 / 5])
    assert rows["centre", 0.3, "all"] == pytest.approx([4, 2 / 4, 0.0, 2 / 3, 3 / 5])


def test_without_candidates_the_curve_is_the_point_of_no_detection():
    images, lesions, candidates = tables()
    curve = summarise_metrics(images, lesions, candidates[:0]).froc_curve
    assert curve.loc[curve["size"] == "all", CURVE_COLUMNS[2:5]].to_numpy().tolist() == [[1.0, 4, 0.0]] * 2


def test_tables_are_read_as_they_were_written(tmp_path):
    images, lesions, froc = tables([IMAGES[0] | {"machine": "1", "birads": "4", "density": "NA"}, *IMAGES[1:]])
    for name, table in {"images": images, "lesions": lesions, "froc": froc}.items():
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    read = [read_table(tmp_path / f"{name}.csv") for name in ("images", "lesions", "froc")]
    assert read[0].loc[0, ["machine", "birads", "density"]].tolist() == ["1", "4", "NA"]
    assert read[0].loc[4, "patient"] == ""
    assert np.isnan(read[0].loc[4, "dice"])
    result = summarise_metrics(*read)
    pd.testing.assert_frame_equal(result.metrics, summarise_metrics(images, lesions, froc).metrics)
    write_metrics(tmp_path, result)
    for name, table in {"metrics": result.metrics, "froc_curve": result.froc_curve}.items():
        pd.testing.assert_frame_equal(read_table(tmp_path / f"{name}.csv"), table, rtol=1e-5, check_dtype=False)


def test_a_file_that_is_not_a_table_is_an_error(tmp_path):
    (tmp_path / "metrics.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"metrics\.csv: cannot be read as CSV .*evaluate again with `cesm-segmenter eval"):
        read_table(tmp_path / "metrics.csv")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("per_image.csv", "sample,variant,dice\na,original,1\n", "expected truth_px, empty_truth too; evaluate again"),
        ("per_image.csv", "sample,variant,truth_px,empty_truth,dice\n", "has a header and no rows; evaluate again"),
        ("per_lesion.csv", "", "has the columns none; expected sample, lesion, area_px, detected too"),
        ("metrics.csv", "group,value,metric,images,patients,mean\n", "expected mean_low, mean_high, median"),
        ("froc_curve.csv", "criterion,size\n", "expected lesions, detection_rate, low, high"),
    ],
)
def test_tables_that_lack_columns_or_rows_are_errors(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        read_table(tmp_path / name)
