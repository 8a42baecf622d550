"""How the command line is read: versions, suggestions, the check that does no work, and JSON."""

import argparse
import json
import platform
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

import pipeline.cli
import segmenter.cli
from pipeline.files import InputError, add_command, make_parser, print_json, run_command


@pytest.mark.parametrize(("program", "name"), [(pipeline.cli, "cesm-pipeline"), (segmenter.cli, "cesm-segmenter")])
def test_the_version_is_that_of_the_distribution_and_of_python(program, name, capsys):
    with pytest.raises(SystemExit) as end:
        program.main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"{name} {metadata.version('cesm-segmentation')}, Python {platform.python_version()}\n"


@pytest.mark.parametrize(
    ("program", "arguments", "usage", "message"),
    [
        pytest.param(
            pipeline.cli,
            ["dataset", "--raw", "x", "--recpie", "v2"],
            "usage: cesm-pipeline dataset [-h]",
            "cesm-pipeline dataset: error: unknown option --recpie; did you mean --recipe?\n",
            id="before what is missing",
        ),
        pytest.param(
            pipeline.cli,
            ["audit", "x", "--zebra"],
            "usage: cesm-pipeline audit [-h]",
            "cesm-pipeline audit: error: unknown option --zebra\n",
            id="nothing is like it",
        ),
        pytest.param(
            pipeline.cli,
            ["audit", "x", "y"],
            "usage: cesm-pipeline audit [-h]",
            "cesm-pipeline audit: error: unexpected argument y; positional arguments go before the options\n",
            id="one too many",
        ),
        pytest.param(
            pipeline.cli,
            ["datset", "--raw", "x"],
            "usage: cesm-pipeline [-h]",
            "cesm-pipeline: error: unknown command datset; did you mean dataset?\n",
            id="command",
        ),
        pytest.param(
            pipeline.cli,
            ["--versoin"],
            "usage: cesm-pipeline [-h]",
            "cesm-pipeline: error: unknown option --versoin; did you mean --version?\n",
            id="option of the program",
        ),
        pytest.param(
            segmenter.cli,
            ["evaluate", "x", "--name", "a", "--thresold=0.4"],
            "usage: cesm-segmenter evaluate [-h]",
            "cesm-segmenter evaluate: error: unknown option --thresold; did you mean --threshold?\n",
            id="with a value",
        ),
        pytest.param(
            segmenter.cli,
            ["trian", "x"],
            "usage: cesm-segmenter [-h]",
            "cesm-segmenter: error: unknown command trian; did you mean train?\n",
            id="command of the segmenter",
        ),
    ],
)
def test_what_is_misspelt_is_reported_with_the_usage_of_its_own_command(program, arguments, usage, message, capsys):
    with pytest.raises(SystemExit) as end:
        program.main(arguments)
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith(usage)
    assert error.endswith(message)


def test_options_may_still_be_shortened(capsys):
    with pytest.raises(SystemExit):
        pipeline.cli.main(["index", "--rec", "v2"])
    assert "the following arguments are required: --raw, --out" in capsys.readouterr().err


def a_program(execute, check):
    """A program with one command `go`."""
    module = argparse.Namespace(add=lambda commands: add_command(commands, "go", execute, "go there", check=check))
    return make_parser("program", "", "", [module])


def test_a_check_calls_the_check_and_not_the_command(capsys):
    def refuse(arguments):
        raise InputError("no such recipe")

    def fail(arguments):
        raise AssertionError

    assert run_command(a_program(fail, refuse), ["--check", "go"]) == 2
    assert capsys.readouterr().err == "error: no such recipe\n"
    assert run_command(a_program(fail, lambda arguments: None), ["--check", "go"]) == 0
    assert run_command(a_program(lambda arguments: 1, refuse), ["go"]) == 1


def test_json_holds_paths_as_text_and_no_nan(capsys):
    print_json({"a": Path("x/y"), "b": [np.float64("nan"), np.int64(3), float("inf")], 1: (None, 0.5)})
    assert json.loads(capsys.readouterr().out) == {"a": "x/y", "b": [None, 3, None], "1": [None, 0.5]}
