"""VIA projects: what VIA requires of one, and that importing it gives back the same regions, or the predicted pixels."""

import json

import cv2
import numpy as np
import pytest
from inputs import REGIONS, Download, circle, mammogram, polygon
from small_sets import make_set, make_set_of_classes

from pipeline import stages
from pipeline.annotations import read_annotations
from pipeline.dataset.folder import DatasetFolder
from pipeline.drawing.raster import rasterise
from pipeline.drawing.regions import parse_region
from pipeline.exports import export
from pipeline.exports.lesions import find_parts
from pipeline.files import InputError, read_csv, write_csv
from pipeline.indexing.tables import REGION_COLUMNS
from pipeline.recipe import load_recipe
from pipeline.workers import Inline

SHAPES = {
    "P1_L_DM_CC": [polygon((5, 5), (30, 8), (12, 40), (5, 5)), circle(20, 30, 6)],
    "P2_L_DM_CC": [{"name": "ellipse", "cx": 20, "cy": 30, "rx": 9, "ry": 5}],
    "P3_L_DM_CC": [{"name": "ellipse", "cx": 20, "cy": 30, "rx": 9, "ry": 5, "theta": 0.5}],
    "P4_L_DM_CC": [{"name": "rect", "x": -2, "y": 10, "width": 20, "height": 15}],
    "P5_L_DM_CC": [polygon((5, 5), (30.5, 8), (12, 40), name="polyline"), {"name": "point", "cx": 3, "cy": 4}],
    "P6_L_DM_CC": [circle(20, 30, 5)],
}


@pytest.fixture
def folder(tmp_path):
    download = Download(tmp_path / "raw")
    for name, shapes in SHAPES.items():
        download.add(name, shapes)
    return make_set(tmp_path, download.write(), variants=["original"])


def read_project(written):
    return json.loads((written.output / "via.json").read_text())


def imported(written):
    """The regions by image, as the pipeline imports the file."""
    annotations = read_annotations([written.output / "via.json"], written.output)
    return {
        name: [parse_region(region.attributes) for region in regions] for name, regions in annotations.regions.items()
    }, annotations


def assert_same(ours, theirs):
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        assert (one.shape, one.radii, one.angle) == (other.shape, other.radii, other.angle)
        np.testing.assert_array_equal(one.points, other.points)


def test_importing_the_project_gives_the_same_regions(folder):
    regions, annotations = imported(export(folder, "via", None, {}))
    assert set(regions) == set(SHAPES)
    for name, shapes in SHAPES.items():
        assert_same(regions[name], [parse_region(shape) for shape in shapes])
    sizes = {path.stem: path.stat().st_size for path in (folder.root.parent / "raw").rglob("*.jpg")}
    assert annotations.file_sizes == sizes, "so the next index knows the files by their size"


def test_the_project_is_one_that_via_opens(folder):
    project = read_project(export(folder, "via", None, {}))
    assert all(project[key] for key in ("_via_settings", "_via_img_metadata", "_via_attributes"))
    assert project["_via_attributes"]["region"]["class"]["options"] == {"lesion": "", "benign": "", "malignant": ""}
    for key, entry in project["_via_img_metadata"].items():
        assert key == f"{entry['filename']}{entry['size']}"
        assert set(entry) == {"filename", "size", "regions", "file_attributes"}
        assert all(region["region_attributes"] == {"class": "malignant"} for region in entry["regions"])
        for region in entry["regions"]:
            assert region["shape_attributes"]["name"] != "ellipse" or "theta" in region["shape_attributes"]


def test_a_class_that_is_edited_in_the_project_counts_when_it_is_read_again(folder):
    project = read_project(export(folder, "via", None, {}))
    raw = folder.root.parent / "raw"
    (raw / REGIONS).unlink()
    for entry in project["_via_img_metadata"].values():
        for region in entry["regions"] if entry["filename"] == "P2_L_DM_CC.jpg" else []:
            region["region_attributes"]["class"] = "benign"
    assert "benign" in project["_via_attributes"]["region"]["class"]["options"]
    (raw / "corrected.json").write_text(json.dumps(project))
    recipe = load_recipe(str(folder.root.parent / "small.toml"), {"source": {"with_regions": ["malignant", "benign"]}})
    corrected = DatasetFolder(folder.root.parent / "corrected")
    summary = stages.index(corrected, recipe, raw, None, Inline()).summary
    assert {image.image_id: image.image_class for image in corrected.read_images() if image.image_class != "malignant"} == {
        "P2_L_DM_CC": "benign"
    }
    assert summary["relabelled"] == ["P2_L_DM_CC"]


