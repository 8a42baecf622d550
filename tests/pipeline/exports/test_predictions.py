"""Predictions as COCO: the same pixels after an import, and an index that takes the corrected file."""

import json
import shutil

import cv2
import numpy as np
import pytest
from inputs import REGIONS, Download, small_recipe
from small_sets import make_set, make_set_of_classes

from pipeline import stages
from pipeline.annotations import read_annotations
from pipeline.cli import main
from pipeline.dataset.description import read_description
from pipeline.dataset.folder import DatasetFolder
from pipeline.diff import compare_sets
from pipeline.drawing.raster import rasterise
from pipeline.drawing.regions import parse_region
from pipeline.exports import export
from pipeline.files import InputError
from pipeline.recipe import load_recipe
from pipeline.workers import Inline


def predict(root, **masks):
    """Writes masks as `cesm-segmenter infer` does, and images of their size; returns the options of an export."""
    for name, mask in masks.items():
        for kind, pixels in (("images", np.zeros_like(mask)), ("run/masks", mask)):
            path = root / kind / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), pixels)
    return {"predictions": root / "run", "images": root / "images"}


def blobs(height=50, width=70):
    rng = np.random.default_rng(4)
    return (cv2.GaussianBlur(rng.random((height, width)), (0, 0), 3) > 0.52).astype(np.uint8) * 255


def ring():
    mask = np.zeros((30, 30), np.uint8)
    mask[2:20, 2:20] = 255
    mask[6:9, 6:9] = 0
    return mask


def draw(written, name, shape):
    file = written.output / "predictions.json"
    regions = read_annotations([file], file).regions[name]
    return rasterise([parse_region(region.attributes) for region in regions], shape[1], shape[0]) * 255


@pytest.mark.parametrize("mask", [pytest.param(blobs(), id="blobs"), pytest.param(ring(), id="with a hole")])
def test_importing_predictions_gives_the_predicted_pixels(tmp_path, mask):
    folder, options = make_set(tmp_path), predict(tmp_path, a=mask, b=np.zeros((20, 30), np.uint8))
    written = export(folder, "coco", None, options)
    assert written.output.name == "coco-predictions"
    content = json.loads((written.output / "predictions.json").read_text())
    assert [(image["file_name"], image["width"], image["height"]) for image in content["images"]] == [
        ("a.png", *mask.shape[::-1]),
        ("b.png", 30, 20),
    ]
    np.testing.assert_array_equal(draw(written, "a", mask.shape), mask)


def test_predicted_classes_are_categories(tmp_path):
    (tmp_path / "set of classes").mkdir()
    mask = np.zeros((30, 30), np.uint8)
    mask[2:9, 2:9], mask[15:20, 3:8] = 2, 1
    written = export(make_set_of_classes(tmp_path / "set of classes"), "coco", None, predict(tmp_path, a=mask))
    content = json.loads((written.output / "predictions.json").read_text())
    names = {category["id"]: category["name"] for category in content["categories"]}
    assert [names[entry["category_id"]] for entry in content["annotations"]] == ["benign", "malignant"]


def test_a_polygon_fills_holes_and_says_so(tmp_path):
    written = export(make_set(tmp_path), "coco", None, predict(tmp_path, a=ring()) | {"shape": "polygon"})
    assert written.lines[1].startswith("1 lesions have holes, which a polygon cannot hold")


def test_new_predictions_are_exported_again(tmp_path):
    folder, options = make_set(tmp_path), predict(tmp_path, a=blobs())
    assert export(folder, "coco", None, options).changed
    assert not export(folder, "coco", None, options).changed
    predict(tmp_path, a=ring())
    assert export(folder, "coco", None, options).changed


def test_options_of_several_formats_are_listed_with_both(tmp_path, capsys):
    folder = make_set(tmp_path)
    with pytest.raises(SystemExit):
        main(["export", "--help"])
    assert "coco, via: write these masks" in " ".join(capsys.readouterr().out.split())
    with pytest.raises(InputError, match="--images: goes with --format coco or via, and this is hf; leave it out"):
        export(folder, "hf", None, {"images": tmp_path})
    with pytest.raises(InputError, match="--predictions and --images go together"):
        export(folder, "coco", None, {"images": tmp_path})


def make(root, raw, annotations):
    folder = DatasetFolder(root)
    stages.index(folder, load_recipe(str(raw.parent / "small.toml")), raw, annotations, Inline())
    stages.split(folder)
    stages.variants(folder, Inline(), fused=True)
    return folder


