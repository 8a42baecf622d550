"""Lists the networks."""

import argparse

import pydantic

from pipeline.files import DONE, add_command


def add(commands) -> None:
    """Adds the command and its arguments."""
    add_command(
        commands,
        "models",
        execute,
        "list the networks with parameters, sides and papers",
        "All names also with Tensorflow in front.",
    )


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command and gives its exit status."""
    from segmenter.configuration.networks import MODEL_SETTINGS
    from segmenter.models import MODELS

    for name, settings in MODEL_SETTINGS.items():
        default = settings.model_validate({})
        print(f"{name}\n  {MODELS[name].parameters:,} parameters with the default settings")
        print(f"  sides: {describe_sides(settings)}, from {default.explain_multiple()}")
        print(f"  {settings.paper}")
    return DONE


def describe_sides(settings) -> str:
    """The sides that a network's default settings take: multiples of a number, or those of them that also fit."""
    multiple = settings.model_validate({}).side_multiple
    sides = range(multiple * -(-11 // multiple), 513, multiple)
    fitting = [side for side in sides if _takes(settings, side)]
    return f"multiples of {multiple}" if fitting == list(sides) else f"{', '.join(map(str, fitting))} (up to 512)"


def _takes(settings, side: int) -> bool:
    try:
        settings(image_width=side, image_height=side)
    except pydantic.ValidationError:
        return False
    return True
