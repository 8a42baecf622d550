"""Applies a model to images of any size and writes masks, probabilities, overlays and a table of findings.

An image is letterboxed straight to the model's side. Training averages a data set's square image down to that side,
and that image is itself an area average of the source, so both see the same pixels but for rounding.
"""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import cv2
import numpy as np

from pipeline.files import InputError, progress, sha256, write_csv, write_text
from pipeline.geometry import square_image, unsquare
from pipeline.sources import SUFFIXES, SourceError, find_files, read_image
from segmenter.folders import SPLITS, DataSet, Sample
from segmenter.pictures import draw_overlay, write_png

FINDING_COLUMNS = (
    "image",
    "finding",
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
OUTPUTS = ("masks", "probabilities", "overlays")


@dataclass(frozen=True)
class Job:
    """One image to look at, the stem of its outputs, and the mask that tells the truth where it is known."""

    name: str
    image: Path
    truth: Path | None = None


@dataclass
class Report:
    """What an inference did: the images that could not be read, each with a reason, and the number of findings."""

    skipped: list[str] = field(default_factory=list)
    findings: int = 0


def find_jobs(paths: Sequence[Path], data: DataSet | None) -> list[Job]:
    """The images at some paths: files, and all images below folders.

    Args:
      paths: a split's own images folder stands for the split's originals; without paths, that of `test` is taken.
      data: the data set, if there is one.

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
            if not (files := find_files(path, SUFFIXES)):
                raise InputError(f"--images {path}: holds no image; wanted files that end in {', '.join(sorted(SUFFIXES))}")
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


def _same(path: Path, other: Path) -> bool:
    return other.exists() and path.samefile(other)


def name_outputs(images: Sequence[Path]) -> dict[str, Path]:
    """A name for each image's outputs: its stem, or where several share one, their whole path below a common folder.

    Raises:
      InputError: two names are still the same.
    """
    stems: dict[str, list[Path]] = {}
    for image in images:
        stems.setdefault(image.stem, []).append(image)
    names: dict[str, Path] = {}
    for stem, sharing in stems.items():
        common = os.path.commonpath([image.absolute().parent for image in sharing])
        for image in sharing:
            name = stem if len(sharing) == 1 else "__".join(image.absolute().relative_to(common).parts)
            if name in names:
                raise InputError(f"{image}: its outputs would be named {name}, as those of {names[name]}; rename one")
            names[name] = image
    return names


def inference_identity(model_file: Path, jobs: Sequence[Job], threshold: float) -> dict[str, object]:
    """What an inference depends on; the same again means that there is nothing to do."""
    stats = [(job, job.image.stat()) for job in jobs]
    return {
        "model_sha256": sha256(model_file),
        "threshold": threshold,
        "images": [[job.name, str(job.image), found.st_size, found.st_mtime_ns] for job, found in stats],
    }


def read_report(output: Path, identity: dict[str, object]) -> Report | None:
    """What an earlier inference of the same identity did, or None where it has to be done."""
    mark = _read_mark(output)
    return Report(**mark["report"]) if mark.get("identity") == identity and mark.get("report") else None


def _read_mark(output: Path) -> dict:
    try:
        return json.loads((output / MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def infer(model_file: Path, jobs: Sequence[Job], output: Path, identity: dict[str, object], batch_size: int) -> Report:
    """Predicts each image and writes `masks`, `probabilities` and `overlays` at source size, then `findings.csv`.

    An image that cannot be read is told and skipped. Outputs of an earlier inference in the folder are removed first.

    Raises:
      InputError: the model is none, or no image at all can be read.
    """
    from segmenter.saved_models import load_predictor

    predictor = load_predictor(model_file)
    _clear(output)
    # Written before the work, so that a broken inference can be cleared, too.
    write_text(output / MARK, json.dumps({"identity": identity}) + "\n")
    report, findings = Report(), []
    threshold = float(str(identity["threshold"]))
    for job, gray, probabilities in _predict(predictor, jobs, batch_size, report):
        mask = np.where(probabilities >= threshold, np.uint8(255), np.uint8(0))
        _write_outputs(output, job, gray, mask, probabilities)
        findings += [{"image": job.name} | finding for finding in find_lesions(mask, probabilities)]
    if len(report.skipped) == len(jobs):
        raise InputError(f"none of the {len(jobs)} images can be read; the first: {report.skipped[0]}")
    write_csv(output / "findings.csv", FINDING_COLUMNS, findings)
    report.findings = len(findings)
    write_text(output / MARK, json.dumps({"identity": identity, "report": asdict(report)}, indent=1) + "\n")
    return report


def _clear(output: Path) -> None:
    for name, *_ in _read_mark(output).get("identity", {}).get("images", []):
        for folder in OUTPUTS:
            (output / folder / f"{name}.png").unlink(missing_ok=True)
    for name in ("findings.csv", MARK):
        (output / name).unlink(missing_ok=True)


def _predict(predictor, jobs: Sequence[Job], batch_size: int, report: Report) -> Iterator[tuple[Job, np.ndarray, np.ndarray]]:
    """Job, gray image and probabilities, both (height, width) at source size; a batch in memory at a time."""
    starts = range(0, len(jobs), batch_size)
    for start in progress(starts, len(starts), "inferring", "batches"):
        read = [(job, gray) for job in jobs[start : start + batch_size] if (gray := _read(job, report)) is not None]
        if not read:
            continue
        squares = np.stack([square_image(gray, predictor.side) for _, gray in read])[..., None]
        squares = np.repeat(squares, predictor.channels, axis=-1)
        for (job, gray), probabilities in zip(read, predictor.predict(squares), strict=True):
            height, width = gray.shape
            yield job, gray, unsquare(probabilities[..., 0], width, height)


def _read(job: Job, report: Report) -> np.ndarray | None:
    try:
        return read_image(job.image)
    except SourceError as error:
        report.skipped.append(f"{job.image}: {error}")
        print(f"skipped: {report.skipped[-1]}", file=sys.stderr)
        return None


def _write_outputs(output: Path, job: Job, gray: np.ndarray, mask: np.ndarray, probabilities: np.ndarray) -> None:
    truth = cv2.imread(str(job.truth), cv2.IMREAD_GRAYSCALE) if job.truth else None
    overlay = draw_overlay(gray, mask, None if truth is None else truth >= 128)
    levels = np.rint(probabilities * np.float32(65535)).astype(np.uint16)
    write_png(output / "masks" / f"{job.name}.png", mask, cv2.IMWRITE_PNG_BILEVEL, 1)
    write_png(output / "probabilities" / f"{job.name}.png", levels)
    write_png(output / "overlays" / f"{job.name}.png", overlay)


def find_lesions(mask: np.ndarray, probabilities: np.ndarray) -> list[dict[str, object]]:
    """The connected parts of a mask (edges and corners connect), the largest first.

    Args:
      mask: (height, width) uint8, nonzero is lesion.
      probabilities: (height, width) float32.

    Returns:
      A row of `findings.csv` each, without the image's name: area, box and centre in source pixels, a whole number
      being a pixel's centre.
    """
    count, labels, stats, centres = cv2.connectedComponentsWithStats(mask, connectivity=8)
    sums = np.bincount(labels.ravel(), probabilities.ravel(), minlength=count)
    order = sorted(range(1, count), key=lambda label: -stats[label, cv2.CC_STAT_AREA])
    rows = []
    for number, label in enumerate(order, 1):
        left, top, width, height, area = (int(value) for value in stats[label])
        rows.append(
            {
                "finding": number,
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
