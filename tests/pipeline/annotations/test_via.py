"""Reading the files of VIA 2: a project that the annotator saved again has the same regions."""

import csv
import json
from dataclasses import replace

import pytest
from inputs import circle, polygon

from pipeline.annotations import read_annotations
from pipeline.annotations.labels import find_label
from pipeline.files import InputError
from pipeline.recipe import Layout

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


HEADER = "#filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes"


def save_csv(path, *rows):
    """Writes an export of these rows: name, size, shape and attributes each."""
    with path.open("w", newline="") as file:
        file.write(HEADER + "\n")
        csv.writer(file).writerows([name, size, "{}", 1, 0, shape, attributes] for name, size, shape, attributes in rows)
    return path


def faults(path):
    regions = read_annotations([path], path).regions
    return {name: [(region.reason, region.fault) for region in drawn if region.fault] for name, drawn in regions.items()}


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


AMBIGUOUS = [("annotation-ambiguous", "via.{} has several entries for P1_L_DM_CC; keep the one that belongs to the image")]
CIRCLE = json.dumps(circle(9, 9, 4))


def test_two_entries_of_one_name_are_a_fault_in_both_formats(tmp_path):
    table = save_csv(
        tmp_path / "via.csv", *[(name, size, CIRCLE, "{}") for name, size in (("P1_L_DM_CC.jpg", 5), ("P1_L_DM_CC.jpg", 6))]
    )
    assert faults(table) == {"P1_L_DM_CC": [(reason, fault.format("csv")) for reason, fault in AMBIGUOUS]}
    entries = {
        str(size): {"filename": "P1_L_DM_CC.jpg", "size": size, "regions": [{"shape_attributes": circle(size, 9, 4)}]}
        for size in (5, 6)
    }
    path = tmp_path / "via.json"
    path.write_text(json.dumps(entries))
    assert faults(path) == {"P1_L_DM_CC": [(reason, fault.format("json")) for reason, fault in AMBIGUOUS]}


def test_rows_of_one_name_and_size_are_one_entry(tmp_path):
    path = save_csv(tmp_path / "via.csv", ("P1_L_DM_CC.jpg", 5, CIRCLE, "{}"), ("P1_L_DM_CC.jpg ", "5.0", CIRCLE, "{}"))
    assert read(path) == {"P1_L_DM_CC": [circle(9, 9, 4)] * 2}


@pytest.mark.parametrize(
    ("attributes", "label"),
    [
        ({"pathology": "Malignant "}, "Malignant"),
        ({"type": "mass", "Pathology": "benign"}, "benign"),
        ({"label": "mass 1"}, "mass 1"),
        ({"finding": {"benign": False, "malignant": True}}, "malignant"),
        ({"class": "cyst", "remark": "looks malignant"}, "cyst"),
        ({"remark": "odd"}, ""),
        ({"class": 5, "pathology": None}, ""),
        ([1], ""),
        ({}, ""),
    ],
)
def test_the_class_among_the_attributes_of_a_region_is_its_label(tmp_path, attributes, label):
    table = save_csv(tmp_path / "via.csv", ("P1_L_DM_CC.jpg", 5, CIRCLE, json.dumps(attributes)))
    path = tmp_path / "via.json"
    region = {"shape_attributes": circle(9, 9, 4), "region_attributes": attributes}
    path.write_text(json.dumps({"a": {"filename": "P1_L_DM_CC.jpg", "regions": [region]}}))
    for file in (table, path):
        assert [region.label for region in read_annotations([file], file).regions["P1_L_DM_CC"]] == [label]


DEEP = "[" * 100_000


@pytest.mark.parametrize(
    ("shape", "attributes", "message"),
    [
        ("{", "{}", "region_shape_attributes: is not valid JSON"),
        (DEEP, "{}", "region_shape_attributes: nests more than 100 levels"),
        ('{"name":"circle","cx":' + "9" * 5000 + "}", "{}", "region_shape_attributes: is not valid JSON"),
        (CIRCLE, "{", "region_attributes: is not valid JSON"),
        (CIRCLE, DEEP, "region_attributes: nests more than 100 levels"),
    ],
)
def test_cells_that_are_no_json_stay_with_their_image(tmp_path, shape, attributes, message):
    path = save_csv(tmp_path / "via.csv", ("P1_L_DM_CC.jpg", 5, shape, attributes))
    ((_, fault),) = faults(path)["P1_L_DM_CC"]
    assert fault.startswith(message)
    assert len(fault) < 300


