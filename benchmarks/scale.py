"""Measures how stages and tables grow with the number of source images, apart from the work on pixels.

    python benchmarks/scale.py                 small collections, and the exponents of their growth; a few minutes
    python benchmarks/scale.py --full          tables of 200,000 images with 1,200,000 samples; minutes, and 4 GB of memory
    python benchmarks/scale.py --index         index and split of 20,000 and 200,000 images; minutes, and 1 GB on the disk
    python benchmarks/scale.py --images 50000  collections of 50,000, 100,000 and 200,000 images; hours, and 30 GB on the disk

Collections have images of 32 x 48 pixels and six samples of 32 x 32 for each, so that what is measured is everything but pixels:
finding, joining, hashes, files, the journal, the audit. Each stage runs in a process of its own, without workers. Tables are
made without any image: index, journal, assignment. Seconds are of the processor, because a busy machine changes these little;
memory is the most that the process has taken so far.

An exponent of 1 means that twice as many images cost twice as much, whatever the start costs: for n, 2 n and 4 n images it is the
logarithm to base 2 of (cost(4 n) - cost(2 n)) / (cost(2 n) - cost(n)). Where these differ by less than half a second of
processor time, noise decides and there is none. Rows go to benchmarks/results/scale.csv, with --full to
scale_full.csv, with --index to scale_index.csv.
"""

import argparse
import csv
import json
import math
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from results import Row, write_rows

from pipeline import stages
from pipeline.audit import audit
from pipeline.contract import DETAILS, SPLITS, sample_name
from pipeline.dataset.builder import Builder, pixel_key
from pipeline.dataset.folder import DatasetFolder, sample_paths
from pipeline.dataset.journal import COUNT_NAMES, JournalEntry, Stamp
from pipeline.files import run_program, write_csv, write_text
from pipeline.indexing.find import SourceFiles
from pipeline.indexing.tables import COLUMNS, REGION_COLUMNS, SourceImage, read_regions, write_rejects
from pipeline.recipe import Recipe, load_recipe
from pipeline.workers import Inline

