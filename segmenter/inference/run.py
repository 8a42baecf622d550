"""Applies models to images of any size, one batch after the other.

An image is letterboxed straight to the model's side, cropped to the breast where the model takes that, or predicted in tiles
at its own resolution. Training averages a data set's square image down to the model's size, and that image is itself an area
average of the source, so letterboxed images have the same pixels up to rounding, and crops the same box to a 512th of the side.
"""

import functools
import itertools
import sys
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from pipeline.contract import CRASHED, REGISTERED, SourceError, find_reason
from pipeline.files import InputError, all_cores, locked, progress, sha256, stamp_of
from pipeline.files.processes import in_order
from pipeline.sources import has_dicom_mark
from segmenter.configuration import default_class_names
from segmenter.inference import dicom_seg
from segmenter.inference.ensembles import AnyPredictor
from segmenter.inference.jobs import Job, View
from segmenter.inference.lesion_table import lesion_rows, write_lesions
from segmenter.inference.outputs import Prediction, clear_outputs, read_mark, write_mark, write_pictures, write_segmentations
from segmenter.inference.plan import Plan, describe_algorithm, load_models
from segmenter.inference.thresholding import threshold_mask
from segmenter.inference.tiling import Predicted, predict_at_side, predict_tiled, predict_whole
from segmenter.inference.views import Input, Row, read_or_reject, write_partners
from segmenter.pictures import lesion_colors
from segmenter.readers import open_readers


@dataclass(frozen=True)
class _Predicted:
    """An image that was read, and its probabilities."""

    job: Job
    image: Input
    probabilities: Predicted


@dataclass(frozen=True)
class _Written:
    """What is known of an image whose files are written.

    Attributes:
      lesions: its rows of lesions.csv.
      partner: its row of the table of partners; None where the model takes single images.
      without_seg: why a DICOM image has no SEG; empty where it has one.
    """

    lesions: list[dict[str, object]]
    partner: Row | None
    without_seg: str


@dataclass
class InferenceResult:
    """The outcome of an inference.

    Attributes:
      skipped: the images that could not be read, each with a reason.
      lesions: the number of predicted lesions.
      without_seg: the DICOM images that got no SEG, each with a reason; or one reason for all.
      with_partner: the number of images that were predicted together with their partner; None where the model takes single
        images.
      inverted: the images whose background is white, so that their gray levels may be inverted.
    """

    skipped: list[str] = field(default_factory=list)
    lesions: int = 0
    without_seg: list[str] = field(default_factory=list)
    with_partner: int | None = None
    inverted: list[str] = field(default_factory=list)


def inference_identity(plan: Plan, jobs: Sequence[Job]) -> dict[str, object]:
    """What an inference depends on, in JSON's types; where it is unchanged there is nothing to do."""
    # Only for DICOM images, so that inferences on others stay valid. Once highdicom is installed, the SEGs are still to come.
    segmentations: dict[str, object] = {}
    if _holds_dicom(jobs):
        segmentations = {"segmentations": True} if dicom_seg.can_write() else {}
        segmentations["dicom"] = plan.dicom.model_dump(mode="json")
    if plan.source_bits:
        segmentations["source_bits"] = plan.source_bits
    partners = {"partners": [_describe_partner(job) for job in jobs]} if plan.partner else {}
    return (
        segmentations
        | partners
        | {
            "models_sha256": [sha256(file) for file in plan.model_files],
            "infer": plan.settings.model_dump(mode="json", exclude={"batch_size"}),
            "tiledinfer": plan.tiled and plan.tiled.model_dump(mode="json"),
            "class_names": list(plan.class_names),
            "images": [[job.name, *_stamp(job.image), *(_stamp(job.ground_truth) if job.ground_truth else ())] for job in jobs],
        }
    )


def _describe_partner(job: Job) -> list[object]:
    view = job.view or View("")
    return [view.kind, view.status, *(_stamp(view.partner) if view.partner else ())]


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
    return InferenceResult(
        result["skipped"], result["lesions"], result["without_seg"], result.get("with_partner"), result.get("inverted", [])
    )