def test_normal_images_are_there_to_be_corrected_too(tmp_path):
    project = read_project(export(make_set_of_classes(tmp_path), "via", None, {}))
    counts = {entry["filename"]: len(entry["regions"]) for entry in project["_via_img_metadata"].values()}
    assert counts["P3_L_DM_CC.jpg"] == 0
    assert counts["P1_L_DM_CC.jpg"] == 2


def test_an_import_finds_the_image_by_the_file_name(folder):
    text = folder.index.read_text()
    folder.index.write_text(text.replace("Low energy images/P1_L_DM_CC.jpg", "Low energy images/000017.dcm"))
    regions, _ = imported(export(folder, "via", None, {}))
    assert set(regions) == set(SHAPES)


def as_bitmap(mask, left, top):
    """Shape attributes of a mask, counted down its columns, zeros first."""
    flat = np.concatenate([[0], mask.T.ravel()])
    edges = np.flatnonzero(np.diff(flat))
    counts = np.diff([0, *edges, mask.size]).tolist()
    return {"name": "bitmap", "x": left, "y": top, "width": mask.shape[1], "height": mask.shape[0], "counts": counts}


@pytest.mark.parametrize("first", [0, 1])
def test_a_bitmap_becomes_polygons_of_the_same_pixels(folder, first):
    mask = np.zeros((12, 9), np.uint8)
    mask[2:6, 1:5] = mask[8, 4:9] = mask[11, 0] = 1
    mask[0, 0] = first
    rows = read_csv(folder.regions)
    rows[0]["attributes"] = json.dumps(as_bitmap(mask, 7, 20))
    write_csv(folder.regions, REGION_COLUMNS, [rows[0], *rows[2:]])
    written = export(folder, "via", None, {})
    regions, _ = imported(written)
    expected = np.zeros((60, 40), np.uint8)
    expected[20:32, 7:16] = mask
    assert len(regions["P1_L_DM_CC"]) == 3 + first
    np.testing.assert_array_equal(rasterise(regions["P1_L_DM_CC"], 40, 60), expected)
    assert len(written.lines) == 1


@pytest.fixture
def predicted(folder, tmp_path):
    """Predictions as `cesm-segmenter infer` writes them, for two of three images; writes other masks on request."""

    def write(**masks):
        for name, mask in masks.items():
            for kind, pixels in (("images", np.zeros_like(mask)), ("predictions/masks", mask)):
                path = tmp_path / kind / f"{name}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(path), pixels)

    rng = np.random.default_rng(4)
    blobs = (cv2.GaussianBlur(rng.random((50, 70)), (0, 0), 3) > 0.52).astype(np.uint8) * 255
    write(a=blobs, b=np.zeros((20, 30), np.uint8))
    cv2.imwrite(str(tmp_path / "images" / "not predicted on.png"), blobs)
    write.folder, write.mask = folder, blobs
    write.options = {"predictions": tmp_path / "predictions", "images": tmp_path / "images"}
    return write


def test_importing_predictions_gives_the_predicted_pixels(predicted):
    written = export(predicted.folder, "via", None, predicted.options)
    assert written.output.name == "via-predictions"
    regions, annotations = imported(written)
    assert set(regions) == {"a", "b"}
    assert regions["b"] == []
    np.testing.assert_array_equal(rasterise(regions["a"], 70, 50) * 255, predicted.mask)
    assert annotations.file_sizes["a"] == (predicted.options["images"] / "a.png").stat().st_size
    names = {
        r["region_attributes"]["class"] for entry in read_project(written)["_via_img_metadata"].values() for r in entry["regions"]
    }
    assert names == {"lesion"}


