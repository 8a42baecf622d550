"""Applies models to images."""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

from pipeline.files import BAD_INPUT, DONE, InputError, add_command, add_json, print_json
from segmenter.commands.arguments import RUN_HELP, check_arguments, folder_to_write, probability


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
        "of the first run. Without --name and --model the model that comes with the package is applied: "
        "`cesm-segmenter infer FOLDER`. For research only.",
        check=check_arguments,
    )
    parser.add_argument(
        "dataset",
        metavar="DATASET|IMAGES",
        type=Path,
        nargs="?",
        help="folder with train, valid and test, each with images and masks; without --name and --model also a folder "
        "or file of images",
    )
    which = parser.add_mutually_exclusive_group()
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
        help="default: DATASET/runs/RUN/predictions, or predictions-ensemble in the first of several runs; for the model of the "
        "package predictions-IMAGES in the current folder; an earlier inference there is replaced",
    )
    parser.add_argument(
        "--tiled",
        action="store_true",
        help="predict overlapping tiles at the images' own resolution, with the settings in [tiledinfer]",
    )
    parser.add_argument(
        "--augmentation",
        choices=("none", "flips", "turns"),
        help="average over the 4 flips of each image (flips), or over its 8 rotations and flips (turns)",
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
        help="low-energy (DM) or subtracted (CM): the kind of images whose names and DICOM tags do not state it, for a model "
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
    from segmenter.commands.infer_choices import choose, describe_pretrained, refuse_other_images
    from segmenter.evaluation.formatting import counted
    from segmenter.inference import run as inference
    from segmenter.inference.jobs import find_jobs
    from segmenter.inference.partners import find_views
    from segmenter.inference.plan import load_backends
    from segmenter.inference.views import INVERTED

    choice = choose(arguments)
    plan, output = choice.plan, choice.output
    jobs = find_jobs(choice.images, choice.data, output)
    if plan.partner:
        jobs = find_views(jobs, plan.dicom, arguments.kind)
    elif arguments.kind:
        raise InputError(f"--kind {arguments.kind}: the model takes single images of either kind; leave --kind out")
    if choice.pretrained:
        if not arguments.output:
            refuse_other_images(output, jobs)
        print(describe_pretrained(choice, jobs), file=sys.stderr)
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
    if result.inverted:
        white = f"{counted(len(result.inverted), 'image')} with a white background, the first is {result.inverted[0]}"
        print(f"warning: {white}; {INVERTED}", file=sys.stderr)
    images = len(jobs) - len(result.skipped)
    if arguments.json:
        facts = {"pretrained": choice.pretrained.as_json()} if choice.pretrained else {}
        print_json({"output": output, "up_to_date": done, "images": images, **asdict(result), **facts})
    else:
        if done:
            print(f"{output}: inferred already")
        both = "" if result.with_partner is None else f" ({result.with_partner} with both images of their view)"
        print(f"{output}: {images} images{both}, {result.lesions} lesions, {len(result.skipped)} skipped")
    return BAD_INPUT if arguments.strict and result.skipped else DONE
