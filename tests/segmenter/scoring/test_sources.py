"""The files that masks are read from, and what is said about those that cannot be used."""

import csv
import json

import cv2
import numpy as np
import pytest

from pipeline.contract import COLUMNS
from pipeline.files import InputError, read_csv, write_csv
from segmenter.cli import main
from segmenter.configuration import Configuration
from segmenter.data.dataset import read_data_set
from segmenter.evaluation import read_summary
from segmenter.evaluation.aggregation import read_table
from segmenter.library import evaluate_masks
from segmenter.runs import begin_or_resume, open_run
from segmenter.scoring import Masks, score_masks
from segmenter.scoring.coco import draw, read_coco
from segmenter.scoring.reading import read_probabilities

SIDE = 32


@pytest.fixture
def folder(tmp_path, write_pair, draw_pair):
    """Twelve images of six patients in folds 0 to 2, test and train, of sources of 64 x 48 pixels."""
    rows = []
    for number in range(12):
        patient, split = number // 2 + 1, "test" if number < 4 else "valid" if number < 6 else "train"
        name = f"P{patient}_{'LR'[number % 2]}_CM_CC"
        write_pair(tmp_path / "set", split, name, *draw_pair(number))
        row = dict.fromkeys([column.name for column in COLUMNS], "") | {"sample": name, "image_id": name, "variant": "original"}
        row |= {"split": split, "fold": patient % 3, "patient": f"P{patient}", "class": "malignant", "scale": 0.5}
        row |= {"source_width": 64, "source_height": 48}
        rows.append(row | {"image": f"{split}/images/{name}.png", "mask": f"{split}/masks/{name}.png"})
    with (tmp_path / "set" / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(sorted(rows, key=lambda row: row["sample"]))
    return tmp_path / "set"


def truths(folder, split="test"):
    """The ground truth of a split's samples by name, 0 and 1."""
    data = read_data_set(folder)
    return {one.name: cv2.imread(str(one.mask), cv2.IMREAD_GRAYSCALE) // 255 for one in data.samples if one.split == split}


def write_masks(folder, masks):
    folder.mkdir(parents=True, exist_ok=True)
    for name, mask in masks.items():
        assert cv2.imwrite(str(folder / f"{name}.png"), mask)
    return folder


def score(folder, *options, status=0):
    assert main(["evaluate", str(folder), "--name", "other", *map(str, options)]) == status
    return open_run(folder, "other").evaluation("test")


def dices(evaluation):
    return read_table(evaluation / "per_image.csv")["dice"].tolist()


@pytest.mark.parametrize("level", [1, 255], ids=["labels of nnU-Net", "0 and 255"])
def test_masks_are_found_by_name(folder, tmp_path, level):
    masks = {name: mask * level for name, mask in truths(folder).items()}
    assert dices(score(folder, "--masks", write_masks(tmp_path / "masks", masks))) == [1] * 4


def test_inverted_masks_are_scored_with_a_warning(folder, tmp_path, capsys):
    masks = {name: 255 - mask * 255 for name, mask in truths(folder).items()}
    score(folder, "--masks", write_masks(tmp_path / "masks", masks))
    warning = "in 4 of 4 masks with a lesion it fills more than half of the image, the first is P1_L_CM_CC; are they inverted?"
    assert warning in capsys.readouterr().err


def test_outputs_of_infer_are_taken_as_one_folder(folder, tmp_path):
    masks = truths(folder)
    write_masks(tmp_path / "predictions" / "masks", {name: mask * 255 for name, mask in masks.items()})
    likely = {name: mask.astype(np.uint16) * 40000 for name, mask in masks.items()}
    write_masks(tmp_path / "predictions" / "probabilities", likely)
    out = tmp_path / "predictions"
    evaluation = score(folder, "--masks", out, "--probabilities", out)
    assert read_table(evaluation / "froc.csv")["score"].unique().tolist() == [round(40000 / 65535, 4)]
    assert read_summary(evaluation)["scored"]["probabilities"] == "16 bits"


def test_probabilities_of_the_background_are_refused(folder, tmp_path, capsys):
    masks = write_masks(tmp_path / "masks", {name: mask * 255 for name, mask in truths(folder).items()})
    likely = {name: np.where(mask == 1, 0.9, 0.1) for name, mask in truths(folder).items()}

    def write(right):
        for name, values in likely.items():
            np.save(tmp_path / "likely" / f"{name}.npy", values if name in right else 1 - values)

    (tmp_path / "likely").mkdir()
    write([])
    evaluation = score(folder, "--masks", masks, "--probabilities", tmp_path / "likely", status=2)
    found = "likely: values are lower in the mask than elsewhere in 4 of 4 samples, the first is P1_L_CM_CC; write prob"
    assert found in capsys.readouterr().err
    assert not (evaluation / "summary.json").exists()
    write(sorted(likely)[:2])  # a doubtful image or two may be so
    score(folder, "--masks", masks, "--probabilities", tmp_path / "likely")


def test_masks_of_the_source_images_size_go_through_the_letterbox(folder, tmp_path):
    wide = {name: np.kron(mask, np.ones((2, 2), np.uint8))[8:56] for name, mask in truths(folder).items()}
    expected = {name: np.pad(mask[4:28], ((4, 4), (0, 0))) for name, mask in truths(folder).items()}
    evaluation = score(folder, "--masks", write_masks(tmp_path / "masks", wide))
    for name, mask in expected.items():
        np.testing.assert_array_equal(cv2.imread(str(evaluation / "masks" / f"{name}.png"), cv2.IMREAD_GRAYSCALE), mask * 255)


@pytest.mark.parametrize("column", ["variant", "source_height"])
def test_where_the_source_images_size_is_not_known_masks_have_that_of_the_data_set(folder, tmp_path, capsys, column):
    rows = read_csv(folder / "manifest.csv")
    write_csv(folder / "manifest.csv", list(rows[0]), [row | {column: {"variant": "rot90"}.get(column, "")} for row in rows])
    wide = {name: np.kron(mask, np.ones((2, 2), np.uint8))[8:56] for name, mask in truths(folder).items()}
    score(folder, "--masks", write_masks(tmp_path / "masks", wide), status=2)
    assert "has 64 x 48 pixels; expected the 32 x 32 of P1_L_CM_CC\n" in capsys.readouterr().err


def test_missing_masks_are_an_error_or_empty(folder, tmp_path, capsys):
    masks = truths(folder)
    del masks["P2_L_CM_CC"]
    masks_folder = write_masks(tmp_path / "masks", masks)
    score(folder, "--masks", masks_folder, status=2)
    assert f"{masks_folder}: holds no mask of 1 of 4 samples, the first is P2_L_CM_CC" in capsys.readouterr().err
    evaluation = score(folder, "--masks", masks_folder, "--missing", "empty")
    assert "1 image without a mask, scored as empty" in capsys.readouterr().out
    assert sorted(dices(evaluation)) == [0, 1, 1, 1]
    assert read_summary(evaluation)["scored"]["missing"] == ["P2_L_CM_CC"]


def test_masks_of_other_names_are_named(folder, tmp_path):
    masks = write_masks(tmp_path / "masks", {f"{name}_mask": mask for name, mask in truths(folder).items()})
    with (
        pytest.warns(UserWarning, match="4 names are of no sample"),
        pytest.raises(InputError, match="expected names such as P1_L_CM_CC, found P1_L_CM_CC_mask"),
    ):
        evaluate_masks(folder, masks, "other")
    with pytest.raises(InputError, match=r"P1_L_CM_CC_mask\.png: is not a folder; expected a folder with one file per image"):
        evaluate_masks(folder, masks / "P1_L_CM_CC_mask.png", "other")


def test_a_folder_without_masks_is_described_by_what_it_holds(folder, tmp_path):
    for name in (
        "P1_L_CM_CC/P1_L_CM_CC_seg.nii.gz",
        "P1_L_CM_CC.txt",
        "P2_L_CM_CC.txt",
        "P1_L_CM_CC.npz",
    ):  # MONAI, YOLO, nnU-Net
        (tmp_path / "masks" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "masks" / name).write_text("")
    expected = (
        r"\.tiff; found 1 with \.npz, 2 with \.txt, 1 folder, P1_L_CM_CC first; give the folder that holds the masks itself"
    )
    with pytest.raises(InputError, match=expected):
        evaluate_masks(folder, tmp_path / "masks", "other")
    with pytest.raises(InputError, match=r"P1_L_CM_CC\.txt: is not a folder; .*, or a \.json file of COCO annotations"):
        evaluate_masks(folder, tmp_path / "masks" / "P1_L_CM_CC.txt", "other")


def test_surplus_masks_are_named(folder, tmp_path, capsys):
    masks = truths(folder) | truths(folder, "train") | {"P99_L_CM_CC": np.zeros((5, 5), np.uint8)}
    score(folder, "--masks", write_masks(tmp_path / "masks", masks))
    assert "1 name is of no sample" in (err := capsys.readouterr().err)
    assert "the first is P99_L_CM_CC" in err


def test_class_indices_are_scored_by_class(folder, tmp_path, capsys):
    data = read_data_set(folder)
    for sample in data.samples:
        mask = cv2.imread(str(sample.mask), cv2.IMREAD_GRAYSCALE) // 255
        assert cv2.imwrite(str(sample.mask), mask * (2 if "_R_" in sample.name else 1))
    masks = {one.name: cv2.imread(str(one.mask), cv2.IMREAD_GRAYSCALE) for one in data.split("test")}
    masks["P1_L_CM_CC"] *= 2
    evaluation = score(folder, "--masks", write_masks(tmp_path / "masks", masks))
    rows = read_table(evaluation / "per_image.csv").set_index("sample")
    assert rows["dice"].tolist() == [1] * 4
    assert rows["dice_benign"].tolist()[0] == 0
    assert rows.loc["P2_R_CM_CC", "dice_malignant"] == 1
    capsys.readouterr()
    assert main(["report", str(folder), "--name", "other"]) == 0
    write_masks(tmp_path / "masks", {"P2_L_CM_CC": masks["P2_L_CM_CC"] * 255})
    score(folder, "--masks", tmp_path / "masks", status=2)
    assert (
        "P2_L_CM_CC.png: holds values up to 255; expected a lossless mask of the class indices 0 to 2" in capsys.readouterr().err
    )


def small(mask):
    return mask[:20, :20]


def colored(mask):
    return np.dstack([mask * 255, mask * 0, mask * 90])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(small, "has 20 x 20 pixels; expected the 32 x 32 of P1_L_CM_CC, or the 64 x 48 of its source", id="size"),
        pytest.param(lambda mask: np.kron(mask, np.ones((2, 2), np.uint8))[:, 8:56], "has 48 x 64 pixels", id="transposed"),
        pytest.param(lambda mask: np.kron(mask, np.ones((2, 2), np.uint8))[:10], "has 64 x 10 pixels", id="strip"),
        pytest.param(lambda mask: mask * 2, "holds class indices up to 2; expected 0 and 255, or 0 and 1", id="class"),
        pytest.param(lambda mask: mask * 90, "holds only levels up to 90", id="level"),
        pytest.param(colored, "is colored, for example red 90 green 0 blue 255", id="color"),
    ],
)
def test_masks_that_do_not_fit_are_named(folder, tmp_path, capsys, change, message):
    masks = {name: change(mask) for name, mask in truths(folder).items()}
    score(folder, "--masks", write_masks(tmp_path / "masks", masks), status=2)
    assert f"P1_L_CM_CC.png: {message}" in capsys.readouterr().err