@pytest.mark.parametrize("size", ["", "-1", "0", "²", "inf", "nan", "1e3", "9" * 5000, "5,5"])
def test_a_file_size_that_is_none_is_unknown(tmp_path, size):
    path = save_csv(tmp_path / "via.csv", ("P1_L_DM_CC.jpg", size, CIRCLE, "{}"))
    assert read_annotations([path], path).file_sizes == {}


def test_blank_rows_are_left_out_and_a_region_without_an_image_is_an_error(tmp_path):
    path = save_csv(tmp_path / "via.csv", ("", "", "", ""), ("P1_L_DM_CC.jpg", 5, CIRCLE, "{}"), ("", 5, "{}", "{}"))
    path.write_text(path.read_text() + ",,,,,,\n\n")
    assert read(path) == {"P1_L_DM_CC": [circle(9, 9, 4)]}
    save_csv(path, ("P1_L_DM_CC.jpg", 5, CIRCLE, "{}"), ("", 5, CIRCLE, "{}"))
    with pytest.raises(InputError, match="row 3 has a region and no #filename; name its image, or remove the row"):
        read(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"_via_img_metadata": [1]}', "is not a project or annotation export of VIA 2"),
        ('{"a": {"filename": 5, "regions": [{"shape_attributes": {}}]}}', "entry 'a' has no filename"),
        ('{"a": [{"shape_attributes": {}}]}', "entry 'a' has no filename"),
        ('{"a": {"filename": "", "regions": [{"shape_attributes": {}}]}}', "entry 'a' has no filename"),
        ('{"shape_attributes": ' + DEEP, "nests more than 100 levels"),
        ('{"shape_attributes": ' + "9" * 5000 + "}", "is not valid JSON"),
    ],
)
def test_a_file_of_wrong_types_is_one_error(tmp_path, content, message):
    path = tmp_path / "via.json"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        read(path)


@pytest.mark.parametrize(
    ("attributes", "label"),
    [
        ({"malignant": "yes"}, "malignant"),
        ({"Benign": True, "Malignant": "no"}, "Benign"),
        ({"seen": {"benign": "false", "malignant": "true"}}, "malignant"),
        ({"seen": {"benign": 0, "malignant": ""}}, ""),
        ({"size": "yes"}, ""),
    ],
)
def test_a_class_may_be_an_option_that_is_chosen_in_another_way(attributes, label):
    assert find_label(attributes, Layout()) == label


@pytest.mark.parametrize("saved_as", ["p.json", "p.csv"])
@pytest.mark.parametrize(
    ("own", "expected"), [({}, "malignant"), ({"class": "benign"}, "benign"), ({"type": "mass"}, "malignant")]
)
def test_the_class_of_a_whole_image_is_that_of_its_regions_without_one(tmp_path, saved_as, own, expected):
    path = tmp_path / saved_as
    shape = circle(9, 9, 4)
    if saved_as == "p.json":
        region = {"shape_attributes": shape, "region_attributes": own}
        entry = {"filename": "a.png", "size": -1, "regions": [region], "file_attributes": {"class": "malignant"}}
        path.write_text(json.dumps({"a.png-1": entry}))
    else:
        save_csv(path, ("a.png", -1, json.dumps(shape), json.dumps(own)))
        path.write_text(path.read_text().replace(",{},1,", ',"{""class"": ""malignant""}",1,'))
    (region,) = read_annotations([path], path).regions["a"]
    assert region.label == expected
    layout = Layout(lesions=["mass"])
    assert read_annotations([path], path, layout).regions["a"] == (
        [] if own != {"type": "mass"} else [replace(region, label="mass")]
    )


def test_two_files_of_the_same_regions_must_not_label_them_differently(tmp_path):
    shape = json.dumps(circle(9, 9, 4))
    for name, label in (("a.csv", ""), ("b.csv", "malignant"), ("c.csv", "mass")):
        save_csv(
            tmp_path / name, ("a.png", -1, shape.replace("9", "9.0") if name == "b.csv" else shape, json.dumps({"class": label}))
        )
    paths = sorted(tmp_path.iterdir())
    (region,) = read_annotations(paths, tmp_path).regions["a"]
    assert region.label == "malignant"
    paths.append(save_csv(tmp_path / "d.csv", ("a.png", -1, shape, '{"class": "benign"}')))
    with pytest.raises(InputError, match=r"a: a region is labelled 'malignant' in b.csv and 'benign' in d.csv; correct or"):
        read_annotations(paths, tmp_path)
