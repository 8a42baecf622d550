"""Reject reasons, and the error that carries one."""

import pickle
from pathlib import Path

import pytest

from pipeline.contract import REASONS, Reason, SourceError, find_reason


def test_each_reason_that_is_raised_is_declared_and_explained_in_the_docs():
    text = (Path(__file__).parents[3] / "docs" / "pipeline.md").read_text()
    assert [reason for reason in REASONS if f"`{reason}`" not in text] == []
    with pytest.raises(KeyError, match="no-such-reason is not declared"):
        SourceError("no-such-reason", "is odd")


def test_a_source_error_comes_back_from_another_process_as_it_was():
    error = pickle.loads(pickle.dumps(SourceError("file-empty", "has 0 bytes")))
    assert (error.reason, str(error)) == ("file-empty", "has 0 bytes")


def test_a_reason_of_another_version_is_described_as_such():
    assert find_reason("file-empty") == REASONS["file-empty"]
    assert find_reason("no-such-reason") == Reason("not a reason of this version")
