"""Reading the table and the regions: every format, and the error for each faulty file."""

import json

import openpyxl
import pytest
from inputs import REGIONS, TABLE, Download, circle, polygon

from pipeline.annotations import AnnotationFormat, DrawnRegion, add_images, find_annotations, read_annotations, reading
from pipeline.files import InputError
from pipeline.recipe import Layout, LayoutTable


@pytest.fixture
def download(tmp_path):
    download = Download(tmp_path / "raw")
    download.add("P1_L_DM_CC", [polygon((1, 1), (20, 1), (10, 30))])
    download.add("P1_L_CM_CC", [circle(9, 9, 4), circle(20, 30, 5)], written="P1_L_CM_CC ")
    download.add("P2_R_DM_MLO", [], label="Normal")
    return download.write()


def read(download):
    return read_annotations(find_annotations(download.root), download.root)


def via_json(download, path, regions_as=list, project=False):
    entries: dict = {}
    for name, shape, size in download.shapes:
        entry = entries.setdefault(f"{name}{size}", {"filename": name, "size": size, "regions": [], "file_attributes": {}})
        entry["regions"].append({"shape_attributes": shape, "region_attributes": {}})
    for entry in entries.values():
        if regions_as is dict:
            entry["regions"] = {str(number): region for number, region in enumerate(entry["regions"])}
    path.write_text(json.dumps({"_via_img_metadata": entries, "_via_settings": {}} if project else entries))


def test_table_and_regions_are_joined_by_the_cleaned_name(download):
    annotations = read(download)
    assert set(annotations.rows) == {"P1_L_DM_CC", "P1_L_CM_CC", "P2_R_DM_MLO"}
    assert annotations.rows["P1_L_CM_CC"].written == "P1_L_CM_CC "
    assert annotations.rows["P1_L_CM_CC"].cells == {
        "class": "Malignant",
        "density": "",
        "birads": "5$2",
        "findings": "Mass",
        "machine": "1",
    }
    assert len(annotations.regions["P1_L_CM_CC"]) == 2
    assert annotations.regions["P1_L_DM_CC"][0].where == f"{REGIONS} row 2"


@pytest.mark.parametrize("regions_as", [list, dict])
@pytest.mark.parametrize("project", [True, False])
def test_via_json_gives_the_same_regions_as_via_csv(download, regions_as, project):
    expected = read(download)
    (download.root / REGIONS).unlink()
    via_json(download, download.root / "via.json", regions_as, project)
    annotations = read(download)
    assert {name: [region.attributes for region in regions] for name, regions in annotations.regions.items()} == {
        name: [region.attributes for region in regions] for name, regions in expected.regions.items()
    }
    assert annotations.file_sizes == expected.file_sizes


def test_two_files_with_the_same_rows_count_once(download):
    via_json(download, download.root / "via.json")
    (download.root / "copy.csv").write_bytes((download.root / TABLE).read_bytes())
    annotations = read(download)
    assert len(annotations.rows) == 3
    assert sum(map(len, annotations.regions.values())) == 3
    assert len(annotations.files) == 4


def workbook(download, path, change=None):
    book = openpyxl.Workbook()
    book.active.title = "masses"
    sheet = book.create_sheet("all")
    sheet.append(list(download.rows[0]))
    for row in download.rows:
        sheet.append([*((change or {}).get(key, value) for key, value in row.items())])
    book.save(path)


def test_the_workbook_is_read_by_its_sheet_all(download):
    expected = read(download).rows
    (download.root / TABLE).unlink()
    workbook(download, download.root / "table.xlsx")
    annotations = read(download).rows
    assert {name: (row.written, row.cells) for name, row in annotations.items()} == {
        name: (row.written, row.cells) for name, row in expected.items()
    }


@pytest.mark.parametrize("name", [TABLE, REGIONS, "table.xlsx"])
def test_titles_above_a_header_are_skipped_and_noted(download, name):
    expected = read(download)
    if name == "table.xlsx":
        (download.root / TABLE).unlink()
        workbook(download, download.root / name)
        book = openpyxl.load_workbook(download.root / name)
        book["all"].insert_rows(1, 3)
        book["all"]["A1"] = "Second reading, March"
        book.save(download.root / name)
    else:
        path = download.root / name
        path.write_text("Second reading, March\n\n;;\n" + path.read_text())
    annotations = read(download)
    assert annotations.headers_below == {download.root / name: 4}
    assert annotations.regions.keys() == expected.regions.keys()
    assert {key: row.cells for key, row in annotations.rows.items()} == {key: row.cells for key, row in expected.rows.items()}


