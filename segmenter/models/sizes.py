"""Which sizes of input and output a model for prediction may have, whatever the format of its file."""

from pathlib import Path

from pipeline.contract import MOST_CLASSES
from pipeline.files import InputError

MOST_SIDE = 4096  # of a model's input; a mammogram has some 3000 pixels in its longer side


def check_sizes(path: Path, input_shapes: list, output_shapes: list, *, cropped: bool) -> tuple[int, int, int, int]:
    """Checks the shapes of all inputs and outputs of a model: images to probabilities per pixel.

    Args:
      cropped: whether images are cropped to the breast, as its input's name says; others are square.

    Returns:
      Height, width, channels and classes.

    Raises:
      InputError: the model is for something else; the message has its shapes.
    """
    shapes = [*input_shapes, *output_shapes]
    if len(input_shapes) == len(output_shapes) == 1 and all(shape and len(shape) == 4 for shape in shapes):
        (_, *sides, channels), (_, *area, classes) = shapes
        fits = all(isinstance(side, int) and side <= MOST_SIDE for side in sides) and area == sides
        if fits and (cropped or sides[0] == sides[1]) and channels in (1, 3) and classes in range(1, MOST_CLASSES + 2):
            return *sides, channels, classes
    found = " and the output shape ".join(_describe(shapes) for shapes in (input_shapes, output_shapes))
    raise InputError(
        f"{path}: has the input shape {found}; expected one input, "
        f"(None, side, side, 1 or 3) with sides up to {MOST_SIDE}, and one output, (None, side, side, classes) with up to "
        f"{MOST_CLASSES + 1} classes; give a model that `cesm-segmenter train` wrote"
    )


def _describe(shapes: list) -> str:
    return str(shapes[0] if len(shapes) == 1 else shapes)
