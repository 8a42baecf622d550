"""The checklist of a run: one row per item of CLAIM, as a table for the page and as a file of its own."""

from pipeline.page import render
from segmenter.evaluation.formatting import NONE
from segmenter.report.claim.items import ITEMS
from segmenter.report.results import RunResults

CLAIM_COLUMNS = ("item", "subject", "known from this run", "for the author")


def claim_rows(results: RunResults) -> list[tuple[int, str, str, str]]:
    """One row per item (CLAIM_COLUMNS); what the run does not know is left to the author."""
    rows = []
    for item in ITEMS:
        known = item.known(results)
        rows.append((item.number, item.subject, known or NONE, item.left(results) or NONE if known else item.task))
    return rows


def claim_sentence(rows: list[tuple[int, str, str, str]]) -> str:
    """A sentence on how many items are complete, begun and left to the author."""
    complete = sum(row[3] == NONE for row in rows)
    left = sum(row[2] == NONE for row in rows)
    begun = len(rows) - complete - left
    return f"Of {len(rows)} items, this run fills {complete}, begins {begun}, and leaves {left} to the author."


def claim_checklist(results: RunResults, mark: str) -> str:
    """The checklist as Markdown.

    Args:
      mark: a digest of what it is made from; written into it, to check later whether it is up to date.
    """
    rows = claim_rows(results)
    return render(
        "segmenter.report",
        "claim.md",
        mark=mark,
        results=results,
        columns=CLAIM_COLUMNS,
        rows=rows,
        sentence=claim_sentence(rows),
    )