def test_a_sheet_that_describes_the_columns_below_a_title_is_not_the_table(download):
    expected = read(download)
    (download.root / TABLE).unlink()
    workbook(download, path := download.root / "table.xlsx")
    book = openpyxl.load_workbook(path)
    book["masses"].append(["Columns"])
    book["masses"].append(list(download.rows[0]))
    book["all"].title = "images"
    book.save(path)
    annotations = read(download)
    assert (annotations.rows.keys(), annotations.headers_below) == (expected.rows.keys(), {})


def test_tables_that_contradict_each_other_are_an_error(download):
    workbook(download, download.root / "table.xlsx", {"BIRADS": "4"})
    with pytest.raises(InputError) as error:
        read(download)
    assert "birads is '5$2' in Radiology-manual-annotations.csv row 2 but '4' in table.xlsx row 2" in str(error.value)


def test_region_files_that_contradict_each_other_are_an_error(download):
    download.shapes[0] = (download.shapes[0][0], circle(1, 2, 3), 5)
    via_json(download, download.root / "via.json")
    with pytest.raises(InputError, match=r"P1_L_DM_CC: its regions in via.json differ from those in Radiology"):
        read(download)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("Image_name", "has no column 'Image_name'; it has Patient_ID"),
        ("Pathology Classification/ Follow up", "has no column 'Pathology Classification/ Follow up'; it has Image_name"),
    ],
)
def test_a_missing_column_is_named(download, column, message):
    for row in download.rows:
        del row[column]
    download.write()
    with pytest.raises(InputError) as error:
        read(download)
    assert message in str(error.value)


def test_a_region_file_without_its_shapes_is_named(download):
    path = download.root / REGIONS
    path.write_text(path.read_text().replace("region_shape_attributes", "shapes"))
    with pytest.raises(InputError, match="has no column 'region_shape_attributes'"):
        read(download)


def test_malformed_json_in_a_cell_stays_with_its_image(download):
    download.shapes[1] = ("P1_L_CM_CC.jpg", '{"name": "circle", "cx": ', download.shapes[1][2])
    annotations = read(download.write())
    assert "region_shape_attributes: is not valid JSON" in annotations.regions["P1_L_CM_CC"][0].fault
    assert not annotations.regions["P1_L_CM_CC"][1].fault


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("via.json", '{"a": {"regions": [{"shape_attributes": ', "is not valid JSON"),
        ("via.json", '[{"shape_attributes": {}}]', "is not a project or annotation export of VIA 2; export it again"),
        ("via.json", '{"a": {"regions": [{"shape_attributes": {}}]}}', "entry 'a' has no filename"),
        ("table.xlsx", "hello", "cannot be read as xlsx"),
        ("table.csv", b"Image_name,\0\xff\xfe", "cannot be read as CSV"),
    ],
)
def test_a_broken_file_is_an_error_that_names_it(download, name, text, message):
    (download.root / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError) as error:
        read(download)
    assert message in str(error.value)
    assert name in str(error.value)


def test_files_without_annotations_are_skipped(download):
    (download.root / "shopping.csv").write_text("what,how many\napples,3\n")
    (download.root / "settings.json").write_text('{"theme": "dark"}')
    assert [path.name for path in read(download).files] == sorted([TABLE, REGIONS])


def test_an_image_without_regions_in_via_has_an_empty_list(download):
    text = (download.root / REGIONS).read_text()
    (download.root / REGIONS).write_text(text + "P2_R_DM_MLO.jpg,10,{},0,0,{},{}\n")
    assert read(download).regions["P2_R_DM_MLO"] == []


def test_an_absent_folder_is_an_error(tmp_path):
    with pytest.raises(InputError, match="no such folder; ANNOTATIONS names the folder"):
        find_annotations(tmp_path / "nowhere")


