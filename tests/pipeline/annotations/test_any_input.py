"""Whatever is in an annotation file, it is regions, a fault of its image, or an error of one line."""

import contextlib
import csv
import io
import json
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.annotations import Annotations
from pipeline.annotations.coco import COCO
from pipeline.annotations.format import AnnotationFile
from pipeline.annotations.via import VIA_CSV, VIA_JSON
from pipeline.drawing.raster import coverage
from pipeline.drawing.regions import RegionError, essential_attributes, parse_region
from pipeline.files import InputError
from pipeline.recipe import CDD_CESM

NUMBERS = (
    st.integers(-5, 50)
    | st.floats()
    | st.sampled_from([10**400, -(10**400), True, None, "5", "²", [], {}, float("nan"), 1e300, [1], {"x": 1}])
)
LISTS = st.lists(NUMBERS, max_size=8) | NUMBERS
SHAPES = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["polygon", "polyline", "circle", "ellipse", "rect", "point", "bitmap", "star", 5, [], None]),
        "all_points_x": LISTS,
        "all_points_y": LISTS,
        "counts": LISTS | st.text(max_size=5),
        **dict.fromkeys(("cx", "cy", "r", "rx", "ry", "theta", "x", "y", "width", "height"), NUMBERS),
    },
)
VALUES = st.recursive(
    NUMBERS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
REGIONS = st.fixed_dictionaries({}, optional={"shape_attributes": SHAPES | VALUES, "region_attributes": VALUES})
ENTRIES = st.fixed_dictionaries(
    {},
    optional={
        "filename": st.sampled_from(["a.jpg", "b.jpg", "", 5]),
        "size": VALUES,
        "regions": st.lists(REGIONS | VALUES, max_size=3) | VALUES,
    },
)
PROJECTS = st.dictionaries(st.text(max_size=3), ENTRIES | VALUES, max_size=3) | st.fixed_dictionaries(
    {"_via_img_metadata": st.dictionaries(st.text(max_size=3), ENTRIES, max_size=3) | VALUES}
)
IDS = st.sampled_from([1, 2, 1.0, "1", None, [1], True])
RUNS = st.fixed_dictionaries(
    {}, optional={"size": st.just([6, 5]) | VALUES, "counts": st.just([3, 27]) | st.text(max_size=6) | LISTS}
)
LESIONS = st.fixed_dictionaries(
    {},
    optional={
        "id": IDS,
        "image_id": IDS,
        "category_id": IDS,
        "segmentation": st.lists(LISTS, max_size=2) | RUNS | VALUES,
        "bbox": LISTS,
        "iscrowd": VALUES,
    },
)
IMAGES = st.fixed_dictionaries(
    {},
    optional={
        "id": IDS,
        "file_name": st.sampled_from(["a.jpg", "b.jpg", 5]),
        "width": st.just(5) | NUMBERS,
        "height": st.just(6) | NUMBERS,
    },
)
COCOS = st.fixed_dictionaries(
    {"images": st.lists(IMAGES, max_size=3), "annotations": st.lists(LESIONS, max_size=3)},
    optional={"categories": st.lists(st.fixed_dictionaries({}, optional={"id": IDS, "name": VALUES}), max_size=2) | VALUES},
)
ANY = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])


class Given(AnnotationFile):
    """A file whose bytes are given."""

    def __init__(self, name, data):
        super().__init__(Path(name))
        self.data = data


def check(file_format, name, data):
    annotations = Annotations()
    with contextlib.suppress(InputError):
        file_format.add(annotations, Given(name, data), CDD_CESM)
    for region in (region for drawn in annotations.regions.values() for region in drawn if not region.fault and not region.empty):
        with contextlib.suppress(RegionError):
            assert 0 <= coverage(parse_region(region.attributes), 5, 6).share <= 1
            assert json.dumps(essential_attributes(region.attributes))


@ANY
@given(PROJECTS)
def test_any_json_is_read_as_via_or_refused(content):
    check(VIA_JSON, "via.json", json.dumps({"shape_attributes": 1} | content).encode())
    check(VIA_JSON, "via.json", json.dumps(content).encode())


@ANY
@given(COCOS)
def test_any_json_is_read_as_coco_or_refused(content):
    check(COCO, "coco.json", json.dumps(content).encode())


@ANY
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a.jpg", "", "b.jpg "]),
            VALUES.map(str),
            SHAPES.map(json.dumps) | st.text(max_size=9),
            VALUES.map(json.dumps),
        ),
        max_size=3,
    )
)
def test_any_rows_are_read_as_via_or_refused(rows):
    text = io.StringIO()
    csv.writer(text).writerows([["#filename", "file_size", "region_shape_attributes", "region_attributes"], *rows])
    check(VIA_CSV, "via.csv", text.getvalue().encode("utf-8", "replace"))


@ANY
@given(st.binary(max_size=80))
def test_any_bytes_are_refused(data):
    for file_format, name in ((VIA_JSON, "via.json"), (COCO, "coco.json"), (VIA_CSV, "via.csv")):
        check(file_format, name, data)
        check(file_format, name, b'{"images": [], "annotations": [], "shape_attributes": ' + data)
