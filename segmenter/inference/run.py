"""Applies models to images of any size and writes masks, probabilities, overlays, DICOM SEG and a table of findings.

An image is letterboxed straight to the model's side, or looked at by tiles of its own resolution. Training averages a
data set's square image down to the model's side, and that image is itself an area average of the source, so letterboxed
images are the same pixels but for rounding.
"""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pipeline.contract import IMAGE_SUFFIXES, SPLITS, SourceError
from pipeline.files import InputError, progress, replacing, sha256, write_csv, write_text
from pipeline.sources import DEFAULT_DICOM, DicomOptions, find_files, has_dicom_mark, read_image, stem_of
from segmenter.configuration import InferSettings, TiledInferSettings, default_class_names
from segmenter.data.dataset import DataSet, Sample
from segmenter.inference import dicom_seg
from segmenter.inference.ensembles import AnyPredictor, AugmentedPredictor, Ensemble
from segmenter.inference.thresholding import decide
from segmenter.inference.tiling import predict_tiled, predict_whole
from segmenter.pictures import Color, colorize, draw_overlay, lesion_colors, merge, write_png

FINDING_COLUMNS = (
    "image",
    "finding",
    "class",
    "area_px",
    "box_left",
    "box_top",
    "box_width",
    "box_height",
    "centre_x",
    "centre_y",
    "mean_probability",
)
MARK = "inference.json"
OUTPUTS = (
    *(f"{folder}/{{}}.png" for folder in ("masks", "probabilities", "overlays", "colorized", "merged")),
    *(f"segmentations/{{}}_{kind}.dcm" for kind in dicom_seg.KINDS),
)


@dataclass(frozen=True)
class Plan:
    """What images are looked at with.

    Attributes:
      model_files: more than one are an ensemble.
      tiled: None for one look at the whole image.
      class_names: of the lesion classes; empty for the usual ones.
      dicom: how DICOM images are read.
    """

    model_files: tuple[Path, ...]
    settings: InferSettings
    tiled: TiledInferSettings | None = None
    class_names: tuple[str, ...] = ()
    dicom: DicomOptions = DEFAULT_DICOM


@dataclass(frozen=True)
class Job:
    """One image to look at, the stem of its outputs, and the mask that tells the truth where it is known."""

    name: str
    image: Path
    truth: Path | None = None


@dataclass
class Report:
    """What an inference did.

    Attributes:
      skipped: the images that could not be read, each with a reason.
      findings: how many.
      without_seg: the DICOM images beside whose masks no SEG was written, each with a reason; or one reason for all.
    """

    skipped: list[str] = field(default_factory=list)
    findings: int = 0
    without_seg: list[str] = field(default_factory=list)


def find_jobs(paths: Sequence[Path], data: DataSet | None, output: Path | None = None) -> list[Job]:
    """The images at some paths: files, and all images below folders.

    Args:
      paths: a split's own images folder stands for the split's originals; without paths, that of `test` is taken.
      data: the data set, if there is one.
      output: images below it are what an earlier inference wrote, and left out.

    Raises:
      InputError: a path is not there, or a folder holds no image.
    """
    if not paths and data:
        return [_of_sample(sample) for sample in originals(data, "test")]
    found: dict[Path, Path | None] = {}
    for path in paths:
        if not path.exists():
            raise InputError(f"--images {path}: is not there")
        split = next((split for split in SPLITS if data and _same(path, data.folder / split / "images")), None)
        if data and split:
            found |= {sample.image: sample.mask for sample in originals(data, split)}
        elif path.is_dir():
            files = [file for file in find_files(path, IMAGE_SUFFIXES, dicom=True) if not (output and _is_below(file, output))]
            if not files:
                raise InputError(
                    f"--images {path}: holds no image; wanted {', '.join(sorted(IMAGE_SUFFIXES))}, or DICOM of any name"
                )
            found |= dict.fromkeys(files)
        else:
            found[path] = None
    return [Job(name, image, found[image]) for name, image in name_outputs(list(found)).items()]


def originals(data: DataSet, split: str) -> list[Sample]:
    """The samples of a split that are neither turned nor flipped.

    Raises:
      InputError: the split has none.
    """
    if not (samples := [sample for sample in data.split(split) if sample.is_original]):
        raise InputError(f"{data.folder}: the split {split} holds turned and flipped images only; name others with --images")
    return samples


def _of_sample(sample: Sample) -> Job:
    return Job(sample.name, sample.image, sample.mask)


def _is_below(file: Path, folder: Path) -> bool:
    return file.resolve().is_relative_to(folder.resolve())


def _same(path: Path, other: Path) -> bool:
    return other.exists() and path.samefile(other)


def name_outputs(images: Sequence[Path]) -> dict[str, Path]:
    """A name for each image's outputs: its stem, or where several share one, their whole path below a common folder.

    Raises:
      InputError: two names are still the same.
    """
    stems: dict[str, list[Path]] = {}
    for image in images:
        stems.setdefault(stem_of(image), []).append(image)
    names: dict[str, Path] = {}
    for stem, sharing in stems.items():
        common = os.path.commonpath([image.absolute().parent for image in sharing])
        for image in sharing:
            name = stem if len(sharing) == 1 else "__".join(image.absolute().relative_to(common).parts)
            if name in names:
                raise InputError(f"{image}: its outputs would be named {name}, as those of {names[name]}; rename one")
            names[name] = image
    return names


