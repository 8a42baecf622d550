"""The items of CLAIM, a checklist for papers, as far as a run's files fill them."""

from segmenter.report.claim.checklist import CLAIM_COLUMNS, claim_checklist, claim_rows, claim_sentence

__all__ = ["CLAIM_COLUMNS", "claim_checklist", "claim_rows", "claim_sentence"]
