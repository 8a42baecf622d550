"""Annotations that a user should know to be doubtful: long thin regions, and labels that their own row contradicts."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline.contract import MaskError
from pipeline.findings import find_contradiction
from pipeline.geometry import BAND_FILLING, BAND_LENGTH, band_share
from pipeline.sources import read_mask


def find_doubtful(root: Path, rows: Iterable[Mapping[str, Any]], shares: Mapping[str, float | None]) -> dict[str, Any]:
    """Lists the doubtful images of a data set, as dataset.json has them; none of them is dropped.

    Args:
      root: the data set's folder.
      rows: of its manifest; originals count.
      shares: by image_id, as `measure_bands` returns them; a mask whose share is not known is read.

    Returns:
      `bands`: the names of images with long thin lesion components (`images`), and of those where these have more than half
      of the lesion's pixels (`mostly`); `contradicted`: `image_id`, `class` and `reason` of each.
    """
    bands: dict[str, list[str]] = {"images": [], "mostly": []}
    contradicted = []
    for row in rows:
        if row["variant"] != "original":
            continue
        share = shares.get(row["image_id"]) if row["lesion_px"] else 0.0
        if share is None:
            share = _read_bands(root / row["mask"])
        for name in ("images", "mostly")[: int(share > 0) + int(share > 0.5)]:
            bands[name].append(row["image_id"])
        if reason := find_contradiction(row["class"], row["regions"], row["birads"], row["findings"]):
            contradicted.append({"image_id": row["image_id"], "class": row["class"], "reason": reason})
    return {"bands": bands, "contradicted": contradicted}


def measure_bands(mask: bytes) -> float:
    """The share of the lesion in a mask file that lies in long thin bands; 0 where it cannot be read: the audit names it."""
    try:
        return band_share(read_mask(mask, None))
    except MaskError:
        return 0.0


def _read_bands(mask: Path) -> float:
    try:
        return measure_bands(mask.read_bytes())
    except OSError:
        return 0.0


def describe_doubtful(doubtful: Mapping[str, Any] | None) -> str:
    """Describes the doubtful annotations of dataset.json as text; None where an earlier version wrote it."""
    if doubtful is None:
        return "Not counted by the version that made this data set."
    bands, contradicted = doubtful["bands"], doubtful["contradicted"]
    lesions = sum(image["class"] != "normal" for image in contradicted)
    listed = ", ".join(image["image_id"] for image in contradicted)
    return (
        f"{len(bands['images'])} images have long thin regions, as skin thickening and edema are drawn, and in "
        f"{len(bands['mostly'])} of them these are most of the lesion. (A connected component counts if it is longer than "
        f"{BAND_LENGTH:.0%} of the image's side and fills less than {BAND_FILLING:.0%} of its convex hull.) The labels of "
        f"{len(contradicted)} images are contradicted by their own row of the annotation table: {lesions} have a drawn lesion, "
        f"but BI-RADS 1 and no finding; {len(contradicted) - lesions} are normal, but of BI-RADS 4 to 6 or with a finding"
        f"{': ' + listed if listed else ''}. All of them are in the data set; dataset.json lists them under doubtful."
    )
