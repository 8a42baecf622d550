"""Where the source files of an indexed data set are."""

from pathlib import Path

import pytest

from pipeline.dataset.folder import DatasetFolder
from pipeline.indexing.find import find_raw


@pytest.mark.parametrize(
    ("state", "given", "found"),
    [
        pytest.param({"keyed": False, "raw": "images"}, None, "images", id="from the index"),
        pytest.param({"keyed": False, "raw": "images"}, "other", "images", id="as the stages do, which read from there"),
        pytest.param({"keyed": True, "raw": "a digest"}, "other", "other", id="keyed: the index does not have it"),
        pytest.param({"keyed": True, "raw": "a digest"}, None, "set", id="keyed and not given"),
        pytest.param({}, "other", "set", id="no index"),
    ],
)
def test_raw_is_the_folder_that_the_stages_read_from(tmp_path, monkeypatch, state, given, found):
    folder = DatasetFolder(tmp_path / "set")
    monkeypatch.setattr(folder, "read_state", lambda _: state)
    assert find_raw(folder, given and Path(given)) == (folder.root if found == "set" else Path(found))
