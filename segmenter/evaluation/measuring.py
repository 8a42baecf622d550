"""Measures one image, and makes the rows of an evaluation's tables from it."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from pipeline.contract import DESCRIPTIONS
from pipeline.geometry import connected_components, find_bands
from segmenter.configuration import Configuration
from segmenter.data.dataset import Sample
from segmenter.evaluation.lesions import match_regions, score_candidates
from segmenter.evaluation.measured import Measured
from segmenter.evaluation.metrics import IMAGE_METRICS
from segmenter.evaluation.overlap import measure_overlap
from segmenter.evaluation.sizes import Cuts, size_of
from segmenter.evaluation.surfaces import measure_distances
from segmenter.inference.thresholding import lesion_probability, threshold_mask

LESION_COLUMNS = ("sample", "lesion", "area_px", "size", "centre_x", "centre_y", "iou", "detected", "centre_detected")
FROC_COLUMNS = ("sample", "candidate", "score", "lesion", "centre_lesion")
Row = dict[str, Any]
Batch = tuple[Sequence[Sample], Iterable[np.ndarray], Iterable[Any]]


@dataclass(frozen=True)
class Tables:
    """The rows of per_image.csv, per_lesion.csv and froc.csv."""

    images: list[Row] = field(default_factory=list)
    lesions: list[Row] = field(default_factory=list)
    candidates: list[Row] = field(default_factory=list)


def measure(sample: Sample, ground_truth: np.ndarray, probabilities: np.ndarray, *, configuration: Configuration) -> Measured:
    """Measures one image on its own grid.

    Args:
      ground_truth: (height, width) uint8 class map, 0 is background.
      probabilities: (height, width, classes) float32.
    """
    infer = configuration.infer
    predicted = threshold_mask(probabilities, infer), lesion_probability(probabilities, infer)
    return measure_mask(sample, ground_truth, predicted, configuration=configuration)


def measure_mask(
    sample: Sample, ground_truth: np.ndarray, predicted: tuple[np.ndarray, np.ndarray], *, configuration: Configuration
) -> Measured:
    """Measures one image whose mask is given.

    Args:
      ground_truth: (height, width) uint8 class map, 0 is background.
      predicted: the predicted class map, and the probability of any lesion, (height, width) float32.
    """
    mask, likely = predicted
    names = configuration.class_names
    classes = enumerate(names, 1) if len(names) > 1 else ()
    lesions, components = connected_components(ground_truth), connected_components(mask)
    return Measured(
        sample,
        measure_overlap(ground_truth, mask),
        {name: measure_overlap(ground_truth == index, mask == index) for index, name in classes},
        measure_distances(ground_truth, mask, configuration.eval.nsd_tolerance_px),
        lesions,
        components,
        match_regions(lesions, components),
        score_candidates(components, likely),
    )


def measure_batches(
    batches: Iterable[Batch], configuration: Configuration, cuts: Cuts | None, measure: Callable[..., Measured] = measure
) -> Tables:
    """Measures the images of each batch in parallel; only their rows are kept, about ten kilobytes per image.

    Args:
      batches: samples, ground truth, (batch, size, size) uint8, and what `measure` takes of each image: probabilities,
        (batch, size, size, classes) float32, or pairs as `measure_mask` takes them.
      cuts: the largest area of a small and of a medium lesion, in pixels; None where they are unknown.
      measure: `measure` or `measure_mask`.
    """
    tables = Tables()
    with ThreadPoolExecutor() as executor:  # OpenCV releases the interpreter's lock
        for samples, ground_truth, predicted in batches:
            for measured in executor.map(partial(measure, configuration=configuration), samples, ground_truth, predicted):
                tables.images.append(image_row(measured, cuts))
                tables.lesions.extend(lesion_rows(measured, cuts))
                tables.candidates.extend(candidate_rows(measured))
    return tables


def image_row(measured: Measured, cuts: Cuts | None) -> Row:
    """The image's row of per_image.csv: names, areas, IMAGE_METRICS, counts of lesions, groups, and classes."""
    sample, overlap = measured.sample, measured.overlap
    row: Row = {
        "sample": sample.name,
        "image_id": sample.image_id,
        "patient": sample.patient,
        "variant": sample.variant,
        "class": sample.label,
        "split": sample.split,
        "truth_px": overlap.truth_px,
        "predicted_px": overlap.predicted_px,
        "empty_truth": int(overlap.truth_px == 0),
    }
    row |= {name: metric.compute(measured) for name, metric in IMAGE_METRICS.items()} | _lesion_counts(measured)
    row |= {name: sample.details.get(name, "") for name in DESCRIPTIONS}
    ground_truth = measured.ground_truth
    row["size"] = size_of(ground_truth.areas.max(), cuts) if len(ground_truth) else ""
    row["band_share"] = float(ground_truth.areas[find_bands(ground_truth)].sum() / overlap.truth_px) if len(ground_truth) else ""
    for name, overlap in measured.by_class.items():
        row |= {f"dice_{name}": overlap.dice, f"truth_px_{name}": overlap.truth_px, f"predicted_px_{name}": overlap.predicted_px}
    return row


def _lesion_counts(measured: Measured) -> Row:
    matching = measured.matching
    return {
        "lesions": len(measured.ground_truth),
        "detected": int(matching.detected.sum()),
        "false_positives": matching.false_positives,
        "centre_detected": int(matching.centre_detected.sum()),
        "centre_false_positives": matching.centre_false_positives,
    }


def lesion_rows(measured: Measured, cuts: Cuts | None) -> list[Row]:
    """The image's rows of per_lesion.csv, one per annotated lesion."""
    ground_truth, matching = measured.ground_truth, measured.matching
    return [
        {
            "sample": measured.sample.name,
            "lesion": index + 1,
            "area_px": int(ground_truth.areas[index]),
            "size": size_of(ground_truth.areas[index], cuts),
            "centre_x": float(ground_truth.centres[index, 0]),
            "centre_y": float(ground_truth.centres[index, 1]),
            "iou": float(matching.ious[index]),
            "detected": int(matching.detected[index]),
            "centre_detected": int(matching.centre_detected[index]),
        }
        for index in range(len(ground_truth))
    ]


def candidate_rows(measured: Measured) -> list[Row]:
    """The image's rows of froc.csv, one per predicted component, with the lesion that it detects by each criterion."""
    matching = measured.matching
    return [
        {
            "sample": measured.sample.name,
            "candidate": number,
            "score": float(score),
            "lesion": int(overlapped) or "",
            "centre_lesion": int(hit) or "",
        }
        for number, (score, overlapped, hit) in enumerate(zip(measured.scores, matching.overlapped, matching.hit, strict=True), 1)
    ]
