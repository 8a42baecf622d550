"""Reading COCO's JSON: the masks that are drawn, and the error for each faulty file."""

import json
import sys

import cv2
import numpy as np
import pytest
from inputs import picture
from skips import need_package

from pipeline.annotations import read_annotations
from pipeline.drawing.raster import rasterise
from pipeline.drawing.regions import RegionError, encode_runs, parse_region
from pipeline.files import InputError

MASK = picture("..... .##.. .###.")
RUNS = {"size": [3, 5], "counts": encode_runs(MASK)}


def coco(path, *segmentations, image=None, **changes):
    """Writes a COCO file of one image of 5 x 3 pixels."""
    content = {
        "images": [{"id": 7, "file_name": "images/P1_L_DM_CC.jpg", "width": 5, "height": 3} | (image or {})],
        "categories": [{"id": 2, "name": "malignant"}],
        "annotations": [
            {"id": number, "image_id": 7, "category_id": 2, "iscrowd": 0, "segmentation": segmentation}
            for number, segmentation in enumerate(segmentations, 1)
        ],
    }
    path.write_text(json.dumps(content | changes))
    return path


def read(path):
    return read_annotations([path], path).regions["P1_L_DM_CC"]


def drawn(regions):
    return rasterise([parse_region(region.attributes) for region in regions if not region.empty], 5, 3)


@pytest.mark.parametrize(
    ("segmentation", "expected"),
    [
        pytest.param([[0.5, 0.5, 2.5, 0.5, 2.5, 2.5, 0.5, 2.5]], "###.. ###.. ###..", id="a polygon counts from corners"),
        pytest.param([[0.5, 0.5, 0.5, 0.5, 0.5, 2.5], [4.5, 0.5, 4.5, 0.5, 4.5, 1.5]], "#...# #...# #....", id="two components"),
        pytest.param(RUNS, "..... .##.. .###.", id="run lengths as a list"),
        pytest.param({"size": [3, 5], "counts": [15]}, "..... ..... .....", id="no pixel, no region"),
    ],
)
@pytest.mark.parametrize("crowd", [0, 1])
def test_a_segmentation_is_drawn(tmp_path, segmentation, expected, crowd):
    path = coco(tmp_path / "coco.json", segmentation)
    path.write_text(path.read_text().replace('"iscrowd": 0', f'"iscrowd": {crowd}'))
    np.testing.assert_array_equal(drawn(read(path)), picture(expected))


def test_a_region_has_its_category_its_location_and_the_size_of_its_image(tmp_path):
    (region,) = read(coco(tmp_path / "coco.json", RUNS))
    assert (region.label, region.where, region.size) == ("malignant", "coco.json annotation 1", (5, 3))


def test_compressed_run_lengths_are_the_same_mask(tmp_path):
    packed = need_package("pycocotools.mask").encode(np.asfortranarray(MASK))
    regions = read(coco(tmp_path / "coco.json", {"size": [3, 5], "counts": packed["counts"].decode()}))
    np.testing.assert_array_equal(drawn(regions), MASK)


def test_compressed_run_lengths_name_the_extra_that_reads_them(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    message = "pycocotools, which is needed to read COCO's compressed run lengths, is not installed; run `pip install cesm-segm"
    with pytest.raises(InputError, match=message):
        read(coco(tmp_path / "coco.json", {"size": [3, 5], "counts": "92203"}))


def test_polygons_cover_what_pycocotools_draws_but_for_edge_pixels(tmp_path):
    mask = need_package("pycocotools.mask")
    outline = [10.0, 12.3, 70.2, 5.0, 90.4, 60.1, 44.0, 90.9, 8.8, 55.5]
    (region,) = read(coco(tmp_path / "coco.json", [outline], image={"width": 100, "height": 100}))
    theirs = mask.decode(mask.merge(mask.frPyObjects([outline], 100, 100)))
    polygon = parse_region(region.attributes)
    edge = cv2.polylines(np.zeros((100, 100), np.uint8), [polygon.points.round().astype(np.int32)], True, 1, thickness=3)
    assert not ((rasterise([polygon], 100, 100) != theirs) & (edge == 0)).any()


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ([[1, 2, 3]], "polygon is [1, 2, 3]; expected a list x, y, x, y, ... of numbers"),
        ([["a", 2]], "polygon is ['a', 2]; expected a list"),
        (
            [[0.1, 0.2, 0.9, 0.2, 0.5, 1]],
            "polygon is [0.1, 0.2, 0.9, 0.2, 0.5, 1], which are fractions of the image; expected pixels",
        ),
        ([[1, 2, 3, 4]], "polygon has 2 points; expected 3 or more"),
        ([1, 2, 3, 4], "polygon is 1; expected a list"),
        (None, "segmentation is None and there is no box; expected polygons, run lengths or a box"),
        ([[]], "segmentation is [[]] and there is no box; expected polygons"),
        ("all of it", "segmentation is all of it; expected polygons or run lengths"),
        ([[10**400, 2, 3, 4, 5, 6]], "polygon is [1000"),
        ({"size": [5, 3], "counts": [15]}, "run lengths have the size [5, 3]; expected the image's height and width, [3, 5]"),
        ({"size": [3, 5], "counts": [14]}, "bitmap counts add up to 14; expected 5 x 3 = 15"),
        ({"size": [3, 5]}, "bitmap counts are None; expected a list of run lengths"),
        ({"size": [3, 5], "counts": ""}, "compressed run lengths of 5 x 3 pixels are '', which cannot be unpacked"),
        ({"size": [3, 5], "counts": "hello"}, "compressed run lengths cannot be unpacked"),
        ({"size": [3, 5], "counts": "é"}, "compressed run lengths cannot be unpacked"),
    ],
)
def test_a_bad_segmentation_stays_with_its_image(tmp_path, segmentation, message):
    if message.startswith("compressed run lengths cannot"):
        need_package("pycocotools")
    (region,) = read(coco(tmp_path / "coco.json", segmentation))
    with pytest.raises(RegionError) as error:
        parse_region(region.attributes)
    assert message in (region.fault or str(error.value))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image": {"file_name": None}}, "image 7 has no file_name; it has id, file_name, width, height"),
        ({"image": {"width": 0}}, "image 7 has 0 x 3 pixels; expected its width and height"),
        ({"image": {"id": [1]}}, "annotation 1 refers to image 7, which is not listed in images"),
        ({"categories": {"id": 2}}, "categories is not a list of objects"),
        ({"annotations": [5]}, "annotations is not a list of objects"),
    ],
)
def test_a_broken_file_is_an_error_that_names_it(tmp_path, changes, message):
    path = coco(tmp_path / "coco.json", RUNS, **changes)
    with pytest.raises(InputError) as error:
        read(path)
    assert str(path) in str(error.value)
    assert message in str(error.value)


