"""Writes a run's report and model card, unless both are there and up to date."""

from pathlib import Path

from pipeline.files import locked, write_text
from pipeline.page import require_templates
from segmenter.data.dataset import DataSet
from segmenter.report.results import fingerprint, read_results
from segmenter.runs import Run

SCHEMA = 4  # of both files; a higher number makes existing reports out of date


def write_report(data: DataSet, run: Run, split: str) -> tuple[list[Path], bool]:
    """Writes the report and the model card of a run's evaluation, unless both are there for it already.

    Args:
      data: the data set, with the folder's own splits.
      run: an evaluated run, or a cross-validation.
      split: the evaluated split; for `test` the report is report.html, for other splits report_<split>.html.

    Returns:
      The report and the model card, and whether there was anything to do.

    Raises:
      InputError: there is no such evaluation, it is of another model or of other data, or the template library
        is not installed.
    """
    results = read_results(data, run, split)
    suffix = "" if split == "test" else f"_{split}"
    paths = [run.folder / f"report{suffix}.html", run.folder / f"model_card{suffix}.md"]
    mark = fingerprint(results, SCHEMA)
    if all(path.is_file() and mark in path.read_text(encoding="utf-8") for path in paths):
        return paths, False
    require_templates()
    from segmenter.report.model_card import model_card
    from segmenter.report.page import report_page

    with locked(run.folder, "segmenter report", shared="evaluation"):
        write_text(paths[0], report_page(results, mark))
        write_text(paths[1], model_card(results, mark))
    return paths, True
