#!/usr/bin/env python3
"""Compares the making of a data set with the published generator, and with a bare loop that decodes, resizes and encodes.

    python benchmarks/dataset.py [--raw RAW] [--patients 60] [--rounds 3] [--scratch DIR]
    python benchmarks/dataset.py --memory 5 [--raw RAW]   only the memory, of these images and of five copies of them

Without --raw it makes a phantom of that many patients. Each round runs every part of `PARTS` once, in a process of its own, one
after the other, and start-up included. Processor seconds are those of all processes of a part; on a busy machine they are the
steadier measure. The published generator is written again here: one process, Pillow, RGB JPEG of quality 75 for images and masks,
all samples in one folder and then copied to the splits. Rows go to benchmarks/results/dataset.csv, with --memory to
dataset_memory.csv.
"""

import argparse
import csv
import ctypes
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
from results import Row, median_ratio, summarize, write_rows

from pipeline import stages
from pipeline.dataset.builder import attributes_by_image
from pipeline.dataset.folder import DatasetFolder
from pipeline.dataset.samples import published_square
from pipeline.drawing.raster import drawable, published_mask
from pipeline.drawing.regions import parse_region
from pipeline.indexing.tables import SourceImage, read_images, read_regions
from pipeline.phantom import write_phantom
from pipeline.recipe import load_recipe
from pipeline.workers import Inline, open_executor, start_server

Used = dict[str, float]  # wall, processor (seconds), main, memory (MB, of the main process and of the largest other one)
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of Linux: processes of a part whose parent has ended become ours, and are counted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--raw", type=Path, help="folder with images and annotation files")
    parser.add_argument("--patients", type=int, default=60, help="of the phantom")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", type=int, metavar="COPIES", help="only the memory, of all images and of copies of them")
    parser.add_argument("--scratch", type=Path, help="folder for the temporary data sets")
    parser.add_argument("--part", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.part:
        part, index, out = args.part
        IN_PROCESS[part](args.raw, Path(index), Path(out))
        return
    # Removed at the end: a disk that is freeing thousands of files writes new ones several times slower.
    with tempfile.TemporaryDirectory(dir=args.scratch) as scratch:
        raw = args.raw or Path(scratch, "raw")
        if not args.raw:
            write_phantom(raw, args.patients)
        index = DatasetFolder(Path(scratch, "index"))
        images = stages.index(index, load_recipe("v2"), raw, None, Inline()).summary["kept"]
        if args.memory:
            write_rows("dataset_memory", measure_memory(raw, index, args.memory, Path(scratch)))
            return
        used: dict[str, list[Used]] = {part: [] for part in PARTS}
        for number in range(args.rounds):
            for part, commands in PARTS.items():
                used[part].append(run(commands, raw, index.root, Path(scratch, f"{number}-{part}")))
        write_rows("dataset", make_rows(used, f"{images} {'images' if args.raw else 'images of a phantom'}"))


def run(commands: list[list[str]], raw: Path, index: Path, out: Path) -> Used:
    """Runs the commands of a part one after the other; RAW, INDEX and OUT in them are replaced."""
    paths = {"RAW": raw, "INDEX": index, "OUT": out}
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    main_size = largest = 0
    for command in commands:
        words = [sys.executable, *(str(paths.get(word, word)) for word in command)]
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, words)
        main_size, largest = max(main_size, usage.ru_maxrss), max(largest, *wait_for_others())
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - start
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall": wall, "processor": processor, "main": main_size / 1024, "memory": largest / 1024}


def wait_for_others() -> list[int]:
    """Waits for the processes that a command has left behind, such as the server of its workers; their largest memory in KiB."""
    sizes = [0]
    try:
        while True:
            sizes.append(os.wait3(0)[2].ru_maxrss)
    except ChildProcessError:
        return sizes


