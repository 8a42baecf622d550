"""Applies models to images of any size: the plan, the images, and the loop over them.

An image is letterboxed straight to the model's side, or predicted in tiles at its own resolution. Training averages a
data set's square image down to the model's side, and that image is itself an area average of the source, so letterboxed
images have the same pixels up to rounding.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import cv2
import numpy as np

from pipeline.contract import DATASET_MARK, IMAGE_SUFFIXES, SPLITS, SourceError
from pipeline.files import InputError, locked, name_problem, progress, sha256, shorten, stamp_of
from pipeline.sources import (
    DEFAULT_DICOM,
    DicomOptions,
    describe_unread_images,
    find_files,
    find_unread_images,
    has_dicom_mark,
    read_image,
    stem_of,
)
from segmenter.configuration import InferSettings, TiledInferSettings, default_class_names
from segmenter.data.dataset import DataSet, Sample
from segmenter.inference import dicom_seg
from segmenter.inference.ensembles import AnyPredictor, AugmentedPredictor, Ensemble
from segmenter.inference.lesion_table import lesion_rows, write_lesions
from segmenter.inference.outputs import Prediction, clear_outputs, read_mark, write_mark, write_pictures, write_segmentations
from segmenter.inference.thresholding import threshold_mask
from segmenter.inference.tiling import predict_tiled, predict_whole
from segmenter.pictures import lesion_colors


@dataclass(frozen=True)
class Plan:
    """The models and settings that images are predicted with.

    Attributes:
      model_files: several form an ensemble.
      tiled: None for one pass over the whole image.
      class_names: the names of the lesion classes; empty for the default names.
      dicom: how DICOM images are read.
      source_bits: how many bits the levels in PNG and TIFF files of 16 bits use; None for what each file states.
    """

    model_files: tuple[Path, ...]
    settings: InferSettings
    tiled: TiledInferSettings | None = None
    class_names: tuple[str, ...] = ()
    dicom: DicomOptions = DEFAULT_DICOM
    source_bits: int | None = None


@dataclass(frozen=True)
class Job:
    """One image to predict, the stem of its outputs, and its ground truth mask where there is one."""

    name: str
    image: Path
    ground_truth: Path | None = None


@dataclass
class InferenceResult:
    """The outcome of an inference.

    Attributes:
      skipped: the images that could not be read, each with a reason.
      lesions: the number of predicted lesions.
      without_seg: the DICOM images that got no SEG, each with a reason; or one reason for all.
    """

    skipped: list[str] = field(default_factory=list)
    lesions: int = 0
    without_seg: list[str] = field(default_factory=list)


def find_jobs(paths: Sequence[Path], data: DataSet | None, output: Path | None = None) -> list[Job]:
    """Finds the images to predict: files, and all images below folders.

    Args:
      paths: a split's own images folder stands for the split's originals; without paths, those of `test` are taken.
      data: the data set, if there is one.
      output: images below it were written by an earlier inference, and are left out.

    Raises:
      InputError: a path does not exist, or a folder holds no images.
    """
    if not paths and data:
        return [_job_of(sample) for sample in originals(data, "test")]
    masks: dict[Path, Path | None] = {}
    for path in paths:
        if not path.exists():
            raise InputError(f"--images {path}: is not there")
        split = next((split for split in SPLITS if data and _is_same(path, data.folder / split / "images")), None)
        if data and split:
            masks |= {sample.image: sample.mask for sample in originals(data, split)}
        elif path.is_dir():
            files = [file for file in find_files(path, IMAGE_SUFFIXES, dicom=True) if not (output and _is_below(file, output))]
            unread = describe_unread_images(find_unread_images(path))
            if not files:
                raise InputError(
                    f"--images {path}: holds no images; expected {', '.join(sorted(IMAGE_SUFFIXES))}, or DICOM of any name"
                    + (f"; {unread}" if unread else "")
                )
            if unread:
                print(f"{path}: {unread}", file=sys.stderr)
            masks |= dict.fromkeys(files)
        else:
            masks[path] = None
    return [Job(name, image, masks[image]) for name, image in name_outputs(list(masks)).items()]


def originals(data: DataSet, split: str) -> list[Sample]:
    """The samples of a split that are neither turned nor flipped.

    Raises:
      InputError: the split has none.
    """
    if not (samples := [sample for sample in data.split(split) if sample.is_original]):
        raise InputError(f"{data.folder}: the split {split} holds only turned and flipped images; name others with --images")
    return samples


def _job_of(sample: Sample) -> Job:
    return Job(sample.name, sample.image, sample.mask)


def _is_below(file: Path, folder: Path) -> bool:
    # Unlike Path.resolve, this raises nothing for a link that leads back to itself.
    return Path(os.path.realpath(file)).is_relative_to(os.path.realpath(folder))


def _is_same(path: Path, other: Path) -> bool:
    return other.exists() and path.samefile(other)


def name_outputs(images: Sequence[Path]) -> dict[str, Path]:
    """Names each image's outputs by its stem, or where several images share a stem, by their paths below a common folder.

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
            if problem := name_problem(name):
                raise InputError(f"{shorten(str(image))}: its name {problem}, and its outputs would have it too; rename it")
            if name in names:
                raise InputError(f"{image}: its outputs would be named {name}, like those of {names[name]}; rename one of them")
            names[name] = image
    return names


