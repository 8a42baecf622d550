"""The page of a run: report.html, one file that opens from disk without a network."""

from pipeline.files import dump_toml
from pipeline.page import render
from segmenter.report import cases, charts, contents
from segmenter.report.results import Material

LICENCE = "Licence and citations"  # a heading of the data set's card


def report_page(material: Material, mark: str) -> str:
    """The page as HTML.

    Args:
      mark: what the page was made from, written into it so that it can be told whether it is up to date.
    """
    return render(
        "segmenter.report",
        "report.html",
        mark=mark,
        material=material,
        contents=contents,
        charts=_draw_charts(material),
        cases=cases.by_dice(material),
        missed=cases.missed(material),
        false_alarms=cases.false_alarms(material),
        colors=cases.class_colors(material),
        configuration=dump_toml(material.configuration),
        licence=material.card.get(LICENCE, ""),
    )


def _draw_charts(material: Material) -> dict[str, object]:
    """The charts by name; one that there are no figures for is None."""
    curve, has_lesions = material.curve, bool((material.images["empty_truth"] == 0).any())
    history = material.history
    return {
        "training": charts.training_chart(history, material.best_epoch) if history else None,
        "froc": charts.froc_chart(curve, contents.operating_points(material)) if len(curve) else None,
        "froc_by_size": charts.froc_by_size_chart(curve) if len(curve) else None,
        "strata": charts.strata_chart(material.figures, contents.dice_name(material)) if has_lesions else None,
        "size": charts.size_chart(material.images, contents.size_detection(material)) if has_lesions else None,
        "folds": charts.folds_chart(material.folds) if material.is_pooled else None,
    }