def measure_memory(raw: Path, index: DatasetFolder, copies: int, scratch: Path) -> list[Row]:
    """Makes a data set of the indexed images, and one of several copies of each, by two workers; the memory of both."""
    rows = []
    for count in (1, copies):
        folder = scratch / f"{count}-copies"
        write_copies(raw, index, count, folder)
        out = scratch / f"{count}-set"
        used = run(PARTS["two"], folder, index.root, out)
        images = len(DatasetFolder(out).read_images())
        for name, measure in (("main process", "main"), ("largest worker", "memory")):
            rows.append(Row(f"{name} without audit and pictures, 2 workers", f"{images} images", used[measure], "MB"))
    return rows


def write_copies(raw: Path, index: DatasetFolder, copies: int, out: Path) -> None:
    """Links the indexed images under the names of other patients, and writes the rows of their tables."""

    def renamed(name: str, copy: int) -> str:
        return re.sub(r"^P(\d+)", lambda match: f"P{int(match[1]) + 10_000 * copy}", name)

    images = index.read_images()
    for copy in range(copies):
        for image in images:
            source = Path(image.source)
            path = out / source.parent / renamed(source.name, copy)
            path.parent.mkdir(parents=True, exist_ok=True)
            os.link(raw / source, path)
    names = {image.image_id for image in images}
    for table in raw.glob("*.csv"):
        with table.open(newline="") as file, (out / table.name).open("w", newline="") as written:
            header, *rows = csv.reader(file)
            patient = header.index("Patient_ID") if "Patient_ID" in header else None
            kept = [row for row in rows if Path(row[0]).stem in names]
            csv.writer(written).writerow(header)
            for copy in range(copies):
                for row in kept:
                    cells = [renamed(row[0], copy), *row[1:]]
                    if patient is not None:
                        cells[patient] = str(int(row[patient]) + 10_000 * copy)
                    csv.writer(written).writerow(cells)


def bare(raw: Path, index: Path, out: Path, *, keep: bool = False) -> None:
    """Decodes, resizes by area (before the letterbox, which is cheapest) and encodes six pairs; with `keep` writes them, too."""
    mask = cv2.circle(np.zeros((512, 512), np.uint8), (250, 260), 60, 255, -1)
    jpeg, png = [cv2.IMWRITE_JPEG_QUALITY, 95], [cv2.IMWRITE_PNG_BILEVEL, 1, cv2.IMWRITE_PNG_COMPRESSION, 1]
    turns: list[Callable] = [lambda a: a, lambda a: cv2.flip(a, 1), lambda a: cv2.flip(a, 0)]
    turns += [lambda a, turn=turn: cv2.rotate(a, turn) for turn in range(3)]
    cv2.setNumThreads(1)
    out.mkdir()
    for number, source in enumerate(read_images(index / "index.csv")):
        image = cv2.imdecode(np.fromfile(raw / source.source, np.uint8), cv2.IMREAD_GRAYSCALE)
        scale = 512 / max(image.shape)
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        square = np.zeros((512, 512), np.uint8)
        top, left = (512 - small.shape[0]) // 2, (512 - small.shape[1]) // 2
        square[top : top + small.shape[0], left : left + small.shape[1]] = small
        for variant, turn in enumerate(turns):
            for suffix, array, options in ((".jpg", square, jpeg), (".png", mask, png)):
                data = cv2.imencode(suffix, turn(array), options)[1]
                if keep:
                    (out / f"{number}-{variant}{suffix}").write_bytes(data.tobytes())


def published(raw: Path, index: Path, out: Path) -> None:
    """Makes the published V2 as the published programs do: one image after the other, then shuffled and copied."""
    attributes = attributes_by_image(read_regions(index / "regions.csv"))
    (out / "all").mkdir(parents=True)
    for source in read_images(index / "index.csv"):
        write_published(raw, source, attributes.get(source.image_id, ()), out / "all")
    names = [path.name for path in sorted((out / "all").glob("*.image.jpg"))]
    random.Random(0).shuffle(names)
    for number, name in enumerate(names):
        split = "train" if number < 0.8 * len(names) else "valid" if number < 0.95 * len(names) else "test"
        for kind in ("image", "mask"):
            (out / split / f"{kind}s").mkdir(parents=True, exist_ok=True)
            copied = name.replace(".image.", f".{kind}.")
            shutil.copy2(out / "all" / copied, out / split / f"{kind}s" / copied)


