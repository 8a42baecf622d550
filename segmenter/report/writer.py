"""Writes a run's report, model card and checklist, unless all are there and up to date."""

from pathlib import Path

from pipeline.files import locked, write_text
from pipeline.page import require_templates
from segmenter.data.dataset import DataSet
from segmenter.report.results import fingerprint, read_results, read_run
from segmenter.runs import Run

SCHEMA = 6  # of the files; a higher number makes existing reports out of date


def write_report(data: DataSet, run: Run, split: str) -> tuple[list[Path], bool]:
    """Writes the report, the model card and the checklist of a run's evaluation, unless all are there for it already.

    Args:
      data: the data set, with the folder's own splits.
      run: an evaluated run, or a cross-validation.
      split: the evaluated split; for `test` the report is report.html, for other splits report_<split>.html.

    Returns:
      The report, the model card and the checklist, and whether there was anything to do.

    Raises:
      InputError: there is no such evaluation, it is of another model or of other data, or the template library
        is not installed.
    """
    results = read_results(data, run, split)
    paths = [_path(run, split, "report.html"), _path(run, split, "model_card.md"), _path(run, split, "claim.md")]
    mark = fingerprint(results, SCHEMA)
    if all(path.is_file() and mark in path.read_text(encoding="utf-8") for path in paths):
        return paths, False
    require_templates()
    from segmenter.report.claim import claim_checklist
    from segmenter.report.model_card import model_card
    from segmenter.report.page import report_page

    with locked(run.folder, "segmenter report", shared="evaluation"):
        write_text(paths[0], report_page(results, mark))
        write_text(paths[1], model_card(results, mark))
        write_text(paths[2], claim_checklist(results, mark))
    return paths, True


def write_claim(data: DataSet, run: Run, split: str) -> tuple[Path, str]:
    """Writes the checklist alone, of a trained run that may not be evaluated yet.

    Returns:
      The file, and a sentence on how many items the run fills.

    Raises:
      InputError: as `read_run`, or the template library is not installed.
    """
    results = read_run(data, run, split)
    require_templates()
    from segmenter.report.claim import claim_checklist, claim_rows, claim_sentence

    path = _path(run, split, "claim.md")
    with locked(run.folder, "segmenter report", shared="evaluation"):
        write_text(path, claim_checklist(results, fingerprint(results, SCHEMA)))
    return path, claim_sentence(claim_rows(results))


def _path(run: Run, split: str, name: str) -> Path:
    """A file in the run's folder; for another split than test its name contains the split."""
    path = run.folder / name
    return path if split == "test" else path.with_stem(f"{path.stem}_{split}")
