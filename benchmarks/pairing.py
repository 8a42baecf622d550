#!/usr/bin/env python3
"""Measures how well partners are registered, by the regions that were drawn on both images of a view.

    python benchmarks/pairing.py [--raw RAW] [--patients 40]

Without --raw it makes a phantom of that many patients. Registration never sees a region. Many regions of CDD-CESM were drawn on
one image and copied to the other, where they lie at the same coordinates (these say nothing about the registration) or were
moved by hand (the move is a second opinion on the translation). Writes benchmarks/results/pairing.csv.
"""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from results import Row, summarize, write_rows

from pipeline import stages
from pipeline.contract import ImageName
from pipeline.dataset.builder import attributes_by_image
from pipeline.dataset.folder import DatasetFolder
from pipeline.drawing.raster import drawable, square_mask
from pipeline.drawing.regions import Region, parse_region
from pipeline.geometry import Letterbox, lay_over, register
from pipeline.indexing.partners import choose_partner
from pipeline.indexing.tables import SourceImage, read_regions
from pipeline.phantom import write_phantom
from pipeline.recipe import load_recipe
from pipeline.sources import read_image
from pipeline.workers import Inline

_COPIED_PX = 2.0  # two outlines are copies of each other if all their points differ by one vector up to this
_STEP = 4  # masks are compared on every fourth pixel of each axis


@dataclass(frozen=True)
class Pair:
    """What was measured on the low-energy and the subtracted image of a view.

    Attributes:
      before, after: Dice of the two masks with their upper left corners laid on each other, and after registration.
      moved: how far a copied region was moved by hand, x and y in px; None where no region is a copy.
      shift: the registration's translation of the subtracted image.
      agreement: of the two breasts.
    """

    before: float
    after: float
    moved: tuple[float, float] | None
    shift: tuple[int, int]
    agreement: float

    @property
    def error(self) -> float:
        """The distance between the translation and the move by hand, in px."""
        return float(np.hypot(*np.subtract(self.shift, self.moved or (0, 0))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--raw", type=Path, help="folder with images and annotation files")
    parser.add_argument("--patients", type=int, default=40, help="of the phantom")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        raw = args.raw or Path(scratch, "raw")
        if not args.raw:
            write_phantom(raw, args.patients)
        folder = DatasetFolder(Path(scratch, "index"))
        stages.index(folder, load_recipe("v2"), raw, None, Inline())
        pairs = list(measure(folder, raw))
    write_rows("pairing", make_rows(pairs, "" if args.raw else " of a phantom"))


def measure(folder: DatasetFolder, raw: Path) -> Iterator[Pair]:
    """Registers the two images of each view of which both are drawn, and lays the masks on each other."""
    attributes = attributes_by_image(read_regions(folder.regions))
    images = {image.image_id: image for image in folder.read_images()}
    names = {name: ImageName(name, image.patient, image.side, image.kind, image.view) for name, image in images.items()}
    views: dict[tuple[str, ...], list[ImageName]] = {}
    for name in names.values():
        views.setdefault((name.patient, name.side, name.view, name.kind), []).append(name)
    for name in names.values():
        other = choose_partner(name, views) if name.kind == "DM" else None
        if other:
            both = [images[name.image_id], images[other.image_id]]
            regions = [drawable([parse_region(shape) for shape in attributes[image.image_id]], polylines=True) for image in both]
            yield measure_pair([read_image(raw / image.source) for image in both], regions, both)


def measure_pair(pixels: Sequence[np.ndarray], regions: Sequence[Sequence[Region]], images: Sequence[SourceImage]) -> Pair:
    """Measures one view; the low-energy image is first."""
    found = register(*pixels)
    masks = [draw(inside, image.width, image.height) for inside, image in zip(regions, images, strict=True)]
    before, after = (dice(masks, shift) for shift in ((0, 0), (found.dx_px, found.dy_px)))
    return Pair(before, after, find_move(*regions), (found.dx_px, found.dy_px), found.agreement)


def draw(regions: Sequence[Region], width: int, height: int) -> np.ndarray:
    """The mask at the source's size, (height, width) uint8."""
    box = Letterbox(width, height, max(width, height))
    mask, _ = square_mask(regions, box)
    return mask[box.pad_top : box.pad_top + height, box.pad_left : box.pad_left + width]


def dice(masks: Sequence[np.ndarray], shift: tuple[int, int]) -> float:
    """Dice of two masks after the second one was moved; what leaves the first image's frame counts as not covered."""
    height, width = masks[0].shape
    one, other = masks[0][::_STEP, ::_STEP] > 0, lay_over(masks[1], width, height, *shift)[::_STEP, ::_STEP] > 0
    return float(2 * (one & other).sum() / max(1, one.sum() + (masks[1][::_STEP, ::_STEP] > 0).sum()))


def find_move(regions: Sequence[Region], others: Sequence[Region]) -> tuple[float, float] | None:
    """The vector by which a region of one image differs from one of the other in all points; None where none does."""
    for one in regions:
        for other in others:
            if (one.shape, one.radii, len(one.points)) == (other.shape, other.radii, len(other.points)):
                difference = np.asarray(one.points, float) - np.asarray(other.points, float)
                if np.ptp(difference, axis=0).max() <= _COPIED_PX:
                    x, y = difference.mean(axis=0).tolist()
                    return x, y
    return None


def make_rows(pairs: Sequence[Pair], source: str) -> list[Row]:
    """The rows of the table: Dice by how the two images were drawn, and the distance to moves by hand."""
    moved = [pair for pair in pairs if pair.moved not in (None, (0.0, 0.0))]
    groups = {
        "views": pairs,
        "views with regions copied and moved by hand": moved,
        "views with regions copied and left": [pair for pair in pairs if pair.moved == (0.0, 0.0)],
        "views drawn apart": [pair for pair in pairs if pair.moved is None],
    }
    rows = []
    for title, chosen in groups.items():
        setting = f"{len(chosen)} {title}{source}"
        for name in ("before", "after") if chosen else ():
            values = [getattr(pair, name) for pair in chosen]
            rows.append(summarize(f"Dice of the two masks {name} registration, median", setting, values, "Dice"))
            rows.append(Row(f"Dice of the two masks {name} registration, mean", setting, float(np.mean(values)), "Dice"))
    if moved:
        setting = f"{len(moved)} views with regions copied and moved by hand{source}"
        without = [float(np.hypot(*pair.moved)) for pair in moved if pair.moved]
        rows.append(summarize("distance to the move by hand without registration", setting, without, "px"))
        rows.append(summarize("distance to the move by hand after registration", setting, [pair.error for pair in moved], "px"))
    setting = f"{len(pairs)} views{source}"
    rows.append(summarize("agreement of the two breasts", setting, [pair.agreement for pair in pairs], "IoU"))
    lengths = [float(np.hypot(*pair.shift)) for pair in pairs]
    return [*rows, summarize("length of the translation", setting, lengths, "px")]


if __name__ == "__main__":
    cv2.setNumThreads(1)
    main()
