"""Trains each configuration of the published project in a folder for one step, and prints how many train and why others do not.

    python benchmarks/configurations.py FOLDER [--side 64] [--only NAME ...]

As a user would: `cesm-segmenter train DATASET --config FILE --set model.image_width=64 ...` on four random pairs, in a process
of its own. A file that is refused at this side is tried at 128 px, where networks of eight levels fit, and the table says so.
Its exit status is 1 if a file was accepted and did not train. CONFIGURATIONS.csv in the working folder has a row per file.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from pipeline.files import InputError, run_program, write_csv
from segmenter.configuration.published.reader import read_published

TABLE = Path("CONFIGURATIONS.csv")
COLUMNS = ("file", "network", "result", "side", "seconds", "reason")
LARGER_SIDE = 128


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="a folder of .config files")
    parser.add_argument("--side", type=int, default=64, help="of the images in training, in pixels (64)")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="files whose names contain one of these")
    arguments = parser.parse_args()
    files = sorted(arguments.folder.glob("*.config"))
    if arguments.only:
        files = [file for file in files if any(name in file.name for name in arguments.only)]
    if not files:
        raise InputError(f"{arguments.folder}: has no .config files; give a folder that has")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for file in files:
            rows.append(measure(file, Path(folder), arguments.side))
            result, side, seconds, reason = (rows[-1][key] for key in ("result", "side", "seconds", "reason"))
            print(f"{result:<9}{side:>4} px {seconds:>6} s  {file.name}  {reason}", flush=True)
            write_csv(TABLE, COLUMNS, rows)
    counts = {result: sum(row["result"] == result for row in rows) for result in ("trains", "refused", "fails")}
    print(f"{len(rows)} files: {', '.join(f'{count} {result}' for result, count in counts.items())}")
    return 1 if counts["fails"] else 0


def measure(file: Path, folder: Path, side: int) -> dict[str, object]:
    """Returns the table's row of a file."""
    for tried in sorted({side, max(side, LARGER_SIDE)}):
        start = time.monotonic()
        try:
            model = read_published(file, settings(tried)).configuration.model
        except InputError as error:
            row = {"result": "refused", "side": tried, "reason": str(error).removeprefix(f"{file}: "), "network": ""}
            continue
        process = train(file, make_pairs(folder / f"{tried}-{model.num_classes}", tried, model.num_classes), tried)
        lines = process.stderr.strip().splitlines()
        row = {"result": "trains", "side": tried, "reason": "", "network": model.model}
        if process.returncode:
            row |= {"result": "fails", "reason": f"status {process.returncode}: {lines[-1] if lines else ''}"}
        break
    return {"file": file.name, "seconds": f"{time.monotonic() - start:.0f}"} | row


def settings(side: int) -> dict[str, dict[str, object]]:
    """What a training of one small step has instead of the file's values."""
    return {
        "model": {"image_width": side, "image_height": side},
        "train": {"epochs": 1, "batch_size": 2, "steps_per_epoch": 1, "validation_steps": 1, "epoch_change_infer": False},
        "tiledinfer": {"split_size": side, "overlapping": side // 4},
    }


def train(file: Path, data: Path, side: int) -> subprocess.CompletedProcess[str]:
    """Trains one step with the program, in a process of its own."""
    changes = [
        f"{section}.{key}={str(value).lower()}" for section, values in settings(side).items() for key, value in values.items()
    ]
    options = [option for change in changes for option in ("--set", change)]
    options += ["--config", str(file), "--name", "one", "--restart"]
    return subprocess.run([sys.executable, "-m", "segmenter", "train", str(data), *options], capture_output=True, text=True)


def make_pairs(folder: Path, side: int, classes: int) -> Path:
    """Four random pairs with a square of each class, two in train and two in valid; made once."""
    for split in ("train", "valid") if not folder.exists() else ():
        for number in range(2):
            rng = np.random.default_rng(number)
            mask = np.zeros((side, side), np.uint8)
            for index in range(1, max(2, classes)):
                corner = 8 * index
                mask[corner : corner + 8, corner : corner + 8] = index if classes > 1 else 255
            image = rng.integers(0, 256, (side, side), np.uint8)
            for kind, pixels in (("images", image), ("masks", mask)):
                (folder / split / kind).mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(folder / split / kind / f"{split}{number}.png"), pixels)
    return folder


if __name__ == "__main__":
    sys.exit(run_program(main))
