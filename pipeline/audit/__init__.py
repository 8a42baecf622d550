"""Checks any folder of train, valid and test pairs: leaks between splits, duplicates, broken pairs, unclean masks."""

from pipeline.audit.auditor import audit
from pipeline.audit.findings import MEANINGS, SCHEMA, AuditFinding, expected_codes, make_finding
from pipeline.audit.samples import describe_missing_splits, list_samples

__all__ = [
    "MEANINGS",
    "SCHEMA",
    "AuditFinding",
    "audit",
    "describe_missing_splits",
    "expected_codes",
    "list_samples",
    "make_finding",
]