def inference_identity(plan: Plan, jobs: Sequence[Job]) -> dict[str, object]:
    """What an inference depends on, in JSON's types; where it is unchanged there is nothing to do."""
    # Only for DICOM images, so that inferences on others stay valid. Once highdicom is installed, the SEGs are still to come.
    segmentations: dict[str, object] = {}
    if _holds_dicom(jobs):
        segmentations = {"segmentations": True} if dicom_seg.can_write() else {}
        segmentations["dicom"] = plan.dicom.model_dump(mode="json")
    if plan.source_bits:
        segmentations["source_bits"] = plan.source_bits
    return segmentations | {
        "models_sha256": [sha256(file) for file in plan.model_files],
        "infer": plan.settings.model_dump(mode="json", exclude={"batch_size"}),
        "tiledinfer": plan.tiled and plan.tiled.model_dump(mode="json"),
        "class_names": list(plan.class_names),
        "images": [[job.name, *_stamp(job.image), *(_stamp(job.ground_truth) if job.ground_truth else ())] for job in jobs],
    }


def _holds_dicom(jobs: Sequence[Job]) -> bool:
    return any(has_dicom_mark(job.image) for job in jobs)


def _stamp(path: Path) -> tuple[str, int, int]:
    return str(path), *stamp_of(path)


def read_result(output: Path, identity: dict[str, object]) -> InferenceResult | None:
    """The outcome of an earlier inference of the same identity, or None where it has yet to be run."""
    mark = read_mark(output)
    if mark.get("identity") != identity:
        return None
    if report := mark.get("report"):  # as the previous version wrote it, which counted findings
        return InferenceResult(report["skipped"], report["findings"], report["without_seg"])
    if not (result := mark.get("result")):
        return None
    return InferenceResult(result["skipped"], result["lesions"], result["without_seg"])


def infer(plan: Plan, jobs: Sequence[Job], output: Path, identity: dict[str, object]) -> InferenceResult:
    """Predicts each image and writes `masks`, `probabilities`, `overlays` and more at source size, then `lesions.csv`.

    SEGs of DICOM images go to `segmentations`. An image that cannot be read is reported and skipped. Outputs of an
    earlier inference in the folder are removed first.

    Raises:
      InputError: a model file holds no model or does not fit the others, a ground truth mask cannot be read, or none of
        the images can be read.
    """
    with locked(output, "segmenter infer"):
        return _infer(plan, jobs, output, identity)


def _infer(plan: Plan, jobs: Sequence[Job], output: Path, identity: dict[str, object]) -> InferenceResult:
    predictor = load_models(plan)
    clear_outputs(output)
    # Written before the work, so that an interrupted inference can be cleared, too.
    write_mark(output, identity)
    result, rows = InferenceResult(), []
    class_names = plan.class_names or default_class_names(max(1, predictor.classes - 1))
    colors = lesion_colors(plan.settings.mask_colors, len(class_names))
    algorithm = _algorithm_of_jobs(plan, predictor, jobs, result)
    for job, prediction in _predict(predictor, plan, jobs, result):
        write_pictures(output, job.name, prediction, job.ground_truth, colors, class_names, colored=plan.settings.mask_colorize)
        if algorithm and has_dicom_mark(job.image):
            try:
                write_segmentations(output, job.name, job.image, prediction, class_names, algorithm)
            except dicom_seg.SegmentationError as error:
                _report_without_seg(result, f"{job.image}: {error}")
        rows += [{"image": job.name} | row for row in lesion_rows(prediction.mask, prediction.probabilities, class_names)]
    if len(result.skipped) == len(jobs):
        raise InputError(f"none of the {len(jobs)} images can be read; the first: {result.skipped[0]}")
    write_lesions(output, rows)
    result.lesions = len(rows)
    write_mark(output, identity, asdict(result))
    return result


