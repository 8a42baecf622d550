"""COCO files, as pycocotools reads them."""

import sys

import cv2
import numpy as np
import pytest
from inputs import Download, picture, polygon
from skips import need_package
from small_sets import SETS, make_set

from pipeline.contract import SPLITS
from pipeline.dataset.manifest import read_manifest
from pipeline.exports import export
from pipeline.exports.coco import _polygon
from pipeline.exports.lesions import class_names, find_parts, read_mask
from pipeline.files import InputError

coco = need_package("pycocotools.coco")
masks = need_package("pycocotools.mask")


def load(written, split):
    return coco.COCO(str(written.output / f"instances_{split}.json"))


def draw(data, image):
    """The class map that an image's annotations draw."""
    mask = np.zeros((image["height"], image["width"]), np.uint8)
    for annotation in data.loadAnns(data.getAnnIds(imgIds=image["id"])):
        mask[data.annToMask(annotation) > 0] = annotation["category_id"]
    return mask


@pytest.mark.parametrize("shape", ["rle", "polygon"])
@pytest.mark.parametrize("kind", SETS)
def test_annotations_draw_the_masks(tmp_path, kind, shape):
    folder = SETS[kind](tmp_path)
    names = class_names(folder.load_recipe())
    written = export(folder, "coco", None, {"shape": shape})
    rows = {row["sample"]: row for row in read_manifest(folder.manifest)}
    samples = set()
    for split in SPLITS:
        data = load(written, split)
        assert [category["name"] for category in data.loadCats(data.getCatIds())] == list(names)
        for image in data.loadImgs(data.getImgIds()):
            row = rows[image["sample"]]
            samples.add(image["sample"])
            assert (row["split"], row["image"], row["patient"]) == (split, image["file_name"], image["patient"])
            np.testing.assert_array_equal(draw(data, image), read_mask(folder.root / row["mask"], names))
    assert samples == set(rows)


def test_each_connected_component_is_an_annotation_with_area_and_box(tmp_path):
    folder = SETS["classes"](tmp_path)
    written = export(folder, "coco", None, {})
    ids = []
    for split in SPLITS:
        data = load(written, split)
        for image in data.loadImgs(data.getImgIds()):
            annotations = data.loadAnns(data.getAnnIds(imgIds=image["id"]))
            ids += [annotation["id"] for annotation in annotations]
            parts = find_parts(cv2.imread(str(folder.root / image["file_name"].replace("images", "masks")[:-3]) + "png", 0))
            assert len(annotations) == len(parts) == (0 if image["class"] == "normal" else 2)
            for annotation, part in zip(annotations, parts, strict=True):
                ys, xs = np.nonzero(data.annToMask(annotation))
                assert annotation["area"] == len(xs) == part.pixels.sum()
                assert annotation["bbox"] == [xs.min(), ys.min(), np.ptp(xs) + 1, np.ptp(ys) + 1]
                assert annotation["iscrowd"] == 0
    assert sorted(ids) == list(range(1, len(ids) + 1))


@pytest.mark.parametrize("seed", range(5))
def test_polygons_of_blobs_fit_them(seed):
    rng = np.random.default_rng(seed)
    blobs = (cv2.GaussianBlur(rng.random((80, 60)), (0, 0), 5) > 0.52).astype(np.uint8)
    for part in find_parts(blobs):
        drawn = masks.decode(masks.merge(masks.frPyObjects(_polygon(part, blobs.shape)["segmentation"], *blobs.shape)))
        whole = np.zeros_like(blobs)
        whole[part.top :, part.left :][: part.pixels.shape[0], : part.pixels.shape[1]] = part.filled
        assert (drawn & whole).sum() / (drawn | whole).sum() > 0.95


@pytest.mark.parametrize(
    ("drawn", "corners"),
    [
        pytest.param("... .#. ...", [(1.25, 1.25), (1.25, 1.75), (1.75, 1.75), (1.75, 1.25)], id="pixel"),
        pytest.param("..... .###.", [(1.25, 1.25), (1.25, 1.75), (3.75, 1.75), (3.75, 1.25)], id="line"),
        pytest.param(".. .# .#", [(1.25, 1.25), (1.25, 2.75), (1.75, 2.75), (1.75, 1.25)], id="upright line"),
        pytest.param("## ##", [(0.25, 0.25), (0.25, 1.75), (1.75, 1.75), (1.75, 0.25)], id="square in a corner"),
        pytest.param(
            "#. .#",
            [
                *[(0.25, 0.25), (0.25, 0.75), (0.75, 0.75), (1.25, 1.25), (1.25, 1.75)],
                *[(1.75, 1.75), (1.75, 1.25), (1.25, 1.25), (0.75, 0.75), (0.75, 0.25)],
            ],
            id="diagonal",
        ),
    ],
)
def test_an_outline_lies_half_way_between_centres_and_outer_edges(drawn, corners):
    """COCO counts from the corner of the first pixel: the centre of pixel 1 lies at 1.5, its edges at 1 and 2."""
    mask = picture(drawn)
    (part,) = find_parts(mask)
    annotation = _polygon(part, mask.shape)
    (points,) = annotation["segmentation"]
    assert list(zip(points[::2], points[1::2], strict=True)) == corners
    np.testing.assert_array_equal(masks.decode(masks.merge(masks.frPyObjects([points], *mask.shape))), mask)


@pytest.fixture
def ring(tmp_path):
    """A set with one malignant lesion per image, a ring."""
    download = Download(tmp_path / "raw")
    ring = polygon((5, 15), (35, 15), (35, 45), (5, 45), (5, 15), (12, 22), (12, 38), (28, 38), (28, 22), (12, 22))
    for patient in range(1, 7):
        download.add(f"P{patient}_L_DM_CC", [ring])
    return make_set(tmp_path, download.write(), variants=["original"])


def test_holes_are_kept_by_run_lengths_and_filled_in_polygons(ring):
    exact, filled = (export(ring, "coco", ring.root / shape, {"shape": shape}) for shape in ("rle", "polygon"))
    assert not any("holes" in line for line in exact.lines)
    assert "6 lesions have holes, which a polygon cannot hold: they were filled; --shape rle keeps them" in filled.lines
    lesions = [(data := load(written, "train")).loadAnns(data.getAnnIds())[0] for written in (exact, filled)]
    assert lesions[0]["area"] < lesions[1]["area"]
    assert lesions[1]["area"] == data.annToMask(lesions[1]).sum()


def test_an_empty_split_is_a_file_without_images(tmp_path):
    folder = make_set(tmp_path, changes=[("train = 0.5, valid = 0.25, test = 0.25", "train = 0.7, valid = 0.3, test = 0")])
    written = export(folder, "coco", None, {})
    assert load(written, "test").getImgIds() == []
    assert "test 0 images with 0 lesions" in written.lines[0]


def test_the_missing_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    folder = make_set(tmp_path)
    monkeypatch.setattr("pipeline.exports.coco.read_mask", lambda *_: pytest.fail("a mask is read before the message"))
    with pytest.raises(InputError, match=r"pycocotools, .* is not installed; run `pip install .*`, or choose --shape polygon"):
        export(folder, "coco", None, {})
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    assert export(folder, "coco", None, {"shape": "polygon"}).changed