def inference_identity(plan: Plan, jobs: Sequence[Job]) -> dict[str, object]:
    """What an inference depends on, as JSON has it; the same again means that there is nothing to do."""
    # Named only where it is true, so that nothing else is done anew. Once highdicom is installed, the SEGs are to come.
    segmentations: dict[str, object] = {}
    if _holds_dicom(jobs):
        segmentations = {"segmentations": True} if dicom_seg.can_write() else {}
        segmentations["dicom"] = plan.dicom.model_dump(mode="json")
    return segmentations | {
        "models_sha256": [sha256(file) for file in plan.model_files],
        "infer": plan.settings.model_dump(mode="json", exclude={"batch_size"}),
        "tiledinfer": plan.tiled and plan.tiled.model_dump(mode="json"),
        "class_names": list(plan.class_names),
        "images": [[job.name, *_stamp(job.image), *(_stamp(job.truth) if job.truth else ())] for job in jobs],
    }


def _holds_dicom(jobs: Sequence[Job]) -> bool:
    return any(has_dicom_mark(job.image) for job in jobs)


def _stamp(path: Path) -> tuple[str, int, int]:
    found = path.stat()
    return str(path), found.st_size, found.st_mtime_ns


def read_report(output: Path, identity: dict[str, object]) -> Report | None:
    """What an earlier inference of the same identity did, or None where it has to be done."""
    mark = _read_mark(output)
    return Report(**mark["report"]) if mark.get("identity") == identity and mark.get("report") else None


