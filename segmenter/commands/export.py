"""Exports a trained model for other programs."""

import argparse
from pathlib import Path

from pipeline.files import DONE, InputError, add_command

FORMATS = ("onnx", "savedmodel", "litert")


def add(commands) -> None:
    """Adds the command and its arguments."""
    parser = add_command(
        commands,
        "export",
        execute,
        "export a trained model to ONNX, SavedModel or LiteRT",
        "Writes the model for other programs, and compares the probabilities of the export with the model's on a few images; "
        "if they differ by more than 1e-4, nothing is written. `infer --model FILE.onnx` needs no TensorFlow: the settings of "
        "the run are in the file.",
    )
    parser.add_argument("run", metavar="RUN", type=Path, help="DATASET/runs/NAME, or a .keras file")
    parser.add_argument("--format", choices=FORMATS, default="onnx", help="default: onnx")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="default: best_model.onnx, best_model.tflite, or the folder best_model_savedmodel, next to the model",
    )


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command and returns the exit status."""
    from segmenter.backend import load_backend, require_backend
    from segmenter.inference.plan import describe_plan, plan_of

    plan = plan_of(arguments.run, tiled=True)
    (file,) = plan.model_files
    if (backend := require_backend()) != "tensorflow":
        raise InputError(
            f"the exporters are TensorFlow's, and networks run on {backend} here; run it with KERAS_BACKEND=tensorflow, which "
            "reads the models of every backend"
        )
    load_backend()
    from segmenter.models import exporting
    from segmenter.models.saved_models import load_predictor

    output = arguments.output or file.with_name(exporting.default_name(file.stem, arguments.format))
    exporting.require_packages(arguments.format)
    exporting.check_output(output, arguments.format)
    predictor = load_predictor(file)
    difference = exporting.export_model(predictor, arguments.format, output, describe_plan(plan, predictor))
    print(f"{output}: written; its probabilities differ by at most {difference:.2g} from the model's")
    return DONE
