"""Lists the networks."""

import argparse

from pipeline.files import DONE


def add(commands) -> None:
    """Adds the command and its arguments."""
    help = "list the networks with parameters, sides and papers"
    parser = commands.add_parser(
        "models", help=help, description=f"{help.capitalize()}. All names also with Tensorflow in front."
    )
    parser.set_defaults(command=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command and gives its exit status."""
    from segmenter.configuration.networks import MODEL_SETTINGS
    from segmenter.models import MODELS

    for name, settings in MODEL_SETTINGS.items():
        default = settings.model_validate({})
        print(f"{name}\n  {MODELS[name].parameters:,} parameters with the default settings")
        print(f"  sides: multiples of {default.side_multiple}, from {default.explain_multiple()}")
        print(f"  {settings.paper}")
    return DONE