def load_models(plan: Plan) -> AnyPredictor:
    """Loads the predictor of a plan: its model, or the mean of several, averaged over views where its settings say so.

    Raises:
      InputError: a file holds no model, or one that does not fit the others.
    """
    from segmenter.models.saved_models import load_predictor

    predictors = [load_predictor(file) for file in plan.model_files]
    predictor: AnyPredictor = predictors[0] if len(predictors) == 1 else Ensemble(predictors)
    views = plan.settings.augmentation
    return predictor if views == "none" else AugmentedPredictor(predictor, views)


def predict_image(image: np.ndarray, predictor: AnyPredictor, plan: Plan) -> Prediction:
    """Predicts one image, (height, width) or (height, width, 3) uint8, at its own size."""
    probabilities = predict_tiled(image, predictor, plan.tiled) if plan.tiled else predict_whole([image], predictor)[0]
    return Prediction(as_gray(image), probabilities, threshold_mask(probabilities, plan.settings))


def as_gray(image: np.ndarray) -> np.ndarray:
    """The luma of an image, (height, width) uint8, for pictures."""
    return image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


def _predict(
    predictor: AnyPredictor, plan: Plan, jobs: Sequence[Job], result: InferenceResult
) -> Iterator[tuple[Job, Prediction]]:
    """The predictions of the images that can be read, at source size; one batch in memory at a time."""
    batch_size = 1 if plan.tiled else plan.settings.batch_size
    starts = range(0, len(jobs), batch_size)
    for start in progress(starts, len(starts), "inferring", "images" if plan.tiled else "batches"):
        batch = jobs[start : start + batch_size]
        read = [(job, image) for job in batch if (image := _read(job, plan, predictor, result)) is not None]
        images = [image for _, image in read]
        if plan.tiled:
            predicted = [predict_tiled(image, predictor, plan.tiled) for image in images]
        else:
            predicted = predict_whole(images, predictor) if images else []
        for (job, image), probabilities in zip(read, predicted, strict=True):
            yield job, Prediction(as_gray(image), probabilities, threshold_mask(probabilities, plan.settings))


def read_for(predictor: AnyPredictor, path: Path, plan: Plan) -> np.ndarray:
    """Reads an image as the model saw its like in training: gray for one channel, color for three."""
    # Images of a data set that the pipeline wrote use all bits; others, what they or the recipe state.
    is_ours = (path.parent.parent.parent / DATASET_MARK).is_file()
    return read_image(path, dicom=plan.dicom, color=predictor.channels == 3, stated_bits=16 if is_ours else plan.source_bits)


def _read(job: Job, plan: Plan, predictor: AnyPredictor, result: InferenceResult) -> np.ndarray | None:
    try:
        return read_for(predictor, job.image, plan)
    except SourceError as error:
        result.skipped.append(f"{job.image}: {error}")
        print(f"skipped: {result.skipped[-1]}", file=sys.stderr)
        return None


def _algorithm_of_jobs(
    plan: Plan, predictor: AnyPredictor, jobs: Sequence[Job], result: InferenceResult
) -> dicom_seg.Algorithm | None:
    """The algorithm that SEGs record; None where no SEGs are to be written."""
    if not _holds_dicom(jobs):
        return None
    if not dicom_seg.can_write():
        _report_without_seg(result, dicom_seg.MISSING)
        return None
    return describe_algorithm(plan, predictor)


def describe_algorithm(plan: Plan, predictor: AnyPredictor) -> dicom_seg.Algorithm:
    """The algorithm that a DICOM SEG records: the network, the hashes of the model files, and the settings."""
    parameters = plan.settings.model_dump(mode="json", exclude={"batch_size", "mask_colorize", "mask_colors"})
    if plan.tiled:
        parameters |= plan.tiled.model_dump(mode="json")
    return dicom_seg.Algorithm(predictor.network, tuple(sha256(file) for file in plan.model_files), parameters)


def _report_without_seg(result: InferenceResult, reason: str) -> None:
    result.without_seg.append(reason)
    print(f"no SEG: {reason}", file=sys.stderr)