def test_images_may_have_numbers_with_dots_as_names_and_any_type_that_the_recipe_allows(predicted):
    """For Processing images in a folder as hospitals export them, which this recipe takes."""
    folder, options = predicted.folder, predicted.options
    folder.recipe.write_text(folder.recipe.read_text().replace("for_processing = false", "for_processing = true"))
    for name in ("1.2.840.1", "1.2.840.2"):
        mammogram(options["images"] / name, np.zeros((50, 70), np.uint16), PresentationIntentType="FOR PROCESSING")
        cv2.imwrite(str(options["predictions"] / "masks" / f"{name}.png"), predicted.mask)
    regions, _ = imported(export(folder, "via", None, options))
    assert set(regions) == {"a", "b", "1.2.840.1", "1.2.840.2"}


def test_predicted_classes_have_their_names(tmp_path, predicted):
    (tmp_path / "of classes").mkdir()
    folder = make_set_of_classes(tmp_path / "of classes")
    mask = np.zeros((30, 30), np.uint8)
    mask[2:9, 2:9], mask[15:20, 3:8] = 2, 1
    predicted(a=mask)
    entries = read_project(export(folder, "via", None, predicted.options))["_via_img_metadata"].values()
    named = [region["region_attributes"]["class"] for entry in entries for region in entry["regions"]]
    assert named == ["benign", "malignant"]


def test_holes_of_predictions_are_filled_and_counted(predicted):
    mask = np.zeros((30, 30), np.uint8)
    mask[2:20, 2:20] = 255
    mask[6:9, 6:9] = 0
    predicted(a=mask)
    written = export(predicted.folder, "via", None, predicted.options)
    assert written.lines == ("1 regions of 2 images", "1 regions have holes, which a polygon cannot hold: they were filled")
    (part,) = find_parts(mask // 255)
    regions, _ = imported(written)
    assert rasterise(regions["a"], 30, 30).sum() == part.filled.sum()


def test_new_predictions_are_exported_again(predicted):
    export(predicted.folder, "via", None, predicted.options)
    assert not export(predicted.folder, "via", None, predicted.options).changed
    predicted(a=np.full((50, 70), 255, np.uint8))
    assert export(predicted.folder, "via", None, predicted.options).changed


def test_new_regions_are_exported_again(folder):
    export(folder, "via", None, {})
    folder.regions.write_text(folder.regions.read_text().replace('""r"":6', '""r"":7'))
    assert export(folder, "via", None, {}).changed


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("size", r"a.png: is 9 x 8 and .*a.png 70 x 50; --images expects the images that were predicted on"),
        ("no image", r"c.png: there is no image c below .*images; --images names the folder that was predicted on"),
        ("two images", r"a.png: .*a.jpg and .*a.png both have its name; --images expects a folder with one of them"),
        ("class", r"a.png: holds the class 2; the data set's recipe knows 1 lesion"),
        ("no masks", r"images: has no masks/\*.png; expected a folder that `cesm-segmenter infer` wrote"),
        ("one option", "--predictions and --images go together: the masks, and the images that they belong to"),
    ],
)
def test_what_does_not_fit_is_an_error(predicted, fault, message):
    images, options = predicted.options["images"], dict(predicted.options)
    masks = options["predictions"] / "masks"
    if fault == "size":
        cv2.imwrite(str(masks / "a.png"), np.zeros((8, 9), np.uint8))
    elif fault == "no image":
        cv2.imwrite(str(masks / "c.png"), np.zeros((8, 9), np.uint8))
    elif fault == "two images":
        cv2.imwrite(str(images / "a.jpg"), predicted.mask)
    elif fault == "class":
        cv2.imwrite(str(masks / "a.png"), np.full((50, 70), 2, np.uint8))
    elif fault == "no masks":
        options["predictions"] = images
    else:
        del options["predictions"]
        export(predicted.folder, "via", None, {})  # the ground truth is up to date, which would hide the mistake
    with pytest.raises(InputError, match=message):
        export(predicted.folder, "via", None, options)
