"""Applies models to images."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.files import BAD_INPUT, DONE, InputError, add_json, print_json
from segmenter.commands.arguments import RUN_HELP, add_command, folder_to_write, probability

if TYPE_CHECKING:
    from segmenter.configuration import InferSettings
    from segmenter.data.dataset import DataSet
    from segmenter.inference.plan import Plan


def add(commands) -> None:
    """Adds the command and its arguments."""
    parser = add_command(
        commands,
        "infer",
        execute,
        "apply a trained model, or several, to images",
        "Writes masks (0 and 255; with several classes their indices), probabilities of any lesion (16 bit) and overlays "
        "(prediction orange, ground truth green where it is known) as PNG at each image's own size, and lesions.csv, one row "
        "per lesion. Images may be JPEG, PNG, TIFF or DICOM of any size; one that cannot be read is reported and skipped. "
        "DICOM images get DICOM SEGs, binary and fractional, in addition to PNGs. A model that takes both images of a view finds "
        "the other one by name (P1_L_DM_CC, P1_L_CM_CC) or DICOM tags, among the given images and in their folders; partners.csv "
        "lists which were used. Options override [infer] and [tiledinfer] "
        "of the first run.",
        dataset=False,
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "--name",
        nargs="+",
        metavar="RUN",
        help=f"{RUN_HELP}; several average their probabilities",
    )
    which.add_argument("--model", type=Path, nargs="+", metavar="FILE", help="model files, .keras or .onnx; needs --output")
    parser.add_argument(
        "--images",
        type=Path,
        nargs="+",
        metavar="PATH",
        default=[],
        help="files, or folders with all images below them (default: the originals of DATASET/test, or of the run's fold)",
    )
    parser.add_argument(
        "--output",
        type=folder_to_write,
        metavar="DIR",
        help="default: DATASET/runs/RUN/predictions, or predictions-ensemble in the first of several runs; an earlier "
        "inference there is replaced",
    )
    parser.add_argument(
        "--tiled",
        action="store_true",
        help="predict overlapping tiles at the images' own resolution, with the settings in [tiledinfer]",
    )
    parser.add_argument(
        "--augmentation",
        choices=("none", "flips", "turns"),
        help="average over the 4 flips, or all 8 rotations and flips, of each image",
    )
    parser.add_argument(
        "--threshold",
        type=_otsu_or_probability,
        metavar="X|otsu",
        help="a pixel is lesion where its probability is at least this; otsu: find the threshold for each image; with several "
        "classes the most probable one counts (default: the run's [infer], or 0.5)",
    )
    parser.add_argument(
        "--smallest-lesion",
        type=_pixels,
        metavar="PX",
        help="drop connected components with fewer pixels, in pixels of the image",
    )
    pictures = parser.add_mutually_exclusive_group()
    pictures.add_argument(
        "--colorize",
        action="store_true",
        help="also write colorized/, masks in the colors of the classes, and merged/, these masks on the image",
    )
    pictures.add_argument(
        "--masks-only",
        action="store_true",
        help="write masks and lesions.csv, but no probabilities and overlays, which take longer than a small network",
    )
    parser.add_argument(
        "--kind",
        choices=("DM", "CM"),
        default="",
        help="low-energy (DM) or subtracted (CM): what those images are that neither names nor DICOM tags identify, for a model "
        "that takes both images of a view",
    )
    parser.add_argument("--strict", action="store_true", help="exit status 2 if any image could not be read")
    add_json(parser)


def _otsu_or_probability(text: str) -> str | float:
    return text if text == "otsu" else probability(text, "otsu")


def _pixels(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text} is not a whole number of pixels, 0 or more")
    return int(text)


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command and returns the exit status."""
    from segmenter.readers import start_readers

    start_readers()  # before the imports that follow, which take as long as theirs
    from segmenter.data.dataset import read_data_set, read_dicom_options, read_source_bits
    from segmenter.inference import run as inference
    from segmenter.inference.jobs import find_jobs
    from segmenter.inference.partners import find_views
    from segmenter.inference.plan import load_backends

    data = read_data_set(arguments.dataset) if arguments.dataset else None
    plan, output = _plan_inference(arguments)
    if data:
        plan = replace(plan, dicom=read_dicom_options(data.folder), source_bits=read_source_bits(data.folder))
    jobs = find_jobs(arguments.images, data and _as_runs_saw(data, arguments), output)
    if plan.partner:
        jobs = find_views(jobs, plan.dicom, arguments.kind)
    elif arguments.kind:
        raise InputError(f"--kind {arguments.kind}: the model takes single images of either kind; leave --kind out")
    identity = inference.inference_identity(plan, jobs)
    result = inference.read_result(output, identity)
    done = result is not None
    if result:
        for message in result.skipped:
            print(f"skipped: {message}", file=sys.stderr)
        for message in result.without_seg:
            print(f"no SEG: {message}", file=sys.stderr)
    else:
        load_backends(plan.model_files)
        result = inference.infer(plan, jobs, output, identity)
    images = len(jobs) - len(result.skipped)
    if arguments.json:
        print_json({"output": output, "up_to_date": done, "images": images, **asdict(result)})
    else:
        if done:
            print(f"{output}: inferred already")
        both = "" if result.with_partner is None else f" ({result.with_partner} with both images of their view)"
        print(f"{output}: {images} images{both}, {result.lesions} lesions, {len(result.skipped)} skipped")
    return BAD_INPUT if arguments.strict and result.skipped else DONE