def test_two_files_of_one_image_are_refused(folder, tmp_path, capsys):
    masks = write_masks(tmp_path / "masks", truths(folder))
    cv2.imwrite(str(masks / "P1_L_CM_CC.tif"), np.zeros((SIDE, SIDE), np.uint8))
    score(folder, "--masks", masks, status=2)
    assert f"{masks / 'P1_L_CM_CC.tif'}: {masks / 'P1_L_CM_CC.png'} is of the same image" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.full((SIDE, SIDE), 3, np.float32), "holds values from 3 to 3; expected probabilities, 0 to 1"),
        (np.full((SIDE, SIDE), np.nan), "holds values from nan to nan"),
        (np.zeros((SIDE, SIDE), np.uint8), "holds uint8 of shape (32, 32); expected floats of (height, width)"),
        (np.zeros((2, SIDE, SIDE)), "holds float64 of shape (2, 32, 32); expected floats of (height, width)"),
        (np.array([{}]), "is not an array of probabilities"),
    ],
    ids=["levels", "nan", "integers", "shape", "objects"],
)
def test_probabilities_that_do_not_fit_are_named(folder, tmp_path, capsys, values, message):
    masks = write_masks(tmp_path / "masks", truths(folder))
    (tmp_path / "likely").mkdir()
    for name in truths(folder):
        np.save(tmp_path / "likely" / f"{name}.npy", values, allow_pickle=True)
    score(folder, "--masks", masks, "--probabilities", tmp_path / "likely", status=2)
    assert f"P1_L_CM_CC.npy: {message}" in capsys.readouterr().err
    (tmp_path / "likely" / "P2_R_CM_CC.npy").unlink()
    score(folder, "--masks", masks, "--probabilities", tmp_path / "likely", status=2)
    assert "holds no probabilities of 1 sample with a mask, the first is P2_R_CM_CC" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@pytest.mark.parametrize("kept", [0.0, 0.3, 0.97])