FULL = 200_000
SECONDS = "processor seconds"
_NOISE_S = 0.5  # costs that differ by less give any exponent, even below 0
VIEWS = [(side, kind, view) for side in "LR" for kind in ("DM", "CM") for view in ("CC", "MLO")]
SHAPE = {"name": "circle", "cx": 16, "cy": 20, "r": 6}
Costs = dict[str, dict[str, float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=200, help="in the smallest collection (default: %(default)s)")
    parser.add_argument("--rows", type=int, default=5000, help="images in the smallest tables (default: %(default)s)")
    parser.add_argument("--full", action="store_true", help=f"only tables of {FULL} images")
    parser.add_argument("--index", action="store_true", help=f"only index and split of {FULL // 10} and {FULL} images")
    parser.add_argument("--scratch", type=Path, help="folder for the temporary files")
    parser.add_argument("--part", nargs=3, metavar=("PART", "COUNT", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        part, count, folder = arguments.part
        print(json.dumps(run_part(part, int(count), Path(folder))))
        return
    if arguments.full:
        write_rows("scale_full", rows_of(FULL, measure_tables(FULL, arguments.scratch)))
        return
    if arguments.index:
        counts = (FULL // 10, FULL)
        made = {count: measure_collection(count, arguments.scratch, _INDEX_STAGES) for count in counts}
        write_rows("scale_index", [row for count, costs in made.items() for row in rows_of(count, costs)])
        return
    rows: list[Row] = []
    for least, measure in ((arguments.images, measure_collection), (arguments.rows, measure_tables)):
        costs = {count: measure(count, arguments.scratch) for count in (least, 2 * least, 4 * least)}
        rows += [row for count, values in costs.items() for row in rows_of(count, values)] + exponents(costs)
    write_rows("scale", rows)


def measure_collection(count: int, scratch: Path | None, names: Sequence[str] = ()) -> Costs:
    """Makes a collection, and a data set of it by the named stages or all, each in a process of its own."""
    with tempfile.TemporaryDirectory(dir=scratch) as root:
        write_collection(Path(root, "raw"), count)
        costs: Costs = {}
        for stage in names or STAGES:
            costs |= in_process(stage, count, root)
        return costs


def measure_tables(count: int, scratch: Path | None) -> Costs:
    """Makes the tables of a data set without files, and reads and writes them in one process after the other."""
    with tempfile.TemporaryDirectory(dir=scratch) as root:
        in_process("write", count, root)
        return in_process("tables", count, root)


def in_process(part: str, count: int, root: str) -> Costs:
    command = [sys.executable, __file__, "--part", part, str(count), root]
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    costs: Costs = json.loads(out.splitlines()[-1])
    print(f"{count} images: {costs}", file=sys.stderr, flush=True)
    return costs


def run_part(part: str, count: int, root: Path) -> Costs:
    """Runs one stage, or all that is measured of tables, in this process."""
    costs: Costs = {}
    if part == "write":
        write_tables(DatasetFolder(root / "set"), count)
    elif part == "tables":
        use_tables(DatasetFolder(root / "set"), costs)
    else:
        with cost(costs, part):
            STAGES[part](DatasetFolder(root / "set"), root / "raw")
    return costs


@contextmanager
def cost(costs: Costs, name: str) -> Iterator[None]:
    """Measures processor seconds, and the memory that the process has taken at most so far, in MB."""
    before = seconds()
    yield
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    costs[name] = {SECONDS: seconds() - before, "MB": used}


def seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def recipe_of_small_samples() -> Recipe:
    return load_recipe("v2", {"image": {"size_px": 32}})


def index(folder: DatasetFolder, raw: Path) -> None:
    stages.index(folder, recipe_of_small_samples(), raw, None, Inline())


def variants(folder: DatasetFolder, raw: Path) -> None:
    stages.variants(folder, Inline(), fused=True)


STAGES: dict[str, Callable[[DatasetFolder, Path], object]] = {
    "index": index,
    "index, everything done": index,
    "split": lambda folder, raw: stages.split(folder),
    "masks and variants": variants,
    "masks and variants, everything done": variants,
    "audit": lambda folder, raw: audit(folder.root, executor=Inline()),
    "stats": lambda folder, raw: stages.stats(folder),
}
_INDEX_STAGES = ("index", "index, everything done", "split")


def write_collection(raw: Path, count: int) -> None:
    """Writes distinct images of eight views per patient, each with a row of the table and a region, as CDD-CESM has them."""
    rng = np.random.default_rng(count)
    table, regions = [], []
    for number in range(count):
        name, (side, kind, view) = name_of(number), VIEWS[number % len(VIEWS)]
        path = raw / kind / f"{name}.jpg"
        if number < len(VIEWS):
            path.parent.mkdir(parents=True, exist_ok=True)
        pixels = cv2.resize(rng.integers(0, 256, (6, 4), dtype=np.uint8), (32, 48), interpolation=cv2.INTER_CUBIC)
        data = cv2.imencode(".jpg", pixels)[1].tobytes()
        path.write_bytes(data)
        patient, type_ = number // len(VIEWS) + 1, "CESM" if kind == "CM" else "DM"
        table.append([name, patient, side, type_, 50, "C", 5, "Mass", view, "mass", 1, "Malignant"])
        regions.append([path.name, len(data), "{}", 1, 0, json.dumps(SHAPE | {"cx": 10 + number % 12}), "{}"])
    write_table(
        raw / "Radiology-manual-annotations.csv",
        "Image_name,Patient_ID,Side,Type,Age,Breast density (ACR),BIRADS,Findings,View,Tags,Machine,"
        "Pathology Classification/ Follow up",
        table,
    )
    write_table(
        raw / "Radiology_hand_drawn_segmentations_v2.csv",
        "#filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes",
        regions,
    )


def name_of(number: int) -> str:
    side, kind, view = VIEWS[number % len(VIEWS)]
    return f"P{number // len(VIEWS) + 1}_{side}_{kind}_{view}"


def write_table(path: Path, header: str, rows: list[list]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header.split(","), *rows])


def write_tables(folder: DatasetFolder, count: int) -> None:
    """Writes what the stages index, split and variants leave, without the manifest and the samples."""
    recipe, images = recipe_of_small_samples(), sorted(map(made_image, range(count)), key=lambda image: image.image_id)
    patients = sorted({image.patient for image in images})
    splits = {patient: SPLITS[(number % 20 > 15) + (number % 20 > 18)] for number, patient in enumerate(patients)}
    folder.claim(recipe, "/raw")
    write_csv(folder.index, COLUMNS, (image.to_row() for image in images))
    region = {"region": 0, "shape": "circle", "attributes": json.dumps(SHAPE), "area_px": 113, "inside": 1, "where": "row 3"}
    write_csv(folder.regions, REGION_COLUMNS, ({"image_id": image.image_id} | region for image in images))
    write_rejects(folder.rejects, [])
    times = {image.source: number for number, image in enumerate(images)}
    folder.write_state(
        folder.index_state,
        {"seen": "", "raw": "/raw", "keyed": False, "phantom": False, "summary": {}, "times": times, "follow_links": False},
    )
    rows = ({"patient": patient, "split": splits[patient], "fold": number % 5} for number, patient in enumerate(patients))
    write_csv(folder.assignment, ("patient", "split", "fold"), rows)
    entries = (made_entry(image, splits[image.patient], recipe) for image in images)
    write_text(folder.journal.path, "".join(entry.to_json() + "\n" for entry in entries))


def made_image(number: int) -> SourceImage:
    side, kind, view = VIEWS[number % len(VIEWS)]
    name, patient = name_of(number), f"P{number // len(VIEWS) + 1}"
    details = dict.fromkeys(DETAILS, "") | {"density": "C", "birads": "5"}
    source = (f"{kind}/{name}.jpg", 1000, f"{number:064x}")
    return SourceImage(name, patient, side, view, kind, "malignant", details, 1, 0.01, 32, 48, None, *source)


def made_entry(image: SourceImage, split: str, recipe: Recipe) -> JournalEntry:
    samples = {
        variant: {
            name: Stamp(path, 900, 1_795_700_000_000_000_000, image.source_sha256)
            for name, path in sample_paths(split, sample_name(variant, image.image_id), recipe).items()
        }
        for variant in recipe.variants.names
    }
    counts = dict.fromkeys(COUNT_NAMES, 1)
    return JournalEntry(image.image_id, pixel_key(image, (SHAPE,)), None, counts, {}, samples, 0.0)


def use_tables(folder: DatasetFolder, costs: Costs) -> None:
    """Reads the tables, makes the manifest of them, and reads it."""
    folder.holds = lambda *_: True  # type: ignore[method-assign]  # there are no files
    with cost(costs, "reading the index"):
        folder.read_images(), read_regions(folder.regions)
    with cost(costs, "reading the journal"):
        folder.journal.read()
    builder = Builder(folder, SourceFiles(Path("/raw")))
    with cost(costs, "finding everything done"):
        assert not builder.unfinished()
    with cost(costs, "writing manifest and card"):
        builder.finish()
    del builder
    folder = DatasetFolder(folder.root)
    with cost(costs, "reading the manifest"):
        folder.read_manifest()
    costs["journal"] = {"MB on disk": folder.journal.path.stat().st_size / 1e6}
    costs["manifest"] = {"MB on disk": folder.manifest.stat().st_size / 1e6}


def rows_of(count: int, costs: Costs) -> list[Row]:
    return [
        Row(f"{name}: memory" if unit == "MB" else name, f"{count} images", value, unit)
        for name, values in costs.items()
        for unit, value in values.items()
    ]


def exponents(costs: dict[int, Costs]) -> list[Row]:
    """How processor seconds and sizes grow with the number of images, where they grow by more than noise."""
    least, middle, most = sorted(costs)
    rows = []
    for name, values in costs[least].items():
        for unit in values:
            first, second, third = (costs[count][name][unit] for count in (least, middle, most))
            noise = _NOISE_S if unit == SECONDS else 0
            if unit != "MB" and min(third - second, second - first) > noise:
                exponent = math.log2((third - second) / (second - first))
                rows.append(Row(f"exponent of {name}", f"{least} to {most} images", exponent, "", target="<= 1.2"))
    return rows


if __name__ == "__main__":
    sys.exit(run_program(main))
