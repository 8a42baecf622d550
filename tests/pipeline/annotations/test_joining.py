"""Joining annotations to the images that are there, and the classes of images that no table lists."""

from pathlib import Path

import pytest
from inputs import circle

from pipeline.annotations import Annotations, DrawnRegion, TableRow, class_by_labels, class_unlisted, rename_images
from pipeline.files import InputError
from pipeline.recipe import CDD_CESM, Layout, LayoutTable


def region(x=5, label="", where="via.json 1"):
    return DrawnRegion(circle(x, 9, 4), where, label=label)


def test_keys_become_image_ids_and_an_image_that_is_not_there_keeps_its_key():
    row = TableRow("20586908", {"class": "benign"}, "list.csv row 2")
    annotations = Annotations([Path("via.json")], {"20586908": row}, {"20586908": [region()], "999": []}, {"20586908": 77})
    renamed = rename_images(annotations, {"20586908": {"P1_L_DM_CC"}})
    assert renamed.rows == {"P1_L_DM_CC": row}
    assert renamed.regions == {"P1_L_DM_CC": [region()], "999": []}
    assert renamed.file_sizes == {"P1_L_DM_CC": 77}
    assert renamed.files == annotations.files


@pytest.mark.parametrize(
    ("regions", "ids", "message"),
    [
        (
            {"IM1": [region()]},
            {"IM1": {"P2_L_DM_CC", "P1_L_DM_CC"}},
            "via.json 1: names IM1, which may be any of 2 images, such as P1_L_DM_CC and P2_L_DM_CC; give their files diff",
        ),
        (
            {"IM1": [region()], "P1_L_DM_CC": [region(6, where="coco.json 3")]},
            {"IM1": {"P1_L_DM_CC"}},
            "P1_L_DM_CC: its regions in coco.json differ from those in via.json; remove one of the files",
        ),
    ],
)
def test_keys_that_contradict_each_other_are_an_error(regions, ids, message):
    with pytest.raises(InputError) as error:
        rename_images(Annotations(regions=regions), ids)
    assert message in str(error.value)


def test_an_image_without_a_row_has_the_class_of_its_worst_label_or_the_unlisted_class():
    table = LayoutTable(classes={"Cancer": "malignant", "cyst": "benign"})
    listed = TableRow("a", {"class": "benign"}, "list.csv row 2")
    annotations = Annotations(
        rows={"a": listed},
        regions={"a": [region(label="cancer")], "b": [region(label="Cyst"), region(label="cancer")], "c": [region(label="mass")]},
    )
    class_unlisted(annotations, ["a", "b", "c", "d"], Layout(unlisted_class="normal", table=table))
    assert {name: row.cells["class"] for name, row in annotations.rows.items()} == {
        "a": "benign",
        "b": "malignant",
        "c": "normal",
        "d": "normal",
    }


def test_without_an_unlisted_class_no_row_is_added():
    annotations = Annotations(regions={"b": [region(label="malignant")]})
    class_unlisted(annotations, ["b"], CDD_CESM)
    assert annotations.rows == {}


def test_an_image_that_an_empty_annotation_names_is_not_normal_for_want_of_a_row():
    nothing = DrawnRegion(None, "coco.json annotation 1", empty=True)
    annotations = Annotations(regions={"a": [nothing], "b": []})
    class_unlisted(annotations, ["a", "b"], Layout(unlisted_class="normal"))
    assert set(annotations.rows) == {"b"}


@pytest.mark.parametrize(
    ("listed", "labels", "expected"),
    [
        ("Malignant", ["benign"], "benign"),
        ("Malignant", ["benign", ""], "Malignant"),
        ("Malignant", ["benign", "malignant"], "Malignant"),
        ("Benign", ["", "Cancer"], "malignant"),
        ("Normal", ["malignant"], "malignant"),
        ("Normal", ["mass"], "Normal"),
        ("Maybe", ["malignant"], "Maybe"),
        ("Benign", [], "Benign"),
    ],
)
def test_labels_of_regions_take_the_place_of_the_tables_class(listed, labels, expected):
    row = TableRow("a", {"class": listed, "birads": "4"}, "list.csv row 2")
    annotations = Annotations(rows={"a": row}, regions={"a": [region(label=label) for label in labels]})
    class_by_labels(annotations, Layout(table=LayoutTable(classes={"Cancer": "malignant"})))
    changed = annotations.rows["a"]
    assert changed.cells == {"class": expected, "birads": "4"}
    assert changed.listed_class == ("" if expected == listed else listed)