def sign(content, annotator, date):
    """States by whom and when a file was corrected, as annotation programs do."""
    if "info" in content:
        content["info"] |= {"contributor": annotator, "date_created": date}
    else:
        assert content["_via_attributes"]["file"].keys() == {"annotator", "date"}, "VIA shows a field for each"
        first = next(iter(content["_via_img_metadata"].values()))
        first["file_attributes"] = {"annotator": annotator, "date": date}


@pytest.mark.parametrize("name", ["coco", "via"])
def test_corrected_predictions_come_back_as_annotations_and_diff_lists_them(tmp_path, capsys, name):
    download = Download(tmp_path / "raw")
    for patient in range(1, 7):
        download.add(f"P{patient}_L_DM_CC")
    raw = download.write().root
    small_recipe(tmp_path / "small.toml", variants=["original"])
    before = make(tmp_path / "before", raw, None)
    drawn = {image.image_id: cv2.circle(np.zeros((60, 40), np.uint8), (20, 30), 8, 255, -1) for image in before.read_images()}
    cv2.circle(drawn["P3_L_DM_CC"], (20, 30), 14, 255, -1)
    (tmp_path / "run/masks").mkdir(parents=True)
    for image_id, mask in drawn.items():
        cv2.imwrite(str(tmp_path / "run/masks" / f"{image_id}.png"), mask)
    written = export(before, name, None, {"predictions": tmp_path / "run", "images": raw})
    (tmp_path / "annotations").mkdir()
    content = json.loads(next(written.output.glob("[pv]*.json")).read_text())
    sign(content, "R. Reader", "2026-11-20")
    (tmp_path / "annotations/corrected.json").write_text(json.dumps(content))
    (raw / "Radiology-manual-annotations.csv").rename(tmp_path / "annotations/table.csv")
    after = make(tmp_path / "after", raw, tmp_path / "annotations")
    difference = compare_sets(before.root, after.root)
    assert difference.annotation_files[1] == ["corrected.json", "table.csv"]
    worst = difference.masks_by_iou()[0]
    assert worst.image_id == "P3_L_DM_CC"
    assert worst.iou < 0.5
    line = "corrected.json, by R. Reader, 2026-11-20"
    assert difference.annotators == ([], [line])
    assert f"- {line}" in after.card.read_text()
    assert "annotators" not in read_description(before.description)
    assert main(["diff", str(before.root), str(after.root), "--out", str(tmp_path / "changes")]) == 1
    assert f"diff: annotations of the second: {line}" in capsys.readouterr().out
    assert line in (tmp_path / "changes/diff.html").read_text()


def test_the_command_line_states_who_corrected_a_file_that_does_not(tmp_path, capsys):
    download = Download(tmp_path / "raw")
    for patient in range(1, 7):
        download.add(f"P{patient}_L_DM_CC")
    raw, out = download.write().root, tmp_path / "set"
    arguments = ["dataset", "--raw", str(raw), "--out", str(out), "--workers", "1"]
    arguments += ["--recipe", str(small_recipe(tmp_path / "small.toml", variants=["original"]))]
    assert main(arguments) == 0
    shutil.copytree(out, tmp_path / "before")
    manifest = (out / "manifest.csv").read_bytes()
    capsys.readouterr()
    signed = [*arguments, "--annotator", " R.  Reader ", "--annotated", "2026-11-20"]
    assert main([*signed, "--dry-run"]) == 0
    line = f"{REGIONS}, by R. Reader, 2026-11-20"
    assert f"index: annotations: {line}" in capsys.readouterr().out
    for options in (signed, arguments):  # a statement stays until its files change, or another one is given
        assert main(options) == 0
        assert [entry["annotator"] for entry in read_description(out / "dataset.json")["annotators"]] == ["R. Reader"]
    assert f"- {line}" in (out / "README.md").read_text()
    assert (out / "manifest.csv").read_bytes() == manifest
    capsys.readouterr()
    assert main(["diff", str(tmp_path / "before"), str(out)]) == 1
    assert f"diff: annotations of the second: {line}" in capsys.readouterr().out
    (raw / REGIONS).write_text((raw / REGIONS).read_text() + "\n")
    assert main(arguments) == 0
    assert "annotators" not in read_description(out / "dataset.json"), "it may be another file"
    assert main(signed) == 0
    assert main([*arguments, "--annotator", "", "--annotated", ""]) == 0
    assert "annotators" not in read_description(out / "dataset.json")


def test_a_date_that_is_none_is_refused(tmp_path, capsys):
    assert main(["index", "--raw", str(tmp_path), "--out", str(tmp_path / "set"), "--annotated", "20 November"]) == 2
    assert "--annotated '20 November': expected a date such as 2026-11-20" in capsys.readouterr().err