@pytest.mark.real
def test_the_real_annotation_files(real_annotations):
    annotations = read_annotations(find_annotations(real_annotations), real_annotations)
    segmented = {name for name, regions in annotations.regions.items() if regions}
    malignant = {name for name, row in annotations.rows.items() if row.cells["class"] == "Malignant"}
    assert (len(annotations.rows), len(segmented), sum(map(len, annotations.regions.values()))) == (2006, 1233, 2971)
    assert len(segmented & malignant) == 651
    assert segmented <= set(annotations.rows)
    assert [row.written for row in annotations.rows.values() if row.written != row.written.strip()] == [
        "P3_L_CM_CC ",
        "P4_L_DM_MLO ",
        "P4_L_CM_MLO ",
        "P10_R_DM_CC ",
        "P10_R_DM_MLO ",
    ]
    assert {"P99_L_DM_MLO_2", "P99_L_CM_MLO_2", "P281_L_DM_MLO2", "P281_L_CM_MLO2"} <= set(annotations.rows)


LISTED = Layout(
    table=LayoutTable(
        columns={"image": "File", "class": "Result", "birads": "Score"},
        delimiter=";",
        classes={"cancer": "malignant", "ok": "normal"},
    )
)


@pytest.mark.parametrize(
    ("lines", "cells"),
    [
        (["a.png;Cancer;5"], {"class": "malignant", "birads": "5"}),
        (["a.png;ok;1", "a.png;CANCER ;5", "a.png;cancer;5"], {"class": "malignant", "birads": "1$5"}),
        (["a.png;cancer;_", "", ";ok;9", "a.png;?;4"], {"class": "?", "birads": "4"}),
    ],
)
def test_a_table_by_the_layouts_headers_may_have_one_row_per_finding(tmp_path, lines, cells):
    path = tmp_path / "list.csv"
    path.write_text("\n".join(["File; Result ;Score", *lines]))
    assert {name: row.cells for name, row in read_annotations([path], tmp_path, LISTED).rows.items()} == {"a": cells}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("File;Result\na;ok\n", "list.csv: has no column 'Score', which [layout.table] names; it has File, Result"),
        ("File;Result;Score\na;ok\n", "list.csv: row 2 has 2 cells; the header has 3"),
        (
            "File;Result;Score\na;cancer;5\n;cancer;5\n",
            "list.csv: row 3 has a lesion and no image; write the image into each row",
        ),
    ],
)
def test_a_table_that_lacks_something_is_an_error(tmp_path, text, message):
    path = tmp_path / "list.csv"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        read_annotations([path], tmp_path, LISTED)
    assert message in str(error.value)


def test_json_of_another_program_is_skipped_though_it_is_not_a_table(tmp_path):
    (tmp_path / "settings.json").write_bytes(b'{"theme": "\xff')
    assert read_annotations(find_annotations(tmp_path), tmp_path).files == []


def test_a_format_is_declared_once(tmp_path, monkeypatch):
    """Points in a text file, one image per line."""

    def add_points(annotations, file, layout):
        lines = [line.split() for line in file.data.decode().splitlines()]
        points = [{"name": "point", "cx": int(x), "cy": int(y)} for _, x, y in lines]
        drawn = [(line[0], None, [DrawnRegion(point, file.path.name)]) for line, point in zip(lines, points, strict=True)]
        return file.suffix == ".points" and add_images(annotations, file, drawn, layout)

    monkeypatch.setattr(reading, "FORMATS", [AnnotationFormat(add_points, frozenset({".points"})), *reading.FORMATS])
    (tmp_path / "mine.points").write_text("P1_L_DM_CC.jpg 3 4\n")
    annotations = read_annotations(find_annotations(tmp_path), tmp_path)
    assert [path.name for path in annotations.files] == ["mine.points"]
    assert annotations.regions["P1_L_DM_CC"][0].attributes == {"name": "point", "cx": 3, "cy": 4}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("P1_L_DM_CC,mass, spiculated,Malignant", "row 2 has 4 cells; the header has 3"),
        (",mass,Malignant", "row 2 has a lesion and no image; write the image into each row"),
    ],
)
def test_a_row_whose_cells_are_shifted_or_whose_image_is_missing_is_an_error(tmp_path, row, message):
    path = tmp_path / "table.csv"
    path.write_text(f"Image_name,Findings,Pathology Classification/ Follow up\n{row}\n,,\n,no class,\n")
    with pytest.raises(InputError, match=message):
        read_annotations([path], path)
