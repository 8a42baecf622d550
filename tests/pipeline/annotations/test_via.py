"""Reading the files of VIA 2: a project that the annotator saved again has the same regions."""

import json

import pytest
from inputs import circle, polygon

from pipeline.annotations import read_annotations
from pipeline.files import InputError

SHAPES = {
    "P1_L_DM_CC.jpg": [polygon((1, 1), (20.5, 1), (10, 30)), circle(9, 9, 4)],
    "P1_L_CM_CC.jpg": [{"name": "ellipse", "cx": 8, "cy": 9, "rx": 3, "ry": 5, "theta": 0.3}],
    "P2_R_DM_CC.jpg": [],
}


def save(path, shapes, size=4321):
    """Writes a project with all the keys that VIA 2.0 saves."""
    entries = {
        f"{name}{size}": {
            "filename": name,
            "size": size,
            "regions": [{"shape_attributes": shape, "region_attributes": {"finding": "mass"}} for shape in drawn],
            "file_attributes": {"caption": ""},
        }
        for name, drawn in shapes.items()
    }
    project = {
        "_via_settings": {"ui": {}, "core": {"buffer_size": 18, "filepath": {}}, "project": {"name": "corrected"}},
        "_via_img_metadata": entries,
        "_via_attributes": {"region": {"finding": {"type": "text"}}, "file": {}},
        "_via_data_format_version": "2.0.10",
        "_via_image_id_list": list(entries),
    }
    path.write_text(json.dumps(project))
    return path


def read(path):
    return {name: [region.attributes for region in regions] for name, regions in read_annotations([path], path).regions.items()}


def test_a_saved_project_has_the_same_regions(tmp_path):
    assert read(save(tmp_path / "via.json", SHAPES)) == {name.removesuffix(".jpg"): drawn for name, drawn in SHAPES.items()}


def test_a_corrected_region_is_the_only_one_that_changes(tmp_path):
    before = read(save(tmp_path / "via.json", SHAPES))
    moved = polygon((1, 1), (21, 1), (10, 30))
    after = read(save(tmp_path / "corrected.json", SHAPES | {"P1_L_DM_CC.jpg": [moved, circle(9, 9, 4)]}))
    assert after == before | {"P1_L_DM_CC": [moved, circle(9, 9, 4)]}


def test_a_project_without_any_region_still_names_its_images(tmp_path):
    assert read(save(tmp_path / "via.json", {"P2_R_DM_CC.jpg": []})) == {"P2_R_DM_CC": []}


def test_an_image_of_unknown_size_on_disk_has_none(tmp_path):
    assert read_annotations([save(tmp_path / "via.json", SHAPES, size=-1)], tmp_path).file_sizes == {}


def test_the_corrected_file_next_to_the_old_one_is_an_error(tmp_path):
    old = save(tmp_path / "via.json", SHAPES)
    new = save(tmp_path / "corrected.json", SHAPES | {"P1_L_DM_CC.jpg": [circle(9, 9, 4)]})
    with pytest.raises(InputError, match=r"P1_L_DM_CC: its regions in via.json differ from those in corrected.json; remove one"):
        read_annotations([new, old], tmp_path)


def test_regions_that_are_not_a_list_are_an_error(tmp_path):
    path = tmp_path / "via.json"
    path.write_text('{"a": {"filename": "P1_L_DM_CC.jpg", "regions": "shape_attributes"}}')
    with pytest.raises(InputError, match="regions of entry 'a' are 'shape_attributes'; expected a list or an object"):
        read(path)
