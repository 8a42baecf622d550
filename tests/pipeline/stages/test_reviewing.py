"""The stages audit, stats and report: what they write, and that they do nothing twice."""

import json

import pytest
from small_sets import make_set

from pipeline import stages
from pipeline.dataset.folder import DatasetFolder
from pipeline.files import InputError

REVIEWS = [
    pytest.param(stages.audit, "audit_folder", "audit", id="audit"),
    pytest.param(stages.stats, "draw_stats", "stats", id="stats"),
    pytest.param(stages.report, "write_report", "report", id="report"),
]


@pytest.fixture
def folder(tmp_path):
    return make_set(tmp_path)


@pytest.mark.parametrize(("stage", "work", "output"), REVIEWS)
def test_a_second_run_does_nothing_until_the_output_is_missing(folder, monkeypatch, capsys, stage, work, output):
    first = stage(folder)
    assert first.changed
    path = getattr(folder, output)
    times = {file: file.stat().st_mtime_ns for file in folder.root.rglob("*") if file.is_file()}
    original = getattr(stages.reviewing, work)
    monkeypatch.setattr(stages.reviewing, work, None)
    again = stage(folder)
    assert (again.changed, again.summary) == (False, first.summary)
    assert {file: file.stat().st_mtime_ns for file in folder.root.rglob("*") if file.is_file()} == times
    monkeypatch.setattr(stages.reviewing, work, original)
    (next(path.iterdir()) if path.is_dir() else path).unlink()
    assert stage(folder).changed
    assert capsys.readouterr().out == "", "stages print nothing"


@pytest.mark.parametrize(("stage", "work", "output"), REVIEWS)
def test_an_unfinished_data_set_is_refused(tmp_path, stage, work, output):
    with pytest.raises(InputError, match=r"has no manifest.csv; run the stage 'variants' first"):
        stage(DatasetFolder(tmp_path))


def test_the_audit_is_in_its_file_and_on_the_card(folder):
    next((folder.root / "train" / "masks").iterdir()).unlink()
    summary = stages.audit(folder).summary
    assert [finding["code"] for finding in summary["findings"]] == ["mask-missing"]
    assert summary == json.loads(folder.audit.read_text())
    assert "| `mask-missing` | 1 | no |" in folder.card.read_text()


def test_the_page_runs_an_audit_of_its_own(folder):
    assert stages.report(folder).summary == {"bytes": folder.report.stat().st_size}
    assert not stages.audit(folder).changed
