#!/usr/bin/env python3
"""Compares the pipeline with a floor: a bare loop that decodes, resizes and encodes the same files.

    python benchmarks/dataset.py --raw RAW [--recipe v2] [--rounds 3] [--csv FILE]

Each round runs, in processes of their own and one after the other: the floor, the stages index, split and variants (masks
fused) with one worker and with two, and then the commands behind `make variants` and `make dataset` with two workers. The
start of worker processes is not counted in the stages' seconds; it is in the commands'. The table shows medians over the
rounds, ratios are computed per round, and their median is shown. Nothing is kept: data sets go to a temporary folder, in
`--scratch` if it is given.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from pipeline.files import write_csv


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--raw", type=Path, required=True, help="folder with images and annotation files")
    parser.add_argument("--recipe", default="v2")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scratch", type=Path, help="folder for the temporary data sets")
    parser.add_argument("--csv", type=Path, help="also write every measurement here")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.part:
        print(json.dumps(run_part(args.part, args.raw, args.recipe, args.scratch)))
        return
    rounds = []
    # Removed after the last round: a disk that is freeing thousands of files writes new ones several times slower.
    with tempfile.TemporaryDirectory(dir=args.scratch) as scratch:
        for number in range(args.rounds):
            rounds.append(measure(args, Path(scratch, str(number))))
            print(f"round {number + 1} of {args.rounds} done", file=sys.stderr, flush=True)
            if args.csv:
                write_csv(args.csv, list(rounds[0]), rounds)
    print_table(rounds)


def measure(args, scratch: Path) -> dict[str, float]:
    """Runs one round, each part in its own process."""
    scratch.mkdir()
    measurements: dict[str, float] = {}
    for part in ("floor", "1", "2"):
        command = [sys.executable, __file__, "--raw", args.raw, "--recipe", args.recipe, "--scratch", scratch, "--part", part]
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        measurements |= {f"{part}.{key}": value for key, value in json.loads(out.splitlines()[-1]).items()}
    raw = ["--raw", args.raw, "--recipe", args.recipe, "--workers", "2"]
    staged, fused = scratch / "by-stage", scratch / "in-one"
    measurements["commands.variants"] = seconds(
        ["index", *raw, "--out", staged],
        ["split", staged],
        ["masks", staged, "--workers", "2"],
        ["variants", staged, "--workers", "2"],
    )
    measurements["commands.dataset"] = seconds(["dataset", *raw, "--out", fused])
    measurements["commands.again"] = seconds(["dataset", *raw, "--out", fused])
    return measurements


def seconds(*commands) -> float:
    start = time.perf_counter()
    for command in commands:
        subprocess.run([sys.executable, "-m", "pipeline", *command], check=True, capture_output=True)
    return time.perf_counter() - start


def run_part(part: str, raw: Path, recipe: str, scratch: Path) -> dict[str, float]:
    cv2.setNumThreads(1)
    return floor(raw, recipe, scratch) if part == "floor" else stages(int(part), raw, recipe, scratch)


def stages(workers: int, raw: Path, recipe: str, scratch: Path) -> dict[str, float]:
    """Seconds of each stage and the largest resident memory of a worker, in MB."""
    from pipeline import stages
    from pipeline.dataset.folder import DatasetFolder
    from pipeline.recipe import load_recipe
    from pipeline.workers import open_executor

    folder = DatasetFolder(Path(tempfile.mkdtemp(dir=scratch), "set"))
    warm_up(0)
    with open_executor(workers) as executor:
        list(executor.map(warm_up, range(4 * workers)))
        times = [time.perf_counter()]
        kept = stages.index(folder, load_recipe(recipe), raw, None, executor).summary["kept"]
        times.append(time.perf_counter())
        stages.split(folder)
        times.append(time.perf_counter())
        stages.variants(folder, executor, fused=True)
        times.append(time.perf_counter())
        peak = max(executor.map(peak_mb, range(8 * workers)))
    index, split, variants = np.diff(times).tolist()
    return {
        "images": kept,
        "index": index,
        "split": split,
        "variants": variants,
        "all": index + split + variants,
        "peak_mb": peak,
    }


def warm_up(_: int) -> None:
    import pandas  # noqa: F401

    import pipeline.dataset.samples  # noqa: F401

    time.sleep(0.05)  # so that no single worker takes all of them


def peak_mb(_: int) -> float:
    time.sleep(0.02)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def floor(raw: Path, recipe: str, scratch: Path) -> dict[str, float]:
    """Times the bare loop: decode, resize by area (before the letterbox, which is cheapest), encode six pairs; nothing else.

    Then again with the files written, without rename or hash, to include the time of the disk.
    """
    from pipeline import stages
    from pipeline.dataset.folder import DatasetFolder
    from pipeline.indexing.tables import read_images
    from pipeline.recipe import load_recipe
    from pipeline.workers import Inline

    folder = DatasetFolder(Path(tempfile.mkdtemp(dir=scratch), "floor"))
    stages.index(folder, load_recipe(recipe), raw, None, Inline())
    paths = [raw / image.source for image in read_images(folder.index)]
    mask = cv2.circle(np.zeros((512, 512), np.uint8), (250, 260), 60, 255, -1)
    jpeg, png = [cv2.IMWRITE_JPEG_QUALITY, 95], [cv2.IMWRITE_PNG_BILEVEL, 1, cv2.IMWRITE_PNG_COMPRESSION, 1]
    turns = [
        lambda a: a,
        lambda a: cv2.rotate(a, cv2.ROTATE_90_COUNTERCLOCKWISE),
        lambda a: cv2.rotate(a, cv2.ROTATE_180),
        lambda a: cv2.rotate(a, cv2.ROTATE_90_CLOCKWISE),
        lambda a: cv2.flip(a, 1),
        lambda a: cv2.flip(a, 0),
    ]
    measurements: dict[str, float] = {"images": len(paths)}
    for key, out in (("all", None), ("write", scratch / "bare")):
        if out:
            out.mkdir()
        start = time.perf_counter()
        for number, path in enumerate(paths):
            image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_GRAYSCALE)
            scale = 512 / max(image.shape)
            small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            square = np.zeros((512, 512), np.uint8)
            top, left = (512 - small.shape[0]) // 2, (512 - small.shape[1]) // 2
            square[top : top + small.shape[0], left : left + small.shape[1]] = small
            for index, turn in enumerate(turns):
                for suffix, array, options in ((".jpg", square, jpeg), (".png", mask, png)):
                    data = cv2.imencode(suffix, turn(array), options)[1]
                    if out:
                        (out / f"{number}-{index}{suffix}").write_bytes(data.tobytes())
        measurements[key] = time.perf_counter() - start
    return measurements


def print_table(rounds: list[dict[str, float]]) -> None:
    def median(value) -> float:
        return statistics.median(value(measurements) for measurements in rounds)

    images = int(rounds[0]["floor.images"])
    print(f"{images} source images, {len(rounds)} rounds, medians")
    print("| | seconds | images per second |\n| --- | ---: | ---: |")
    for name, key in (
        ("floor: decode, resize, encode", "floor.all"),
        ("the floor, with files written", "floor.write"),
        ("1 worker: index to variants", "1.all"),
        ("1 worker: index", "1.index"),
        ("1 worker: split", "1.split"),
        ("1 worker: masks and variants", "1.variants"),
        ("2 workers: index to variants", "2.all"),
        ("2 workers: index", "2.index"),
        ("2 workers: split", "2.split"),
        ("2 workers: masks and variants", "2.variants"),
        ("commands behind make variants, 2 workers", "commands.variants"),
        ("command behind make dataset, 2 workers", "commands.dataset"),
        ("make dataset again", "commands.again"),
    ):
        duration = median(lambda measurements, key=key: measurements[key])
        print(f"| {name} | {duration:.2f} | {images / duration:.1f} |")
    print("\n| ratio | median | target |\n| --- | ---: | ---: |")
    for name, numerator, denominator, target in (
        ("1 worker / floor", "1.all", "floor.all", "<= 1.5"),
        ("1 worker / floor with files written", "1.all", "floor.write", ""),
        ("1 worker / 2 workers", "1.all", "2.all", ">= 1.7"),
        ("make dataset / make variants", "commands.dataset", "commands.variants", "<= 3"),
    ):
        ratio = median(lambda row, top=numerator, bottom=denominator: row[top] / row[bottom])
        print(f"| {name} | {ratio:.2f} | {target} |")
    print(
        f"\nlargest resident memory of a worker: {max(row['2.peak_mb'] for row in rounds):.0f} MB (target < 400); of the "
        f"single process with one worker: {max(row['1.peak_mb'] for row in rounds):.0f} MB"
    )


if __name__ == "__main__":
    main()