def _plan_inference(arguments: argparse.Namespace):
    """What the arguments mean: a plan, and the output folder."""
    if arguments.name:
        plan, output = _plan_of_runs(arguments)
    else:
        _check_model_files(arguments)
        plan, output = _plan_of_files(arguments.model), arguments.output
    tiled = plan.tiled if arguments.tiled else None
    return replace(plan, settings=_changed(plan.settings, arguments), tiled=tiled), output


def _plan_of_files(files: Sequence[Path]) -> "Plan":
    """The plan of model files: that of the first one where it is ONNX, whose metadata hold settings, or else the defaults."""
    from segmenter.configuration import InferSettings, TiledInferSettings
    from segmenter.inference.plan import Plan, plan_of
    from segmenter.models.onnx_models import is_onnx

    plans = {file: plan_of(file, tiled=True) for file in files if is_onnx(file)}
    _check_classes([(file, plan.class_names) for file, plan in plans.items()])
    plan = plans.get(files[0], Plan((), InferSettings(), TiledInferSettings()))
    return replace(plan, model_files=tuple(files))


def _check_classes(named: Sequence[tuple[Path, tuple[str, ...]]]) -> None:
    """Raises InputError where the names of classes in several files differ."""
    for path, names in named[1:]:
        first, expected = named[0]
        if names != expected:
            raise InputError(
                f"{path}: has {_describe_classes(names)}, and {first} {_describe_classes(expected)}; an ensemble needs models of "
                "the same classes"
            )


def _describe_classes(names: tuple[str, ...]) -> str:
    return f"the classes {', '.join(names)}" if names else "classes without names"


def _changed(settings: "InferSettings", arguments: argparse.Namespace) -> "InferSettings":
    """The settings, but for what an option says."""
    changes: dict[str, object] = {}
    if arguments.threshold == "otsu":
        changes["algorithm"] = "otsu"
    elif arguments.threshold:
        changes |= {"threshold": arguments.threshold, "algorithm": None}
    if arguments.augmentation:
        changes["augmentation"] = arguments.augmentation
    if arguments.smallest_lesion is not None:
        changes["smallest_lesion_px"] = arguments.smallest_lesion
    if arguments.colorize:
        changes |= {"mask_colorize": True, "masks_only": False}
    if arguments.masks_only:
        changes |= {"masks_only": True, "mask_colorize": False}
    return settings.model_copy(update=changes)


def _plan_of_runs(arguments: argparse.Namespace):
    from segmenter import runs
    from segmenter.inference.plan import Plan

    if not arguments.dataset:
        raise InputError("--name needs DATASET before it, whose run it names; or give a model file with --model")
    trained = [runs.find_trained(arguments.dataset, name) for name in arguments.name]
    first, *others = [runs.read_configuration(run) for run in trained]
    _check_classes([(run.config, each.class_names) for run, each in zip(trained, (first, *others), strict=True)])
    output = trained[0].folder / "predictions-ensemble" if others else trained[0].predictions
    files = tuple(run.best_model for run in trained)
    return Plan(files, first.infer, first.tiledinfer, first.class_names), arguments.output or output


def _as_runs_saw(data: "DataSet", arguments: argparse.Namespace) -> "DataSet":
    """The data set with the splits of the runs' fold, where its test is what they are applied to."""
    from segmenter.runs import data_of, describe_fold, open_run

    if arguments.images or not arguments.name:
        return data
    first, *others = [data_of(open_run(data.folder, name), data) for name in arguments.name]
    for name, other in zip(arguments.name[1:], others, strict=True):
        if other.fold != first.fold:
            raise InputError(
                f"--name {' '.join(arguments.name)}: {arguments.name[0]} was trained on {describe_fold(first.fold)}, and {name} "
                f"on {describe_fold(other.fold)}; one has learnt from what the other held out; name images with --images"
            )
    return first


def _check_model_files(arguments: argparse.Namespace) -> None:
    given = f"--model {' '.join(map(str, arguments.model))}"
    if not arguments.output:
        raise InputError(f"{given}: --output DIR is missing; it says where to write")
    if not arguments.dataset and not arguments.images:
        raise InputError(f"{given}: --images is missing; give files or folders, or a DATASET")
    for file in arguments.model:
        if not file.is_file():
            raise InputError(f"--model {file}: there is no such file")
