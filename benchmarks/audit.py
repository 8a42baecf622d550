#!/usr/bin/env python3
"""Plants leaks between splits and counts those that the audit finds; measures how its time grows.

    python benchmarks/audit.py IMAGES... [--leaks 1000] [--csv benchmarks/audit.csv]
    python benchmarks/audit.py --pairs 10000
    python benchmarks/audit.py                     250 and 1000 pairs; writes results/audit.csv for docs/benchmarks.md

IMAGES are folders with source images at any depth: the download, a phantom, or a data set's images. Each is a set of its own.
The first part deals its patients out to train and test and counts groups of duplicates although there are none (false alarms);
as a harder case it puts the low-energy images into train and the subtracted ones of the same views into test. Then it adds
altered copies of training images to test, under new names, each kind of leak equally often, and counts those that the audit
pairs with their originals, and pairs of different images.

The second part, `--pairs`, makes that many pairs and four times as many, all different, and audits both with two cores.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from results import Row, write_rows

from pipeline.audit import audit
from pipeline.audit.contents import read_contents
from pipeline.audit.duplicates import pair_samples
from pipeline.audit.samples import list_samples
from pipeline.contract import PAIR_SUFFIXES, parse_sample
from pipeline.files import write_csv

SIDE = 512  # px of the longer side of the pairs, as in the data sets
Image = np.ndarray
Alter = Callable[[Image, np.random.Generator], Image]


def crop(pixels: Image, random: np.random.Generator) -> Image:
    """Cuts out 80 % of each side, anywhere."""
    height, width = (round(0.8 * side) for side in pixels.shape)
    top, left = (int(random.integers(0, side - kept + 1)) for side, kept in zip(pixels.shape, (height, width), strict=True))
    return pixels[top : top + height, left : left + width]


def scale(pixels: Image, random: np.random.Generator) -> Image:
    factor = 2 ** random.uniform(-1, 1)
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=method)


def recode(pixels: Image, random: np.random.Generator) -> Image:
    data = cv2.imencode(".jpg", np.ascontiguousarray(pixels), [cv2.IMWRITE_JPEG_QUALITY, 50])[1]
    return cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)


def brighten(pixels: Image, random: np.random.Generator) -> Image:
    """Multiplies by 0.6 to 1.4, and adds up to a tenth of the range."""
    return (pixels * random.uniform(0.6, 1.4) + 255 * random.uniform(-0.1, 0.1)).clip(0, 255).astype(np.uint8)


def gamma(pixels: Image, random: np.random.Generator) -> Image:
    exponent = 2 ** (random.choice([-1, 1]) * random.uniform(0.3, 1))
    return (255 * (pixels / 255) ** exponent).round().astype(np.uint8)


def widen(pixels: Image, random: np.random.Generator) -> Image:
    """12 bits in a file of 16, at 15 to 50 % of the contrast."""
    return (4095 * (0.1 + pixels / 255 * random.uniform(0.15, 0.5))).astype(np.uint16)


def tilt(pixels: Image, random: np.random.Generator) -> Image:
    """Turns by up to 5 degrees, which is not promised to be found."""
    height, width = pixels.shape
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), random.uniform(-5, 5), 1)
    return cv2.warpAffine(pixels, matrix, (width, height))


KINDS: dict[str, Alter] = {
    "copy": lambda pixels, random: pixels,
    "flip": lambda pixels, random: pixels[:, ::-1] if random.random() < 0.5 else pixels[::-1],
    "quarter turn": lambda pixels, random: np.rot90(pixels, random.integers(1, 4)),
    "JPEG, quality 50": recode,
    "scale 0.5 to 2": scale,
    "crop to 80 %": crop,
    "brightness": brighten,
    "gamma": gamma,
    "contrast, 16 bits": widen,
    "all of turn, crop, JPEG": lambda pixels, random: recode(np.rot90(crop(pixels, random), random.integers(4)), random),
}
NOT_PROMISED: dict[str, Alter] = {"tilt by up to 5 degrees": tilt}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", nargs="*", type=Path, help="folders with source images")
    parser.add_argument("--leaks", type=int, default=1000)
    parser.add_argument(
        "--pairs", type=int, default=0, help="also measure the time of audits of this many pairs and four times as many"
    )
    parser.add_argument("--scratch", type=Path, help="folder for the temporary data sets")
    parser.add_argument("--csv", type=Path, help="also write every measurement here")
    args = parser.parse_args()
    rows: list[dict] = []
    for folder in args.images:
        rows += measure_set(folder, args.leaks, args.scratch)
    if not args.images and not args.pairs:
        write_rows("audit", [row for pairs in (250, 1000) for row in as_results(measure_time(pairs, args.scratch))])
        return
    for pairs in (args.pairs, 4 * args.pairs) if args.pairs else ():
        rows += measure_time(pairs, args.scratch)
    if args.csv:
        write_csv(args.csv, list(rows[0]), rows)


def row(source: Path | str, measured: str, count: float, of: int) -> dict:
    print(f"{source}: {measured}: {count} of {of}", flush=True)
    return {"set": str(source), "measured": measured, "count": count, "of": of}


def measure_set(source: Path, leaks: int, scratch: Path | None) -> list[dict]:
    """Counts false alarms in clean sets of the images of a folder, and found leaks in sets with planted ones."""
    images = {path.stem: path for path in sorted(source.rglob("*")) if is_image(path)}
    with ThreadPoolExecutor(2) as executor:
        pixels = dict(zip(images, executor.map(read_small, images.values()), strict=True))
    patients = sorted({parse_sample(name)[1].patient for name in pixels})
    even = {patient for number, patient in enumerate(patients) if number % 2}
    rows = []
    for title, in_test in (
        ("false alarms, split by patient", lambda name: parse_sample(name)[1].patient in even),
        ("false alarms, low-energy against subtracted", lambda name: parse_sample(name)[1].kind == "CM"),
    ):
        splits = {name: "test" if in_test(name) else "train" for name in pixels}
        rows.append(row(source.name, title, len(find_pairs(pixels, splits, {}, scratch)), len(pixels)))
    random = np.random.default_rng(0)
    kinds = KINDS | NOT_PROMISED
    each = leaks // len(KINDS)
    planted: dict[str, tuple[str, str]] = {}
    altered = {}
    for kind, alter in kinds.items():
        for name in random.choice(list(pixels), each, replace=each > len(pixels)).tolist():
            copy = f"P{90_000 + len(planted)}_L_DM_CC"
            planted[copy], altered[copy] = (kind, name), alter(pixels[name], random)
    splits = dict.fromkeys(pixels, "train") | dict.fromkeys(planted, "test")
    pairs = find_pairs(pixels | altered, splits, planted, scratch)
    for kind in kinds:
        found = sum(frozenset((copy, name)) in pairs for copy, (other, name) in planted.items() if other == kind)
        rows.append(row(source.name, kind, found, each))
    originals = {copy: name for copy, (_, name) in planted.items()}
    wrong = [pair for pair in pairs if len({originals.get(name, name) for name in pair}) > 1]
    rows.append(row(source.name, "false alarms, with leaks", len(wrong), len(splits)))
    return rows


def is_image(path: Path) -> bool:
    return path.suffix.lower() in PAIR_SUFFIXES and path.parent.name != "masks" and bool(parse_sample(path.stem)[1].view)


def read_small(path: Path) -> Image:
    pixels = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    factor = min(1.0, SIDE / max(pixels.shape))
    return cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)


def find_pairs(
    images: dict[str, Image], splits: dict[str, str], planted: Iterable[str], scratch: Path | None
) -> set[frozenset[str]]:
    """Writes a set and returns the pairs of names that the audit takes for copies; `planted` copies are stored without loss."""
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        for name, pixels in images.items():
            write_pair(Path(folder, splits[name]), name, pixels, ".png" if name in planted else ".jpg")
        samples = list(list_samples(Path(folder)))
        with ThreadPoolExecutor(2) as executor:
            contents = [content for group in executor.map(lambda sample: read_contents([sample]), samples) for content in group]
        return {frozenset(samples[index].name for index in pair) for pair in pair_samples(samples, contents)}


def write_pair(folder: Path, name: str, pixels: Image, suffix: str) -> None:
    for kind, array, ending in (("images", pixels, suffix), ("masks", np.full((8, 8), 255, np.uint8), ".png")):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        data = cv2.imencode(ending, np.ascontiguousarray(array))[1]
        (folder / kind / f"{name}{ending}").write_bytes(data)


def measure_time(pairs: int, scratch: Path | None) -> list[dict]:
    """Audits a made set with two threads, whose processor time can be counted; the rest of an audit is in the seconds too."""
    cv2.setNumThreads(1)  # as in a worker
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        for split in ("train", "valid", "test"):
            for kind in ("images", "masks"):
                Path(folder, split, kind).mkdir(parents=True)
        with ThreadPoolExecutor(2) as executor:
            list(executor.map(lambda number: make_pair(Path(folder), number), range(pairs)))
        before, start = processor_seconds(), time.perf_counter()
        with ThreadPoolExecutor(2) as executor:
            findings = audit(Path(folder), executor=executor)
        wall, processor = time.perf_counter() - start, processor_seconds() - before
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return [
        row("made", f"findings in {pairs} pairs", sum(finding.count for finding in findings), pairs),
        row("made", f"seconds for {pairs} pairs", round(wall, 1), pairs),
        row("made", f"processor seconds for {pairs} pairs", round(processor, 1), pairs),
        row("made", f"MB at most for {pairs} pairs", memory, pairs),
    ]


def as_results(measured: list[dict]) -> list[Row]:
    """The rows of `measure_time` as those of all benchmarks."""
    findings, wall, processor, memory = (measurement["count"] for measurement in measured)
    pairs = measured[0]["of"]
    size = f"{pairs} pairs, 2 threads"
    return [
        Row("audit", size, wall, "s"),
        Row("processor time per pair", size, 1000 * processor / pairs, "ms"),
        Row("peak memory", size, memory, "MB"),
        Row("findings in different images", size, findings, "findings", target="0"),
    ]


def processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def make_pair(folder: Path, number: int) -> None:
    """Writes an ellipse with tissue of several scales, and a disk as its mask; 80 % go to train, 15 % to valid."""
    random = np.random.default_rng(number)
    split = ("test", "valid", "valid", "valid", *["train"] * 16)[number % 20]
    rows, columns = np.ogrid[:SIDE, :SIDE]
    inside = ((rows - SIDE / 2) / random.uniform(150, 240)) ** 2 + (columns / random.uniform(200, 400)) ** 2 < 1
    tissue = sum(
        cv2.resize(random.normal(0, weight, (side, side)).astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        for side, weight in ((6, 25), (16, 15), (48, 10), (160, 6))
    )
    image = np.where(inside, 110 + tissue, 2).clip(0, 255).astype(np.uint8)
    mask = cv2.circle(np.zeros((SIDE, SIDE), np.uint8), (int(random.integers(40, 150)), SIDE // 2), 20, 255, -1)
    for kind, pixels, suffix in (("images", image, ".jpg"), ("masks", mask, ".png")):
        (folder / split / kind / f"P{number}_L_DM_CC{suffix}").write_bytes(cv2.imencode(suffix, pixels)[1])


if __name__ == "__main__":
    main()
