"""docs/results.md, from the leaderboard, the screening and the learning curve."""

import json
import textwrap
from collections import Counter
from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path

from pipeline.files import read_csv, write_text
from protocol import pictures, records, screening
from protocol.curve import Point, read_points
from protocol.entries import CURVE, CURVE_WHOLE, ENTRIES
from protocol.folds import COUNT, SCREENED, SCREENING_FOLD, digest, read_folds
from protocol.leaderboard import REFERENCE, first_trained
from protocol.running import PAIR, SINGLE
from segmenter.evaluation.bootstrap import Estimate

PAGE = Path(__file__).parents[2] / "docs" / "results.md"
_MODES = {PAIR: "pair", SINGLE: "one image"}
Row = dict[str, object]

_HEAD = """# Results on CDD-CESM

Whole-image Dice of lesion segmentation on patients that the network was not trained on. [benchmark.md](benchmark.md) states the
protocol and how to read this page. It is made from the files in `benchmarks/quality/`; `make benchmark` makes all but the
contours and "What was tried" again.

Folds: SHA-256 `{digest}` of {patients} patients in {folds} folds."""


def write_results(rows: Sequence[Row], ceiling: float | None) -> None:
    """Writes the page."""
    folds = read_folds()
    pictures.draw_charts([row for row in rows if row["entry"] not in CURVE])
    if points := read_points(rows):
        pictures.draw_curve(points)
    parts = [_HEAD.format(digest=digest(folds), patients=len(folds), folds=COUNT), *_leaderboard(rows, ceiling), *_outlines()]
    parts += [*_groups(rows), *_curve(points), *_screening(), *_looks(), _LIMITS]
    write_text(PAGE, "\n\n".join(parts) + "\n")


def _leaderboard(rows: Sequence[Row], ceiling: float | None) -> list[str]:
    columns = ("network", "input", "folds", "images", "Dice, mean", "Dice, median", "minus published")
    columns += (f"Dice, mean, without fold {SCREENING_FOLD}", "found", "false positives", "core-minutes", "MACs")
    table = [
        (
            row["title"],
            _MODES[str(row["mode"])],
            f"{row['folds']} of {COUNT}",
            row["images"],
            _interval(row, "dice_mean"),
            _interval(row, "dice_median"),
            _interval(row, "difference", sign="+"),
            _interval(row, "dice_mean_unscreened"),
            _number(row.get("detection_rate")),
            _number(row.get("false_positives_per_image")),
            _number(row.get("core_minutes_per_fold"), ".0f"),
            _giga(row.get("multiply_accumulates")),
        )
        for row in rows
        if row["entry"] not in CURVE
    ]
    notes = [
        "Dice is per image, of images with a lesion; intervals are 95 % by patient. Networks that take pairs are also tested on "
        "`one image`, with its partner withheld. `minus published` is the paired difference from the published network, over the "
        f"images that both have. That network got no more processor time than `best` (epochs: {_epochs(REFERENCE[0])}), so this "
        "is a difference at equal cost, and says nothing about longer training.",
        f"The settings of `best.toml` were chosen on the validation patients of round {SCREENED}, which are those of fold "
        f"{SCREENING_FOLD}: the mean without fold {SCREENING_FOLD} is free of that choice.",
        "`found` is the share of annotated lesions that a predicted one overlaps with an IoU over 0.1, `false positives` the "
        "number of other predicted ones per image. Lesions are connected components of a mask, however small; the table by "
        "group has the share by their size. Core-minutes are processor time of training, per fold; MACs are "
        "multiply-accumulates of one prediction, over all passes of the network.",
    ]
    if ceiling:
        notes.append(
            "Lesions were drawn on both images of a view, low-energy and subtracted. After registration the two drawings agree "
            f"with a mean Dice of {ceiling:.3f} ([benchmarks.md](benchmarks.md)); the first network of the table reaches "
            f"{_share(rows)} of it. Most drawings are copies of one outline: two independent readers would agree less, and no "
            "network can be expected to exceed this Dice by much."
        )
    picture = f"![Mean Dice of each network, and Dice by lesion size]({pictures.CHARTS.name})"
    return ["## Networks", markdown(columns, table), picture, *(textwrap.fill(note, 130) for note in notes)]


def _epochs(entry: str) -> str:
    """The number of epochs of an entry, as `4`, or `4 to 5` where the rounds differ."""
    epochs = sorted({fold["epochs"] for fold in records.read_folds(entry).values() if "epochs" in fold})
    return " to ".join(map(str, dict.fromkeys(epochs[:1] + epochs[-1:]))) or "none yet"


def _share(rows: Sequence[Row]) -> str:
    best = first_trained(rows)
    return f"{best['ceiling_share']:.0%}" if best else "nothing yet"


def _outlines() -> list[str]:
    """The picture of test images, once it is drawn."""
    if not pictures.OUTLINES.is_file():
        return []
    about = (
        "Test images from the worst Dice to the best, in equal steps of rank: the breast's contour, the annotated lesions and "
        "the prediction of the first network of the table."
    )
    return ["## What it looks like", textwrap.fill(about, 130), f"![Contours of test images]({pictures.OUTLINES.name})"]


