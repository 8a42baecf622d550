"""The page of a run: report.html, one file that opens from disk without a network."""

from pipeline.files import dump_toml
from pipeline.page import render
from segmenter.report import cases, charts, contents
from segmenter.report.claim import CLAIM_COLUMNS, claim_rows, claim_sentence
from segmenter.report.results import RunResults


def report_page(results: RunResults, mark: str) -> str:
    """The page as HTML.

    Args:
      mark: a digest of what the page is made from; written into it, to check later whether it is up to date.
    """
    rows = claim_rows(results)
    return render(
        "segmenter.report",
        "report.html",
        mark=mark,
        results=results,
        contents=contents,
        charts=_draw_charts(results),
        cases=cases.by_dice(results),
        missed=cases.missed(results),
        false_alarms=cases.false_alarms(results),
        colors=cases.class_colors(results),
        configuration=dump_toml(results.configuration),
        licence=results.description.get("licence", ""),
        citations=results.description.get("citations", []),
        claim_columns=CLAIM_COLUMNS,
        claim_rows=rows,
        claim_sentence=claim_sentence(rows),
    )


def _draw_charts(results: RunResults) -> dict[str, object]:
    """The charts by name; None where there is nothing to draw."""
    curve, has_lesions = results.curve, bool((results.images["empty_truth"] == 0).any())
    has_curve = len(curve) > 0 and results.has_scores
    history = results.history
    return {
        "training": charts.training_chart(history, results.best_epoch) if history else None,
        "froc": charts.froc_chart(curve, contents.operating_points(results)) if has_curve else None,
        "froc_by_size": charts.froc_by_size_chart(curve) if has_curve else None,
        "strata": charts.strata_chart(results.metrics, contents.dice_name(results)) if has_lesions else None,
        "size": charts.size_chart(results.images, contents.size_detection(results)) if has_lesions else None,
        "folds": charts.folds_chart(results.folds) if results.is_pooled else None,
    }
