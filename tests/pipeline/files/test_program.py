"""Exit statuses, and what a failed run prints."""

import os

import pytest

from pipeline.files import InputError, run_program


@pytest.mark.parametrize(
    ("raised", "status", "message"),
    [
        (None, 0, ""),
        (InputError("no such thing"), 2, "error: no such thing\n"),
        (KeyboardInterrupt(), 130, "interrupted; run the same command again to continue from here"),
        (ValueError("oops"), 3, "internal error: this is a fault of the program"),
    ],
)
def test_exit_status(capsys, raised, status, message):
    def program():
        if raised:
            raise raised

    assert run_program(program) == status
    assert message in capsys.readouterr().err


def test_a_finding_passes_through():
    assert run_program(lambda: 1) == 1


def test_an_input_error_shows_no_trace(capsys):
    def program():
        raise InputError("a.csv: row 3 is short")

    run_program(program)
    assert capsys.readouterr().err.count("\n") == 1
    assert os.sep not in capsys.readouterr().err