def _groups(rows: Sequence[Row]) -> list[str]:
    """Dice of the first network of the table by kind of image, size of the lesions and share of bands."""
    if not (best := first_trained(rows)):
        return []
    entry, mode = str(best["entry"]), str(best["mode"])
    whole = json.loads((records.FOLDER / f"{entry}-{mode}.json").read_text())
    table = [
        (
            *("lesion pixels of the image, of 512 × 512", name, size["images"]),
            *(_interval(size, "dice_mean"), _interval(size, "detection_rate"), _number(size["false_positives_per_image"])),
        )
        for name, size in whole["sizes_px"].items()
        if size["images"]
    ]
    titles = {"kind": "kind of image", "bands": "share of long thin regions", "machine": "machine", "density": "density"}
    metrics = {(row["group"], row["value"], row["metric"]): row for row in whole["metrics"]}
    for (group, value, metric), row in metrics.items():
        if group in titles and metric == "dice":
            found, wrong = (metrics.get((group, value, name), {}) for name in ("detection_rate", "false_positives_per_image"))
            table.append((titles[group], value, row["images"], _mean(row), _mean(found), _number(wrong.get("mean"))))
        if group == "lesion size" and metric == "detection_rate":
            table.append(("size of a lesion, by terciles of training", value, row["images"], "-", _mean(row), "-"))
    columns = ("group", "value", "images", "Dice, mean", "found", "false positives")
    return [f"## By group: {best['title']}, {_MODES[mode]}", markdown(columns, table)]


def _mean(row: Row) -> str:
    return _dict_interval(row, "mean", "mean_low", "mean_high")


def _curve(points: Sequence[Point]) -> list[str]:
    """Dice against the number of training patients."""
    if not points:
        return []
    table = [
        (
            f"{point.share:.0%}",
            f"{point.patients:.0f}",
            _MODES[point.mode],
            f"{point.folds} of {COUNT}",
            _estimate(point.dice),
            _estimate(point.difference, sign="+"),
        )
        for point in points
    ]
    about = (
        f"The same network (`{CURVE_WHOLE}`) and number of steps, trained on a share of the patients of each round. Those "
        "of a smaller share are in each larger one. The difference is paired, from all patients, over the images that both have."
    )
    columns = ("share", "patients", "input", "folds", "Dice, mean", "minus all patients")
    picture = f"![Mean Dice against the number of training patients]({pictures.CURVE.name})"
    return ["## What more patients bring", textwrap.fill(about, 130), markdown(columns, table), picture]


def _screening() -> list[str]:
    """The choices that were compared on validation, and how far each is from the best one on the same images."""
    if not screening.TABLE.is_file():
        return []
    rows = sorted(read_csv(screening.TABLE, screening.COLUMNS), key=lambda row: -float(row["dice_mean"]))
    best, shown = ENTRIES["best"].configuration(), itemgetter("name", "core_minutes", "dice_mean", "low", "high", "dice_median")
    table = [
        (
            *(name, screening.settings_of(row, best), minutes, f"{mean} ({low} to {high})", median),
            screening.difference(name, rows[0]["name"]) if row is not rows[0] else "-",
        )
        for row, (name, minutes, mean, low, high, median) in zip(rows, map(shown, rows), strict=True)
    ]
    about = (
        f"Each row is one training of round {SCREENED}, compared on its validation patients, which are those of fold "
        f"{SCREENING_FOLD}. The epoch and the threshold were chosen on the same images, so these values are higher than on new "
        "patients, and only to be compared with each other. Settings are those that differ from `best.toml`; a row without any "
        "is `best.toml` itself. The difference is paired, from the first row. Differences below 0.02 are within the noise of one "
        "seed."
    )
    columns = ("choice", "settings", "core-minutes", "Dice, mean", "Dice, median", "difference")
    return ["## What was tried", textwrap.fill(about, 130), markdown(columns, table)]


def _looks() -> list[str]:
    """How often each test fold was looked at."""
    if not records.LOOKS.is_file():
        return []
    looks = Counter((row["entry"], row["mode"], row["fold"]) for row in read_csv(records.LOOKS, records.LOOK_COLUMNS))
    folds = [str(fold) for fold in range(COUNT)]
    table = [
        (entry, _MODES[mode], *(looks[entry, mode, fold] for fold in folds))
        for entry, mode in dict.fromkeys((entry, mode) for entry, mode, _ in looks)
    ]
    about = (
        "How often each entry was evaluated on the test images of a fold. One look is its result; what was chosen after a look "
        "would show as another one. `benchmarks/quality/looks.csv` has dates and reasons."
    )
    columns = ("entry", "input", *(f"fold {fold}" for fold in folds))
    return ["## Looks at the test folds", textwrap.fill(about, 130), markdown(columns, table)]


_LIMITS = """## Limits

Images of one centre, drawn by one team; malignant lesions only, so nothing here shows how often a network marks a healthy
breast; no external test. Annotated regions include bands of skin thickening and edema. The images are JPEG files that were made
from DICOM with unknown windows. None of this is a statement about clinical use."""


def markdown(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def _interval(row: Row, name: str, sign: str = "") -> str:
    return _dict_interval(row, name, f"{name}_low", f"{name}_high", sign)


def _dict_interval(row: Row, name: str, low: str, high: str, sign: str = "") -> str:
    if row.get(name) in (None, ""):
        return "-"
    ends = f" ({row[low]:{sign}.3f} to {row[high]:{sign}.3f})" if row.get(low) not in (None, "") else ""
    return f"{row[name]:{sign}.3f}{ends}"


def _estimate(estimate: Estimate | None, sign: str = "") -> str:
    return _dict_interval(vars(estimate), "value", "low", "high", sign) if estimate else "-"


def _number(value: object, form: str = ".2f") -> str:
    return format(value, form) if isinstance(value, int | float) else "-"


def _giga(value: object) -> str:
    return f"{value / 1e9:.1f} G" if isinstance(value, int | float) else "-"