def test_arrays_that_end_early_are_named(tmp_path, suffix, kept):
    path = tmp_path / f"P1{suffix}"
    values = np.random.default_rng(1).random((2, 1, SIDE, SIDE))
    np.save(path, values[0, 0]) if suffix == ".npy" else np.savez_compressed(path, probabilities=values)
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(InputError, match=f"P1{suffix}: is not an array of probabilities"):
        read_probabilities(path)


def test_the_images_of_nnunets_folds_are_pooled(folder, tmp_path, capsys):
    data, results = read_data_set(folder), tmp_path / "nnUNetTrainer__nnUNetPlans__2d"
    for sample in data.samples:
        mask = cv2.imread(str(sample.mask), cv2.IMREAD_GRAYSCALE) // 255
        write_masks(results / f"fold_{sample.fold}" / "validation", {sample.name: mask})
        (results / f"fold_{sample.fold}" / "validation" / "summary.json").write_text("{}")
    evaluation = score(folder, "--masks", results, "--fold", "all")
    rows, summary = read_table(evaluation / "per_image.csv"), read_summary(evaluation)
    assert (len(rows), set(rows["split"]), sorted(set(rows["fold"]))) == (12, {"test"}, [0, 1, 2])
    assert (summary["trained_on_too"], summary["scored"]["pooled"]) == ([], True)
    score(folder, "--masks", results, "--fold", "1", status=2)
    assert "were scored on other splits, by another --fold; give another --name" in capsys.readouterr().err
    # A patient in two folds: the network of each was trained on the other's images.
    moved = results / "fold_1/validation/P1_L_CM_CC.png"
    moved.rename(results / "fold_0/validation/P1_L_CM_CC.png")
    assert read_summary(score(folder, "--masks", results, "--fold", "all"))["trained_on_too"] == ["P1"]