def infer(plan: Plan, jobs: Sequence[Job], output: Path, identity: dict[str, object]) -> InferenceResult:
    """Predicts each image and writes `masks`, `probabilities`, `overlays` and more at source size, then `lesions.csv`.

    Where the models take both images of a view, it also writes the table of partners. SEGs of DICOM images go to
    `segmentations`. An image that cannot be read is reported and skipped. Outputs of an earlier inference in the folder are
    removed first.

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
    result, reasons, rows, partners = InferenceResult(), set[str](), [], []
    write = _make_writer(plan, predictor, output, _algorithm_of_jobs(plan, predictor, jobs, result))
    with (
        open_readers(1) as reader,
        ThreadPoolExecutor(all_cores()) as writers,
        closing(_predict(predictor, plan, jobs, reader, result, reasons)) as predicted,
    ):
        for written in in_order(writers, write, predicted, _batch_size(plan) + 1):
            rows += written.lesions
            partners += [written.partner] if written.partner else []
            if written.without_seg:
                _report_without_seg(result, written.without_seg)
    if len(result.skipped) == len(jobs):
        raise InputError(f"none of the {len(jobs)} images can be predicted; the first: {result.skipped[0]}")
    write_lesions(output, rows)
    result.lesions = len(rows)
    if predictor.partner:
        write_partners(output, partners)
        result.with_partner = sum(row["status"] == REGISTERED for row in partners)
    if not any(find_reason(reason).passing for reason in reasons):  # else the same command tries again
        write_mark(output, identity, asdict(result))
    return result


def _make_writer(
    plan: Plan, predictor: AnyPredictor, output: Path, algorithm: dicom_seg.Algorithm | None
) -> Callable[[_Predicted], _Written]:
    """Makes the function that writes one predicted image, in any thread."""
    class_names = plan.class_names or default_class_names(max(1, predictor.classes - 1))
    colors = lesion_colors(plan.settings.mask_colors, len(class_names))

    def write(predicted: _Predicted) -> _Written:
        job, image = predicted.job, predicted.image
        probabilities = predicted.probabilities.at_source()
        prediction = Prediction(image.gray, probabilities, _threshold(probabilities, image, plan))
        wanted = {"colored": plan.settings.mask_colorize, "masks_only": plan.settings.masks_only}
        write_pictures(output, job.name, prediction, job.ground_truth, colors, class_names, **wanted)
        without_seg = ""
        if algorithm and has_dicom_mark(job.image):
            try:
                write_segmentations(output, job.name, job.image, prediction, class_names, algorithm)
            except dicom_seg.SegmentationError as error:
                without_seg = f"{job.image}: {error}"
        rows = lesion_rows(prediction.mask, probabilities, class_names)
        return _Written([{"image": job.name} | row for row in rows], image.row(job.name), without_seg)

    return write


def predict_image(image: Input, predictor: AnyPredictor, plan: Plan) -> Prediction:
    """Predicts one image at its own size."""
    pixels = image.pixels
    probabilities = predict_tiled(pixels, predictor, plan.tiled) if plan.tiled else predict_whole([pixels], predictor)[0]
    return Prediction(image.gray, probabilities, _threshold(probabilities, image, plan))


def _threshold(probabilities: np.ndarray, image: Input, plan: Plan) -> np.ndarray:
    """The mask of an image, thresholded as single images are where the model takes a partner and there is none."""
    is_single = image.view is not None and image.partner is None
    return threshold_mask(probabilities, plan.settings.for_single_images() if is_single else plan.settings)


def _predict(
    predictor: AnyPredictor, plan: Plan, jobs: Sequence[Job], reader: Executor, result: InferenceResult, reasons: set[str]
) -> Generator[_Predicted]:
    """The predictions of the images that can be read; while one batch is predicted, the next one is read.

    Images are read in a process of its own, because a decoder that crashes ends its process.
    """
    read = functools.partial(read_or_reject, plan=plan, color=predictor.channels == 3, partner=predictor.partner)

    def read_alone(job: Job) -> Input | SourceError:
        """Reads an image again whose process died, without its partner, of which it may have died."""
        fault = SourceError(*CRASHED)
        if not (job.view and job.view.partner):
            return fault
        image = next(in_order(reader, read, [replace(job, view=View(job.view.kind))], crashed=read_alone))
        return image if isinstance(image, SourceError) else replace(image, fault=fault)

    batch_size = _batch_size(plan)
    starts = range(0, len(jobs), batch_size)
    with closing(in_order(reader, read, jobs, batch_size + 1, crashed=read_alone)) as images:
        read_jobs = zip(jobs, images, strict=True)
        for _ in progress(starts, len(starts), "inferring", "images" if plan.tiled else "batches"):
            batch = _without_unread(itertools.islice(read_jobs, batch_size), result, reasons)
            if plan.tiled:
                predicted = [
                    Predicted(predict_tiled(image.pixels, predictor, plan.tiled), *image.gray.shape) for _, image in batch
                ]
            else:
                predicted = predict_at_side([image.pixels for _, image in batch], predictor) if batch else []
            for (job, image), probabilities in zip(batch, predicted, strict=True):
                yield _Predicted(job, image, probabilities)


def _batch_size(plan: Plan) -> int:
    return 1 if plan.tiled else plan.settings.batch_size


def _without_unread(
    images: Iterable[tuple[Job, Input | SourceError]], result: InferenceResult, reasons: set[str]
) -> list[tuple[Job, Input]]:
    """The images that were read; the others, and partners that could not be read, are reported and their reasons added."""
    read = []
    for job, image in images:
        if isinstance(image, SourceError):
            reasons.add(image.reason)
            result.skipped.append(f"{job.image}: {image}")
            print(f"skipped: {result.skipped[-1]}", file=sys.stderr)
            continue
        if image.fault:
            reasons.add(image.fault.reason)
            print(f"partner not used: {job.view and job.view.partner}: {image.fault}", file=sys.stderr)
        if image.is_inverted:
            result.inverted.append(str(job.image))
        read.append((job, image))
    return read


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


def _report_without_seg(result: InferenceResult, reason: str) -> None:
    result.without_seg.append(reason)
    print(f"no SEG: {reason}", file=sys.stderr)
