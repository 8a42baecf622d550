"""By whom and when an annotation file was made, as it states."""

import hashlib
import json

import pytest
from inputs import REGIONS, small_download

from pipeline.annotations import Statement, find_annotations, read_annotations
from pipeline.annotations.format import AnnotationFile
from pipeline.annotations.provenance import find_provenance
from pipeline.files import InputError


def via(*attributes):
    return {
        "_via_img_metadata": {
            str(number): {"filename": f"{number}.png", "size": 1, "regions": [], "file_attributes": stated}
            for number, stated in enumerate(attributes)
        }
    }


@pytest.mark.parametrize(
    ("content", "stated"),
    [
        pytest.param(
            {"info": {"contributor": " R.  Reader ", "date_created": "2026-11-20"}}, ("R. Reader", "2026-11-20"), id="COCO"
        ),
        pytest.param({"info": {"date_created": "2026-11-20"}}, ("", "2026-11-20"), id="only a date"),
        pytest.param({"info": {"contributor": "", "date_created": None}}, None, id="COCO that states neither"),
        pytest.param({"info": [], "images": []}, None, id="odd info"),
        pytest.param(
            via({"annotator": "A", "date": "2026-11-20"}, {"annotator": "B", "date": "2026-11-21"}, {"annotator": "A"}, {}),
            ("A; B", "2026-11-21"),
            id="VIA project of two readers",
        ),
        pytest.param(via({"annotator": "A"})["_via_img_metadata"], ("A", ""), id="VIA export"),
        pytest.param(via({"annotator": {"x": True}}, "text"), None, id="odd attributes"),
        pytest.param([1, 2], None, id="no object"),
    ],
)
def test_what_a_file_states(tmp_path, content, stated):
    path = tmp_path / "file.json"
    path.write_text(json.dumps(content))
    found = find_provenance(AnnotationFile(path))
    assert (found and (found.annotator, found.date)) == stated
    if found:
        assert (found.file, found.sha256) == ("file.json", hashlib.sha256(path.read_bytes()).hexdigest())


def test_a_long_text_is_cut(tmp_path):
    (tmp_path / "file.json").write_text(json.dumps({"info": {"contributor": "x" * 1000}}))
    assert len(find_provenance(AnnotationFile(tmp_path / "file.json")).annotator) == 100


def test_tables_state_nothing(tmp_path):
    root = small_download(tmp_path).root
    annotations = read_annotations([root / REGIONS], root)
    assert annotations.files
    assert annotations.stated == []


def test_a_csv_of_via_states_what_its_attributes_of_files_do(tmp_path):
    signed = '"{""annotator"":""R. Reader"",""date"":""2026-11-20""}"'
    rows = [f"P{number}.jpg,1,{text},0,0,{{}},{{}}" for number, text in enumerate((signed, "{}", "{broken", signed))]
    header = "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes"
    (tmp_path / "via.csv").write_text("\n".join([header, *rows]))
    (stated,) = read_annotations([tmp_path / "via.csv"], tmp_path).stated
    assert (stated["file"], stated["annotator"], stated["date"]) == ("via.csv", "R. Reader", "2026-11-20")


GIVEN = Statement("R. Reader", "2026-11-20")


def state(root, statement, **files):
    """What is known of the regions in files of a folder, whose table is never named."""
    for name, content in files.items():
        (root / f"{name}.json").write_text(json.dumps(content))
    return read_annotations(find_annotations(root), root, statement=statement).stated


@pytest.mark.parametrize(
    ("attributes", "stated"),
    [
        pytest.param({}, ("R. Reader", "2026-11-20"), id="nothing stated"),
        pytest.param({"date": "2026-11-24"}, ("R. Reader", "2026-11-24"), id="a date stated"),
        pytest.param({"annotator": "A"}, ("A", "2026-11-20"), id="an annotator stated"),
    ],
)
def test_the_user_states_what_a_file_does_not(tmp_path, attributes, stated):
    root = small_download(tmp_path).root
    (root / REGIONS).unlink()
    given = Statement(*("" if name in attributes else value for name, value in vars(GIVEN).items()))
    (found,) = state(root, given, corrected=via(attributes))
    assert (found["file"], found["annotator"], found["date"]) == ("corrected.json", *stated)
    assert found["sha256"] == hashlib.sha256((root / "corrected.json").read_bytes()).hexdigest()


def test_files_that_state_nothing_share_what_the_user_states(tmp_path):
    files = {name: via({})["_via_img_metadata"] | {"x": {"filename": f"{name}.png", "regions": []}} for name in "abc"}
    files["b"] = {"b": {"filename": "b.png", "regions": [], "file_attributes": {"annotator": "B", "date": "2026-11-21"}}}
    files = {name: {"_via_img_metadata": content} for name, content in files.items()}
    listing = state(tmp_path, GIVEN, **files)
    assert [(entry["file"], entry["annotator"], entry["date"]) for entry in listing] == [
        ("b.json", "B", "2026-11-21"),
        ("a.json and 1 more", "R. Reader", "2026-11-20"),
    ]
    lines = "".join(f"{name}.json {hashlib.sha256((tmp_path / f'{name}.json').read_bytes()).hexdigest()}\n" for name in "ac")
    assert listing[1]["sha256"] == hashlib.sha256(lines.encode()).hexdigest()


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (Statement("R. Reader"), r"--annotator R. Reader: the files of regions state it themselves \(A\); leave it out"),
        (Statement("", "2026-11-20"), r"--annotated 2026-11-20: the files of regions state it themselves \(2026-11-21\)"),
    ],
)
def test_what_all_files_state_is_not_stated_again(tmp_path, statement, message):
    with pytest.raises(InputError, match=message):
        state(tmp_path, statement, a=via({"annotator": "A", "date": "2026-11-21"}))
