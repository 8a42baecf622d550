"""Tables of another collection: spellings of headers, several tables, what identifies an image, and boxes."""

import pytest

from pipeline.annotations import find_annotations, read_annotations
from pipeline.files import InputError
from pipeline.recipe import Layout

COLUMNS = {"image": "id", "class": "result"}
CORNERS = {name: name for name in ("xmin", "ymin", "xmax", "ymax")}
SIZED = {name: name for name in ("x", "y", "w", "h")}


def read(root, files, columns, **layout):
    for name, text in files.items():
        (root / name).write_text(text)
    table = {"columns": columns, "classes": {"BENIGN_WITHOUT_CALLBACK": "benign"}}
    return read_annotations(find_annotations(root), root, Layout.model_validate({"table": table} | layout))


def test_the_first_spelling_that_is_there_applies_and_tables_are_united(tmp_path):
    files = {
        "mass.csv": "id,result,breast_density,shape\na/7.dcm,BENIGN_WITHOUT_CALLBACK,3,round\n",
        "calc.csv": "id,result,breast density,type\n7,Malignant,3,fine\n8,benign,1,fine\n",
    }
    columns = COLUMNS | {"density": ["breast_density", "breast density"], "findings": ["shape", "type"]}
    rows = read(tmp_path, files, columns).rows
    assert rows["7"].cells == {"class": "malignant", "density": "3", "findings": "fine$round"}
    assert rows["8"].cells == {"class": "benign", "density": "1", "findings": "fine"}


def test_a_table_that_lacks_a_column_is_passed_over_with_a_line(tmp_path):
    files = {"full.csv": "id,result,side\n7,benign,L\n", "other.csv": "id,result\n8,benign\n", "notes.csv": "a,b\n1,2\n"}
    annotations = read(tmp_path, files, COLUMNS | {"side": ["side", "laterality"]})
    assert list(annotations.rows) == ["7"]
    assert {path.name: kind for path, kind in annotations.passed_over.items()} == {
        "notes.csv": "a table that has no column 'id'",
        "other.csv": "a table that has no column 'side' or 'laterality'",
    }


def test_a_table_of_images_that_is_the_only_one_has_to_have_all_columns(tmp_path):
    with pytest.raises(InputError, match=r"other.csv: has no column 'side', which \[layout.table\] names; it has id, result"):
        read(tmp_path, {"other.csv": "id,result\n8,benign\n", "notes.csv": "a,b\n1,2\n"}, COLUMNS | {"side": "side"})


def test_a_row_states_what_identifies_its_image(tmp_path):
    columns = COLUMNS | {"patient": "who", "side": "side", "view": "view"}
    text = "id,result,who,side,view\n7,benign,P_00012,LEFT,ML\n8,benign,x,r,mlo\n7,benign,P_00013,LEFT,ML\n"
    rows = read(tmp_path, {"a.csv": text}, columns, views={"ML": "MLO"}).rows
    assert rows["8"].identity == {"patient": "x", "side": "R", "view": "MLO"}
    assert rows["7"].identity == {"patient": "P_00012$P_00013", "side": "L", "view": "MLO"}


def test_a_table_without_classes_needs_a_class_for_all(tmp_path):
    assert read(tmp_path, {"a.csv": "id\n7\n"}, {"image": "id"}, unlisted_class="benign").rows["7"].cells == {"class": ""}
    with pytest.raises(ValueError, match="expected both image and class"):
        Layout.model_validate({"table": {"columns": {"image": "id"}}})


@pytest.mark.parametrize(("columns", "box"), [(CORNERS, "45.0,85.0,75.0,125.0"), (SIZED, "45,85,30,40")])
def test_a_box_covers_its_pixels(tmp_path, columns, box):
    mass = f"7,malignant,{box},Mass\n"
    text = f"id,result,{','.join(columns)},findings\n{mass}{mass}8,benign,,,,,\n9,benign,nan,nan,nan,nan,\n"
    regions = read(tmp_path, {"a.csv": text}, COLUMNS | columns | {"findings": "findings"}).regions
    (region,) = regions["7"]
    assert region.attributes == {"name": "rect", "x": 45, "y": 85, "width": 29, "height": 39}
    assert (region.box_only, region.label, region.where) == (True, "Mass", "a.csv row 2")
    assert list(regions) == ["7"]


@pytest.mark.parametrize(
    ("box", "fault"),
    [
        ("45,85,75,", "box is 45, 85, 75, ; expected four numbers"),
        ("45,85,inf,125", "box is 45, 85, inf, 125; expected four numbers"),
        ("75,85,45,125", "box is 75, 85, 45, 125, which has no area"),
        ("45,85,45,125", "box is 45, 85, 45, 125, which has no area"),
        ("0.1,0.2,0.4,1", "box is 0.1, 0.2, 0.4, 1, which are fractions of the image; expected pixels"),
    ],
)
def test_a_box_that_is_none_is_a_fault_of_its_image(tmp_path, box, fault):
    (region,) = read(tmp_path, {"a.csv": f"id,result,{','.join(CORNERS)}\n7,benign,{box}\n"}, COLUMNS | CORNERS).regions["7"]
    assert region.fault == fault


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"xmin": "a", "ymin": "b"}, "expected all of xmin, ymin, xmax, ymax, or all of x, y, w, h, or none of them"),
        (CORNERS | SIZED, "expected all of xmin, ymin, xmax, ymax, or all of x, y, w, h, or none of them"),
        ({"density": []}, "has no header for density; expected one, or a list of spellings"),
    ],
)
def test_columns_that_do_not_belong_together_are_an_error(columns, message):
    with pytest.raises(ValueError, match=message):
        Layout.model_validate({"table": {"columns": COLUMNS | columns}})