def test_a_patients_images_in_other_splits_may_be_in_other_folds(folder, tmp_path):
    path = folder / "manifest.csv"
    rows = [row | {"patient": "P1"} if row["sample"] == "P6_L_CM_CC" else row for row in read_csv(path)]  # one of train
    write_csv(path, list(rows[0]), rows)
    for sample in read_data_set(folder).samples:
        write_masks(tmp_path / f"fold_{sample.fold}/validation", {sample.name: cv2.imread(str(sample.mask), 0) // 255})
    assert read_summary(score(folder, "--masks", tmp_path))["trained_on_too"] == ["P1"]
    (tmp_path / "fold_0/validation/P6_L_CM_CC.png").rename(tmp_path / "fold_1/validation/P6_L_CM_CC.png")
    assert read_summary(score(folder, "--masks", tmp_path))["trained_on_too"] == []


def test_a_fold_chooses_the_images(folder, tmp_path):
    data = read_data_set(folder).in_fold(2)
    masks = {one.name: cv2.imread(str(one.mask), cv2.IMREAD_GRAYSCALE) for one in data.split("test")}
    evaluation = score(folder, "--masks", write_masks(tmp_path / "masks", masks), "--fold", "2")
    assert read_table(evaluation / "per_image.csv")["patient"].unique().tolist() == ["P2", "P5"]


def runs_of(mask):
    """COCO's run lengths of a mask, not compressed."""
    flat = mask.ravel(order="F").astype(bool)
    ends = np.flatnonzero(np.diff(np.concatenate([[False], flat, [False]]).astype(np.int8)))
    return {"size": list(mask.shape), "counts": np.diff(np.concatenate([[0], ends, [mask.size]])).tolist()}


def test_coco_results_are_masks_with_scores(folder, tmp_path, capsys):
    masks = truths(folder)
    images = [
        {"id": number, "file_name": f"images/{name}.jpg", "height": SIDE, "width": SIDE} for number, name in enumerate(masks, 1)
    ]
    (tmp_path / "instances_test.json").write_text(json.dumps({"images": images, "annotations": []}))
    results = [
        {"image_id": number, "category_id": 1, "score": 0.5 + number / 10, "segmentation": runs_of(mask)}
        for number, mask in enumerate(masks.values(), 1)
    ]
    doubtful = [[26.0, 26.0, 30.0, 26.0, 30.0, 30.0, 26.0, 30.0]]
    results.append({"image_id": 2, "category_id": 1, "score": 0.2, "segmentation": doubtful})
    path = tmp_path / "results.json"
    path.write_text(json.dumps(results))
    score(folder, "--masks", path, status=2)
    assert "results.json: refers to image 1, which no file of annotations lists" in capsys.readouterr().err
    files = ("--masks", path, tmp_path / "instances_test.json")
    evaluation = score(folder, *files)
    assert dices(evaluation) == [1] * 4
    assert read_table(evaluation / "froc.csv")["score"].tolist() == [0.6, 0.7, 0.8, 0.9]
    assert read_summary(evaluation)["scored"]["probabilities"] == "scores of COCO results"
    assert main(["report", str(folder), "--name", "other"]) == 0
    assert (
        "another program, with regions of COCO results from a score of 0.5."
        in (evaluation.parents[1] / "report.html").read_text()
    )
    assert len(read_table(score(folder, *files, "--threshold", "0.1") / "froc.csv")) == 5
    # An image that is listed and has no result was searched, and holds nothing.
    path.write_text(json.dumps(results[1:]))
    assert dices(score(folder, *files)) == [0, 1, 1, 1]
    broken = {"size": [SIDE, SIDE], "counts": [5, 5]}
    path.write_text(json.dumps([results[0] | {"segmentation": broken}]))
    score(folder, *files, status=2)
    assert "P1_L_CM_CC: has the segmentation {'size': [32, 32]" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("polygon", "message"),
    [
        ([0.1, 0.1, 0.5, 0.1, 0.5, 0.5], "which are fractions of the image; expected pixels"),
        ([40, 2, 50, 2, 50, 9], "a polygon from x=40 y=2, which misses the image of 32 x 32 pixels"),
    ],
)
def test_polygons_that_mark_nothing_are_refused(tmp_path, polygon, message):
    image = {"id": "1", "file_name": "C:\\images\\P1_L_CM_CC.jpg", "height": SIDE, "width": SIDE}
    (tmp_path / "images.json").write_text(json.dumps({"images": [image]}))
    path = tmp_path / "results.json"
    path.write_text("\ufeff" + json.dumps([{"image_id": "1", "segmentation": [polygon], "score": 0.9}]))  # as Windows marks UTF-8
    drawn = read_coco([path, tmp_path / "images.json"])[0]["P1_L_CM_CC"]
    with pytest.raises(InputError, match=message):
        draw(drawn, 1, 0.5, ["lesion"])


def test_coco_annotations_of_an_export_are_masks(folder, tmp_path):
    pytest.importorskip("pycocotools")
    from pycocotools.mask import encode

    images, annotations = [], []
    for number, (name, mask) in enumerate(truths(folder).items(), 1):
        runs = encode(np.asfortranarray(mask))
        images.append({"id": number, "file_name": f"test/images/{name}.jpg", "height": SIDE, "width": SIDE})
        segmentation = {"size": runs["size"], "counts": runs["counts"].decode()}
        annotations.append({"id": number, "image_id": number, "category_id": 1, "segmentation": segmentation})
    (tmp_path / "mine.json").write_text(json.dumps({"images": images, "annotations": annotations}))
    evaluation = score(folder, "--masks", tmp_path / "mine.json")
    assert dices(evaluation) == [1] * 4
    assert read_summary(evaluation)["scored"]["probabilities"] is None


def write_coco(path, masks, category_ids, **categories):
    """Writes annotations, one per mask, of these categories; categories are given as their names and ids."""
    images, annotations = [], []
    for number, (name, mask) in enumerate(masks.items()):
        images.append({"id": number, "file_name": f"{name}.png", "height": SIDE, "width": SIDE})
        entry = {"image_id": number, "category_id": category_ids[number], "segmentation": runs_of(mask)}
        annotations.append({"id": number, **entry})
    named = [{"id": number, "name": name} for name, number in categories.items()]
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": named}))
    return path


def test_a_category_counts_by_its_name_where_the_data_set_has_classes(folder, tmp_path, capsys):
    data = read_data_set(folder)
    for sample in data.samples:
        mask = cv2.imread(str(sample.mask), cv2.IMREAD_GRAYSCALE) // 255
        assert cv2.imwrite(str(sample.mask), mask * (2 if "_R_" in sample.name else 1))  # 1 benign, 2 malignant
    masks = {one.name: cv2.imread(str(one.mask), cv2.IMREAD_GRAYSCALE) > 0 for one in data.split("test")}
    path = write_coco(tmp_path / "mine.json", masks, [2, 1, 2, 1], Malignant=1, benign=2)
    rows = read_table(score(folder, "--masks", path) / "per_image.csv").set_index("sample")
    assert rows.loc["P1_L_CM_CC", "dice_benign"] == rows.loc["P1_R_CM_CC", "dice_malignant"] == 1
    write_coco(path, masks, [2, 1, 2, 1])
    rows = read_table(score(folder, "--masks", path) / "per_image.csv").set_index("sample")
    assert rows.loc["P1_L_CM_CC", "dice_benign"] == 0, "without names the numbers are those of the data set's classes"
    write_coco(path, masks, [2, 1, 2, 7], malignant=1, benign=2)
    score(folder, "--masks", path, status=2)
    assert "mine.json: P2_R_CM_CC: has a region of the category 7, which has no name" in capsys.readouterr().err


def test_only_lesions_count_as_lesion(folder, tmp_path, capsys):
    path = write_coco(tmp_path / "mine.json", truths(folder), [1, 2, 1, 2], lesion=1, malignant=2, breast=3)
    assert dices(score(folder, "--masks", path)) == [1] * 4
    write_coco(path, truths(folder), [1, 3, 1, 1], lesion=1, breast=3)
    score(folder, "--masks", path, status=2)
    assert (
        "mine.json: P1_R_CM_CC: has a region of the category 3, breast; expected lesion, malignant; rename the category"
        in capsys.readouterr().err
    )
    names = write_coco(tmp_path / "names.json", truths(folder), [1] * 4, lesion=1, breast=3)
    regions = [{"image_id": 0, "category_id": 3, "score": 1.0, "segmentation": runs_of(truths(folder)["P1_L_CM_CC"])}]
    (tmp_path / "results.json").write_text(json.dumps(regions))
    score(folder, "--masks", tmp_path / "results.json", names, status=2)
    assert "results.json: P1_L_CM_CC: has a region of the category 3, breast" in capsys.readouterr().err


def test_a_category_of_two_names_is_refused(folder, tmp_path, capsys):
    halves = [dict(half) for half in (list(truths(folder).items())[:2], list(truths(folder).items())[2:])]
    first = write_coco(tmp_path / "first.json", halves[0], [1, 1], lesion=1)
    second = write_coco(tmp_path / "second.json", halves[1], [1, 1], breast=1)
    second.write_text(second.read_text().replace('"id": 0,', '"id": 8,').replace('"id": 1, "file', '"id": 9, "file'))
    score(folder, "--masks", first, second, status=2)
    assert "second.json: names the category 1 breast, which is also lesion; use one id per name" in capsys.readouterr().err


def test_runs_of_both_types_keep_their_names(folder, tmp_path, capsys):
    masks = write_masks(tmp_path / "masks", truths(folder))
    score(folder, "--masks", masks)
    run, data = open_run(folder, "other"), read_data_set(folder)
    assert main(["infer", str(folder), "--name", "other"]) == 2
    assert "holds masks of another program and has no model" in capsys.readouterr().err
    with pytest.raises(Exception, match="holds masks of another program; give another --name, or --restart"):
        begin_or_resume(run, Configuration(), data, resume=False, restart=False)
    own = open_run(folder, "own")
    own.folder.mkdir()
    own.best_model.write_text("a model")
    with pytest.raises(Exception, match="give the masks of another program a --name of their own"):
        score_masks(own, data, Masks([masks]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--missing", "empty"), "are for masks of another program; give them with --masks"),
        (("--masks", "masks", "--threshold", "auto"), "--threshold auto: needs a model"),
        (("--masks", "masks", "--threshold", "0.3"), "--threshold: is for the scores of COCO results"),
        (("--masks", "nowhere"), "--masks nowhere: is not there"),
        (("--masks", "empty"), "--masks empty: holds no masks; expected files named like the images"),
        (("--masks", "masks", "--fold", "all", "--split", "valid"), "--split valid: with --fold all each image is scored once"),
        (("--masks", "masks", "--fold", "7"), "has the folds 0 to 2, but not fold 7"),
    ],
)
def test_options_that_do_not_fit_are_refused(folder, tmp_path, monkeypatch, capsys, options, message):
    write_masks(tmp_path / "masks", truths(folder))
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    score(folder, *options, status=2)
    assert message in capsys.readouterr().err
