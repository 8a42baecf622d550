"""The command line: arguments, messages, exit status. TensorFlow is imported only where there is work to do."""

from collections.abc import Sequence

from pipeline.files import make_parser, run_command
from segmenter.commands import (
    compare,
    convert_config,
    cross_validate,
    evaluate,
    export,
    infer,
    inspect,
    models,
    preview,
    report,
    schema,
    summary,
    train,
)
from segmenter.crashes import print_crashes

COMMANDS = (
    train,
    evaluate,
    infer,
    export,
    cross_validate,
    report,
    compare,
    summary,
    preview,
    inspect,
    models,
    convert_config,
    schema,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status: 0 done, 2 bad input, 3 internal error, 130 interrupted."""
    parser = make_parser(
        "cesm-segmenter",
        "Trains, evaluates and applies UNets on data set folders of cesm-pipeline.",
        "Exit status: 0 done, 2 usage or bad input, 3 internal error, 130 interrupted. For research only.",
        COMMANDS,
    )
    print_crashes()
    return run_command(parser, argv)
