"""Lists the networks."""

import argparse

from pipeline.files import DONE, add_command


def add(commands) -> None:
    """Adds the command and its arguments."""
    add_command(
        commands,
        "models",
        execute,
        "list the networks with parameters, sides and papers",
        "Each name may also be written with Tensorflow in front.",
    )


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command and returns the exit status."""
    from segmenter.configuration.networks import MODEL_SETTINGS, describe_sides
    from segmenter.models import MODELS

    for name, settings in MODEL_SETTINGS.items():
        default = settings.model_validate({})
        print(f"{name}\n  {MODELS[name].parameters:,} parameters with the default settings")
        print(f"  sides: {describe_sides(settings)}, from {default.explain_multiple()}")
        print(f"  {settings.paper}")
    return DONE