def test_json_that_is_cut_off_is_an_error(tmp_path):
    path = coco(tmp_path / "coco.json", RUNS)
    path.write_text(path.read_text()[:-5])
    with pytest.raises(InputError, match="is not valid JSON"):
        read(path)


def test_an_image_without_annotations_has_an_empty_list(tmp_path):
    assert read(coco(tmp_path / "coco.json")) == []


BOX = {"id": 9, "image_id": 7, "category_id": 2, "bbox": [1, 0, 3, 2]}


@pytest.mark.parametrize("segmentation", [{}, {"segmentation": []}, {"segmentation": [[]]}, {"segmentation": None}])
def test_a_lesion_without_outline_is_the_pixels_of_its_box(tmp_path, segmentation):
    (region,) = read(coco(tmp_path / "coco.json", annotations=[BOX | segmentation]))
    assert (region.box_only, region.label, region.where) == (True, "malignant", "coco.json annotation 9")
    np.testing.assert_array_equal(drawn([region]), picture(".###. .###. ....."))


def test_an_outline_is_preferred_to_its_box(tmp_path):
    (region,) = read(coco(tmp_path / "coco.json", annotations=[BOX | {"segmentation": [[0, 0, 4, 0, 4, 3]]}]))
    assert not region.box_only


@pytest.mark.parametrize(
    "bbox", [[1, 2, 3], ["1", 2, 3, 4], [1, 2, -3, 4], [1, 2, float("nan"), 4], {"x": 1}, 5, [True, 1, 2, 3]]
)
def test_a_box_that_is_none_is_a_fault(tmp_path, bbox):
    (region,) = read(coco(tmp_path / "coco.json", annotations=[BOX | {"bbox": bbox}]))
    assert "; expected a list of left, top, width, height" in region.fault


def test_two_images_of_one_id_have_a_fault_each(tmp_path):
    images = [{"id": 7, "file_name": f"P{number}_L_DM_CC.jpg", "width": 5, "height": 3} for number in (1, 2)]
    path = coco(tmp_path / "coco.json", RUNS, images=images)
    regions = read_annotations([path], path).regions
    assert {name: [(region.reason, region.fault) for region in drawn] for name, drawn in regions.items()} == {
        name: [
            ("annotation-ambiguous", "2 images of coco.json have the id 7, so that nobody knows which one is annotated"),
        ]
        for name in ("P1_L_DM_CC", "P2_L_DM_CC")
    }


def test_a_box_of_fractions_is_a_fault(tmp_path):
    path = coco(tmp_path / "coco.json", [])
    path.write_text(path.read_text().replace('"iscrowd"', '"bbox": [0.1, 0.2, 0.5, 0.5], "iscrowd"'))
    (region,) = read(path)
    assert region.fault == "box is [0.1, 0.2, 0.5, 0.5], which are fractions of the image; expected pixels"


def test_two_images_of_one_name_have_one_fault(tmp_path):
    images = [{"id": number, "file_name": "P1_L_DM_CC.jpg", "width": 5, "height": 3} for number in (7, 8)]
    (region,) = read(coco(tmp_path / "coco.json", RUNS, images=images))
    assert (region.reason, region.where) == ("annotation-ambiguous", "coco.json")
    assert region.fault == "coco.json has several entries for P1_L_DM_CC; keep the one that belongs to the image"


@pytest.mark.parametrize(
    ("size", "expected"), [((5.0, 3.0), (5, 3)), ((5.5, 3), None), (("5", 3), None), ((float("inf"), 3), None)]
)
def test_whole_sizes_and_ids_may_be_written_with_a_point(tmp_path, size, expected):
    path = coco(tmp_path / "coco.json", RUNS, image={"id": 7.0, "width": size[0], "height": size[1]})
    if expected is None:
        with pytest.raises(InputError, match=r"image 7 has .* pixels; expected its width and height"):
            read(path)
    else:
        assert [region.size for region in read(path)] == [expected]


def test_categories_may_be_absent(tmp_path):
    (region,) = read(coco(tmp_path / "coco.json", RUNS, categories=None))
    assert region.label == ""
