"""By whom and when an annotation file was made, as it states."""

import hashlib
import json

import pytest
from inputs import REGIONS, small_download

from pipeline.annotations import read_annotations
from pipeline.annotations.format import AnnotationFile
from pipeline.annotations.provenance import find_provenance


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