def _read_mark(output: Path) -> dict:
    try:
        return json.loads((output / MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def infer(plan: Plan, jobs: Sequence[Job], output: Path, identity: dict[str, object]) -> Report:
    """Predicts each image and writes `masks`, `probabilities`, `overlays` and more at source size, then `findings.csv`.

    A DICOM image has its SEGs in `segmentations`. An image that cannot be read is told and skipped. Outputs of an
    earlier inference in the folder are removed first.

    Raises:
      InputError: a model is none or does not go with the others, or no image at all can be read.
    """
    predictor = _load(plan)
    _clear(output)
    # Written before the work, so that a broken inference can be cleared, too.
    write_text(output / MARK, json.dumps({"identity": identity}) + "\n")
    report, findings = Report(), []
    class_names = plan.class_names or default_class_names(max(1, predictor.classes - 1))
    colors = lesion_colors(plan.settings.mask_colors, len(class_names))
    algorithm = _tell_algorithm(plan, predictor, jobs, report)
    for job, gray, probabilities in _predict(predictor, plan, jobs, report):
        mask = decide(probabilities, plan.settings)
        _write_outputs(output, job, gray, mask, probabilities, colors)
        if algorithm and has_dicom_mark(job.image):
            _write_segmentations(output, job, report, mask, probabilities, class_names, algorithm)
        if plan.settings.mask_colorize:
            write_png(output / "colorized" / f"{job.name}.png", colorize(mask, colors))
            write_png(output / "merged" / f"{job.name}.png", merge(gray, mask, colors))
        findings += [{"image": job.name} | finding for finding in find_lesions(mask, probabilities, class_names)]
    if len(report.skipped) == len(jobs):
        raise InputError(f"none of the {len(jobs)} images can be read; the first: {report.skipped[0]}")
    write_csv(output / "findings.csv", FINDING_COLUMNS, findings)
    report.findings = len(findings)
    write_text(output / MARK, json.dumps({"identity": identity, "report": asdict(report)}, indent=1) + "\n")
    return report


def _load(plan: Plan) -> AnyPredictor:
    from segmenter.models.saved_models import load_predictor

    predictors = [load_predictor(file) for file in plan.model_files]
    predictor: AnyPredictor = predictors[0] if len(predictors) == 1 else Ensemble(predictors)
    views = plan.settings.augmentation
    return predictor if views == "none" else AugmentedPredictor(predictor, views)


def _clear(output: Path) -> None:
    for name, *_ in _read_mark(output).get("identity", {}).get("images", []):
        for pattern in OUTPUTS:
            (output / pattern.format(name)).unlink(missing_ok=True)
    for name in ("findings.csv", MARK):
        (output / name).unlink(missing_ok=True)


def _predict(
    predictor: AnyPredictor, plan: Plan, jobs: Sequence[Job], report: Report
) -> Iterator[tuple[Job, np.ndarray, np.ndarray]]:
    """Job, gray image, and probabilities, (height, width, classes) at source size; a batch in memory at a time."""
    batch_size = 1 if plan.tiled else plan.settings.batch_size
    starts = range(0, len(jobs), batch_size)
    for start in progress(starts, len(starts), "inferring", "images" if plan.tiled else "batches"):
        read = [(job, gray) for job in jobs[start : start + batch_size] if (gray := _read(job, plan.dicom, report)) is not None]
        grays = [gray for _, gray in read]
        if plan.tiled:
            predicted = [predict_tiled(gray, predictor, plan.tiled) for gray in grays]
        else:
            predicted = predict_whole(grays, predictor) if grays else []
        for (job, gray), probabilities in zip(read, predicted, strict=True):
            yield job, gray, probabilities


def _read(job: Job, dicom: DicomOptions, report: Report) -> np.ndarray | None:
    try:
        return read_image(job.image, dicom=dicom)
    except SourceError as error:
        report.skipped.append(f"{job.image}: {error}")
        print(f"skipped: {report.skipped[-1]}", file=sys.stderr)
        return None


def _write_outputs(
    output: Path, job: Job, gray: np.ndarray, mask: np.ndarray, probabilities: np.ndarray, colors: Sequence[Color]
) -> None:
    truth = _read_truth(job.truth) if job.truth else None
    several = probabilities.shape[-1] > 1
    lesion = 1 - probabilities[..., 0] if several else probabilities[..., 0]
    levels = np.rint(lesion * np.float32(65535)).astype(np.uint16)
    write_png(output / "masks" / f"{job.name}.png", *((mask,) if several else (mask * 255, cv2.IMWRITE_PNG_BILEVEL, 1)))
    write_png(output / "probabilities" / f"{job.name}.png", levels)
    write_png(output / "overlays" / f"{job.name}.png", draw_overlay(gray, mask, truth, colors))


def _tell_algorithm(plan: Plan, predictor: AnyPredictor, jobs: Sequence[Job], report: Report) -> dicom_seg.Algorithm | None:
    """What SEGs say of their making; None where none is to be written."""
    if not _holds_dicom(jobs):
        return None
    if not dicom_seg.can_write():
        _tell_without_seg(report, dicom_seg.MISSING)
        return None
    parameters = plan.settings.model_dump(mode="json", exclude={"batch_size", "mask_colorize", "mask_colors"})
    if plan.tiled:
        parameters |= plan.tiled.model_dump(mode="json")
    return dicom_seg.Algorithm(predictor.network, tuple(sha256(file) for file in plan.model_files), parameters)


def _write_segmentations(
    output: Path,
    job: Job,
    report: Report,
    mask: np.ndarray,
    probabilities: np.ndarray,
    class_names: Sequence[str],
    algorithm: dicom_seg.Algorithm,
) -> None:
    try:
        made = dicom_seg.segmentations(job.image, mask, probabilities, class_names, algorithm)
    except dicom_seg.SegmentationError as error:
        _tell_without_seg(report, f"{job.image}: {error}")
        return
    for kind, data in made.items():
        with replacing(output / "segmentations" / f"{job.name}_{kind}.dcm") as beside:
            beside.write_bytes(data)


def _tell_without_seg(report: Report, words: str) -> None:
    report.without_seg.append(words)
    print(f"no SEG: {words}", file=sys.stderr)


def _read_truth(file: Path) -> np.ndarray | None:
    """A data set's mask as a class map: class indices as they are, grey levels cut at 128."""
    levels = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
    if levels is None:
        return None
    # Up to 15 a PNG holds class indices; in a JPEG such values are only ringing.
    indices = file.suffix.lower() == ".png" and 0 < levels.max() < 16
    return levels if indices else (levels >= 128).astype(np.uint8)


def find_lesions(mask: np.ndarray, probabilities: np.ndarray, class_names: Sequence[str]) -> list[dict[str, object]]:
    """The connected parts of each class in a mask (edges and corners connect), the largest first.

    Args:
      mask: (height, width) uint8: 0 is background, 1, 2, ... are the lesion classes.
      probabilities: (height, width, classes) float32; with several classes the first is the background.
      class_names: of the lesion classes.

    Returns:
      A row of `findings.csv` each, without the image's name: area, box and centre in source pixels, a whole number
      being a pixel's centre, and the mean probability of its class.
    """
    of_lesions = probabilities[..., -len(class_names) :]
    parts = [
        part
        for index, name in enumerate(class_names)
        for part in _connected_parts(mask == index + 1, of_lesions[..., index], name)
    ]
    parts.sort(key=lambda part: -part["area_px"])
    return [{"finding": number} | part for number, part in enumerate(parts, 1)]


def _connected_parts(mask: np.ndarray, probabilities: np.ndarray, class_name: str) -> list[dict[str, Any]]:
    count, labels, stats, centres = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    sums = np.bincount(labels.ravel(), probabilities.ravel(), minlength=count)
    rows: list[dict[str, Any]] = []
    for label in range(1, count):
        left, top, width, height, area = (int(value) for value in stats[label])
        rows.append(
            {
                "class": class_name,
                "area_px": area,
                "box_left": left,
                "box_top": top,
                "box_width": width,
                "box_height": height,
                "centre_x": f"{centres[label][0]:.1f}",
                "centre_y": f"{centres[label][1]:.1f}",
                "mean_probability": f"{sums[label] / area:.4f}",
            }
        )
    return rows
