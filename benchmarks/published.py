#!/usr/bin/env python3
"""Measures what is wrong with the published V2: compares a data set of recipe v2-published with one of recipe v2.

    python benchmarks/published.py data_processed/v2-published data_processed/v2

Both must be made from the same sources. Prints the table that docs/published-v2.md holds.
"""

import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

from pipeline.dataset.manifest import read_manifest
from pipeline.files import read_csv
from pipeline.sources import read_image


def main() -> None:
    published, sound = (Path(argument) for argument in sys.argv[1:3])
    rows = [
        (f"{name}, {kind}", value)
        for name, folder in (("v2-published", published), ("v2", sound))
        for kind, value in leaks(read_manifest(folder / "manifest.csv")).items()
    ]
    rows += masks(published, sound).items()
    print("| measure | value |\n| --- | ---: |")
    print("\n".join(f"| {measure} | {value} |" for measure, value in rows))


def leaks(rows: list[dict[str, str]]) -> dict[str, str]:
    """Counts source images and patients in more than one split."""
    splits: dict[str, dict[str, set]] = {"image_id": defaultdict(set), "patient": defaultdict(set)}
    for row in rows:
        for key, splits_by_value in splits.items():
            splits_by_value[row[key]].add(row["split"])
    titles = {"image_id": "source images", "patient": "patients"}
    counts = {}
    for key, splits_by_value in splits.items():
        several = sum(len(names) > 1 for names in splits_by_value.values())
        test = [names for names in splits_by_value.values() if "test" in names]
        trained = sum("train" in names for names in test)
        counts[f"{titles[key]} in more than one split"] = f"{several} of {len(splits_by_value)}"
        counts[f"{titles[key]} of test that are in train too"] = f"{trained} of {len(test)}"
    return counts


def masks(published: Path, sound: Path) -> dict[str, str]:
    """How the published masks differ from the sound ones, over untransformed samples."""
    originals = [
        {row["image_id"]: row for row in read_manifest(folder / "manifest.csv") if row["variant"] == "original"}
        for folder in (published, sound)
    ]
    ellipses = {row["image_id"] for row in read_csv(sound / "regions.csv") if row["shape"] == "ellipse"}
    overlap, gray, nonzero, true_area = {}, 0, 0, 0
    for name in sorted(originals[0].keys() & originals[1].keys()):
        theirs = read_image(published / originals[0][name]["mask"])
        ours = read_image(sound / originals[1][name]["mask"]) >= 128
        binary = theirs >= 128
        overlap[name] = (binary & ours).sum() / max(1, (binary | ours).sum())
        gray += int(((theirs > 0) & ~binary).sum())
        nonzero += int((theirs > 0).sum())
        true_area += int(binary.sum())
    drawn = np.array([overlap[name] for name in overlap if name in ellipses])
    others = np.array([overlap[name] for name in overlap if name not in ellipses])
    return {
        "images with an ellipse": f"{len(drawn)} of {len(overlap)}",
        "IoU of published and sound mask, images with an ellipse: median, lowest": f"{np.median(drawn):.2f}, {drawn.min():.2f}",
        "IoU of published and sound mask, the other images: median, lowest": f"{np.median(others):.2f}, {others.min():.2f}",
        "gray pixels (1 to 127) around the masks, per lesion pixel": f"{gray / true_area:.0%}",
        "lesion area when every nonzero pixel counts, over the true one": f"{nonzero / true_area:.2f}",
    }


if __name__ == "__main__":
    main()
