"""The model card of a run."""

from pipeline.page import render
from segmenter.report import contents
from segmenter.report.results import RunResults


def model_card(results: RunResults, mark: str) -> str:
    """A model card as Markdown.

    Args:
      mark: a digest of what the card is made from; written into it, to check later whether it is up to date.

    Source: M. Mitchell et al., "Model Cards for Model Reporting", FAT* 2019, for the sections.
    """
    return render(
        "segmenter.report",
        "model_card.md",
        mark=mark,
        results=results,
        contents=contents,
        licence=results.description.get("licence", ""),
        citations=results.description.get("citations", []),
    )