def write_published(raw: Path, source: SourceImage, attributes: tuple, out: Path) -> None:
    image = PIL.Image.open(raw / source.source).convert("RGB")
    regions = drawable([parse_region(shape) for shape in attributes], polylines=False)
    mask = published_mask(regions, image.width, image.height)
    channels = [published_square(channel, 512) for channel in image.split()]
    pairs = {"image": PIL.Image.merge("RGB", channels), "mask": published_square(mask, 512).convert("RGB")}
    for kind, square in pairs.items():
        turned = {f"rotated_{angle}_": square.rotate(angle) for angle in (90, 180, 270)}
        turned |= {"": square, "mirrored_": square.transpose(PIL.Image.Transpose.FLIP_LEFT_RIGHT)}
        turned |= {"flipped_": square.transpose(PIL.Image.Transpose.FLIP_TOP_BOTTOM)}
        for name, picture in turned.items():
            picture.save(out / f"{name}{source.image_id}.{kind}.jpg", quality=75)


def fused(raw: Path, out: Path, workers: int) -> None:
    """The command `dataset` without its audit and its pictures."""
    start_server()
    folder = DatasetFolder(out)
    with open_executor(workers) as executor:
        stages.index(folder, load_recipe("v2"), raw, None, executor)
        stages.split(folder)
        stages.variants(folder, executor, fused=True)


IN_PROCESS: dict[str, Callable[[Path, Path, Path], None]] = {
    "bare": bare,
    "written": lambda raw, index, out: bare(raw, index, out, keep=True),
    "published": published,
    "one": lambda raw, _, out: fused(raw, out, 1),
    "two": lambda raw, _, out: fused(raw, out, 2),
}
_RAW, _TWO = ["--raw", "RAW", "--out", "OUT"], ["--workers", "2"]
PARTS = {part: [[__file__, "--raw", "RAW", "--part", part, "INDEX", "OUT"]] for part in IN_PROCESS} | {
    "stages": [
        ["-m", "pipeline", *words]
        for words in (["index", *_RAW, *_TWO], ["split", "OUT"], ["masks", "OUT", *_TWO], ["variants", "OUT", *_TWO])
    ],
    "dataset": [["-m", "pipeline", "dataset", *_RAW, *_TWO]],
}
TITLES = {
    "bare": "bare loop: decode, resize, encode",
    "written": "bare loop, files written",
    "published": "published generator, written again",
    "one": "dataset without audit and pictures, 1 worker",
    "two": "dataset without audit and pictures, 2 workers",
    "stages": "index, split, masks and variants as four programs, 2 workers",
    "dataset": "dataset with audit and pictures, 2 workers",
}
# What is compared with what, and which ratio was asked for.
COMPARISONS = [
    ("bare", "", ""),
    ("written", "bare", ""),
    ("published", "bare", ""),
    ("one", "bare", "<= 1.2"),
    ("one", "written", ""),
    ("two", "one", "<= 0.56"),
    ("two", "published", "<= 0.1"),
    ("stages", "published", "<= 0.125"),
    ("dataset", "two", "<= 1.3"),
]


def make_rows(used: dict[str, list[Used]], size: str) -> list[Row]:
    """One row per comparison and measure, and the memory of the largest process."""
    rows = []
    for part, reference, target in COMPARISONS:
        for measure, unit in (("wall", "s"), ("processor", "processor s")):
            values = [run[measure] for run in used[part]]
            others = [run[measure] for run in used[reference]] if reference else []
            compared = {"reference": TITLES[reference], "ratio": median_ratio(values, others)} if reference else {}
            is_asked = measure == "wall" or target == "<= 1.2"
            rows.append(summarize(TITLES[part], size, values, unit, target=target if is_asked else "", **compared))
    memory = [run["memory"] for run in used["two"]]
    return [*rows, summarize("largest process next to the main one, 2 workers", size, memory, "MB", target="< 250")]


if __name__ == "__main__":
    main()
