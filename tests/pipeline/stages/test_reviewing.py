"""The stages audit, stats and report: what they write, and that they do nothing twice."""

import json

import pytest
from small_sets import SETS, make_set

from pipeline import stages
from pipeline.audit import contents as audit_contents
from pipeline.dataset.folder import DatasetFolder
from pipeline.files import InputError
from pipeline.workers import Inline

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


def damage_nothing(root):
    pass


def damage_a_variant(root):
    path = next(root.glob("*/images/mirrored_*.jpg"))
    path.write_bytes(path.read_bytes()[:-100])


def damage_an_original(root):
    next(root.glob("train/images/P*.jpg")).write_bytes(b"hello")


def empty_a_mask(root):
    next(root.glob("train/masks/rotated_90_*")).write_bytes(b"")


def lose_an_original(root):
    next(root.glob("train/masks/P*")).unlink()


def replace_a_variant(root):
    """By a copy of another patient's image, which is valid: only its hash shows it."""
    paths = sorted(root.glob("train/images/mirrored_*.jpg"))
    paths[0].write_bytes(paths[-1].read_bytes())


DAMAGES = [damage_nothing, damage_a_variant, damage_an_original, empty_a_mask, lose_an_original, replace_a_variant]


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_audit_of_what_was_just_made_finds_what_any_audit_finds(folder, damage):
    damage(folder.root)
    assert len(folder.made) == 12
    found = stages.audit(folder).summary["findings"]
    folder.audit.unlink()
    assert found == stages.audit(DatasetFolder(folder.root)).summary["findings"]
    assert bool(found) == (damage is not damage_nothing)


@pytest.mark.parametrize(("name", "share"), [("binary", 1 / 3), ("published", 1)])
def test_only_exact_turns_with_lossless_masks_that_were_just_made_are_not_decoded(tmp_path, monkeypatch, name, share):
    folder, decoded = SETS[name](tmp_path), []
    original = audit_contents.read_image
    monkeypatch.setattr(
        audit_contents, "read_image", lambda path, *args, **options: [decoded.append(path), original(path, *args, **options)][1]
    )
    stages.audit(folder, Inline())
    rows = folder.read_manifest()
    assert len(decoded) == len(rows) * share
    folder.audit.unlink()
    decoded.clear()
    stages.audit(DatasetFolder(folder.root), Inline())
    assert len(decoded) == len(rows)


def test_both_reviews_give_what_each_gives_alone(folder):
    audited, drawn = stages.review(folder, Inline())
    assert (audited.changed, drawn.changed) == (True, True)
    assert (audited.summary, drawn.summary) == (stages.audit(folder).summary, stages.stats(folder).summary)
    assert not any(outcome.changed for outcome in stages.review(folder, Inline()))
