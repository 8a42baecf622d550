"""OsiriX XML: regions by name and point, and one fault per image for a file that cannot be read."""

import plistlib

import pytest

from pipeline.annotations import find_annotations, read_annotations
from pipeline.recipe import Layout

TRIANGLE = ["(1.000000, 2.000000)", "(7.5, 2)", "(1, 9.25, 0.0)"]


def osirix(*regions):
    """The bytes of a file with regions of a name and points."""
    rois = [{"Name": name, "NumberOfPoints": len(points), "Point_px": points, "Type": 15} for name, points in regions]
    return plistlib.dumps({"Images": [{"ImageIndex": 0, "NumberOfROIs": len(rois), "ROIs": rois}]})


def read(root, data, **layout):
    (root / "20586908.xml").write_bytes(data)
    return read_annotations(find_annotations(root), root, Layout(**layout))


def test_a_region_is_an_outline_with_its_name(tmp_path):
    (region,) = read(tmp_path, osirix(("Mass", TRIANGLE))).regions["20586908"]
    assert region.attributes == {"name": "polygon", "all_points_x": [1, 7.5, 1], "all_points_y": [2, 2, 9.25]}
    assert (region.label, region.where, region.fault) == ("Mass", "20586908.xml region 0", "")


def test_a_single_point_is_a_point_and_has_no_area(tmp_path):
    point, line = read(tmp_path, osirix(("Point 1", TRIANGLE[:1]), ("", TRIANGLE[:2]))).regions["20586908"]
    assert point.attributes == {"name": "point", "cx": 1, "cy": 2}
    assert not point.has_area
    assert (line.attributes["name"], line.label) == ("polyline", "Unnamed")


def test_only_what_the_recipe_calls_a_lesion_is_kept_and_the_others_are_counted(tmp_path):
    regions = osirix(("mass ", TRIANGLE), ("Calcification", TRIANGLE[:1]), ("Calcification", TRIANGLE), ("Unnamed", TRIANGLE))
    annotations = read(tmp_path, regions, lesions=("Mass", "Cluster"))
    assert [region.label for region in annotations.regions["20586908"]] == ["mass"]
    assert annotations.not_lesions == {"Calcification": 2, "Unnamed": 1}


def test_an_image_without_regions_is_named(tmp_path):
    assert read(tmp_path, osirix()).regions == {"20586908": []}


@pytest.mark.parametrize(
    ("text", "point"),
    [
        ("(12.5, 40.25)", (12.5, 40.25)),
        ("(12.5,40.25)", (12.5, 40.25)),
        ("(12, 40, 3)", (12, 40)),
        ("(12,500, 40,250)", (12.5, 40.25)),
        ("(12,5;40,25)", (12.5, 40.25)),
        ("(12,5,40,25)", None),
        ("(12,5, 40)", None),
        ("(12,5, 40.25)", None),
    ],
)
def test_a_point_may_have_decimal_commas_and_is_never_guessed(tmp_path, text, point):
    (region,) = read(tmp_path, osirix(("Mass", [text]))).regions["20586908"]
    assert region.attributes == (point and {"name": "point", "cx": point[0], "cy": point[1]})
    assert bool(region.fault) == (point is None)


HEAD = b'<?xml version="1.0"?><!DOCTYPE plist PUBLIC "-//Apple Computer//DTD PLIST 1.0//EN" "x">'
LAUGHS = b'<!DOCTYPE plist [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><plist version="1.0"><string>&b;</string></plist>'


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        pytest.param(osirix(("Mass", TRIANGLE))[:-20], "20586908.xml is not a valid XML property list (unclosed token", id="cut"),
        pytest.param(LAUGHS, "20586908.xml is not a valid XML property list (XML entity declarations", id="entities"),
        pytest.param(
            HEAD + b"<plist><integer>" + b"9" * 5000 + b"</integer></plist>", "20586908.xml is not a valid", id="huge number"
        ),
        pytest.param(HEAD + b"<plist>" + b"<array>" * 100_000, "20586908.xml is not a valid XML", id="deep"),
        pytest.param(plistlib.dumps(["x"]), "20586908.xml has no list Images; expected OsiriX's regions", id="another list"),
        pytest.param(plistlib.dumps({"Images": [{}, {}]}), "20586908.xml has regions of 2 images; expected one", id="two images"),
        pytest.param(plistlib.dumps({"Images": [{"ROIs": 7}]}), "20586908.xml has ROIs that are not a list", id="no regions"),
        pytest.param(plistlib.dumps({"Images": [{"ROIs": [7]}]}), "20586908.xml region 0 is '7'; expected a name", id="number"),
        pytest.param(
            osirix(("Mass", ["(1, two)"])), "20586908.xml region 0 has the points \"['(1, two)']\"; expected", id="text"
        ),
        pytest.param(osirix(("Mass", ["(nan, 2)"])), "20586908.xml region 0 has the points", id="not a number"),
        pytest.param(osirix(("Mass", [])), "20586908.xml region 0 has the points '[]'", id="no points"),
    ],
)
def test_a_file_that_cannot_be_read_is_the_fault_of_its_image(tmp_path, data, fault):
    (region,) = read(tmp_path, data).regions["20586908"]
    assert region.fault.startswith(fault)


def test_other_xml_is_not_osirix(tmp_path):
    assert read(tmp_path, b"<annotations><image name='20586908.jpg'/></annotations>").regions == {}
