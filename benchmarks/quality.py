#!/usr/bin/env python3
"""The benchmark: networks on CDD-CESM in five folds by patient (`make benchmark`). docs/benchmark.md states the protocol.

    python benchmarks/quality.py run DATASET [--entry NAME ...] [--fold K ...]    trains and evaluates what has no result yet
    python benchmarks/quality.py screen DATASET NAME --config FILE [--set KEY=VALUE ...]    one choice, judged on validation
    python benchmarks/quality.py add DATASET NAME --input INPUT --title TEXT      makes an entry of another program's masks
    python benchmarks/quality.py outlines DATASET                                 draws test images as contours
    python benchmarks/quality.py page                                             writes leaderboard.csv and docs/results.md
    python benchmarks/quality.py final DATASET [--config best]                    trains on all images for segmenter/pretrained
    python benchmarks/quality.py folds ANNOTATIONS                                deals the folds again and compares them

DATASET is one of recipe v2-pairs with the folds of benchmarks/folds.csv:

    make dataset RECIPE=v2-pairs ASSIGNMENT=benchmarks/folds.csv RAW=... ANNOTATIONS=...

Results are in benchmarks/quality/, one fold at a time: after an interruption the same command goes on. Each evaluation on a test
fold is noted in benchmarks/quality/looks.csv with its reason.
"""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from protocol import records
from protocol.baselines import evaluate_baseline
from protocol.entries import BASELINES, ENTRIES, Entry
from protocol.folds import COUNT, SCREENED, TABLE, deal_folds, digest, read_folds, require_benchmark_set, require_folds
from protocol.leaderboard import write_leaderboard
from protocol.patients import keep_patients
from protocol.running import PAIR, SINGLE, evaluate_entry, modes_of, read_cost, run_name, train_entry
from protocol.screening import add_screened
from protocol.submissions import add_scored
from results import RESULTS, describe_machine, describe_versions

from pipeline.files import InputError, add_settings, read_csv, require, run_program
from segmenter.backend import require_backend
from segmenter.data.dataset import DataSet, read_data_set
from segmenter.pretrained import packaged
from segmenter.runs import Run, open_run, read_configuration


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="train and evaluate what has no result yet")
    run.add_argument("dataset", type=Path)
    run.add_argument("--entry", nargs="+", choices=[*BASELINES, *ENTRIES], default=[*BASELINES, *ENTRIES], metavar="NAME")
    run.add_argument("--fold", nargs="+", type=int, choices=range(COUNT), default=list(range(COUNT)), metavar="K")
    run.add_argument("--restart", action="store_true", help="train again what has a result or a run")
    run.add_argument("--reason", default="result", help="why a test fold is looked at, for looks.csv (result)")
    screen = commands.add_parser("screen", help="train one choice in round 0, judged on its validation patients")
    screen.add_argument("dataset", type=Path)
    screen.add_argument("name")
    screen.add_argument("--config", default="best")
    add_settings(screen, "configuration")
    add = commands.add_parser("add", help="take masks of another program, scored on all folds, as an entry")
    add.add_argument("dataset", type=Path)
    add.add_argument("name", help="of the run that `cesm-segmenter evaluate --masks FOLDER --name NAME --fold all` made")
    add.add_argument("--input", choices=(PAIR, SINGLE), required=True, help="what the program was given of a view")
    add.add_argument("--title", required=True, help="what it is, for the table")
    add.add_argument("--core-minutes", type=float, metavar="M", help="processor time of its training, per fold")
    add.add_argument("--reason", default="result", help="why the test folds were looked at, for looks.csv (result)")
    outlines = commands.add_parser("outlines", help="draw test images of the first network of the table as contours")
    outlines.add_argument("dataset", type=Path)
    final = commands.add_parser("final", help="train on all images, and write the model that comes with the package")
    final.add_argument("dataset", type=Path)
    final.add_argument("--config", default="best", help="an entry of the benchmark, or a configuration (best)")
    final.add_argument("--restart", action="store_true", help="train again what is trained by another configuration")
    commands.add_parser("page", help="write leaderboard.csv and docs/results.md")
    folds = commands.add_parser("folds", help="deal the folds again and compare them with benchmarks/folds.csv")
    folds.add_argument("annotations", type=Path)
    arguments = parser.parse_args()
    steps = {
        "run": run_entries,
        "screen": run_screen,
        "add": add_entry,
        "outlines": draw_outlines,
        "final": run_final,
        "page": write_page,
        "folds": check_folds,
    }
    return steps[arguments.command](arguments)


def run_entries(arguments: argparse.Namespace) -> int:
    """Runs each entry on each fold that has no result, in a process of its own, so that none inherits another's memory."""
    wanted = [(entry, fold) for fold in arguments.fold for entry in arguments.entry]
    missing = [(entry, fold) for entry, fold in wanted if arguments.restart or not has_result(entry, fold)]
    if len(wanted) == len(missing) == 1:
        run_fold(*wanted[0], _read(arguments.dataset), arguments.reason, restart=arguments.restart)
        return 0
    failed = []
    for entry, fold in missing:
        command = [sys.executable, __file__, "run", arguments.dataset, "--entry", entry, "--fold", str(fold)]
        command += ["--reason", arguments.reason, *(["--restart"] if arguments.restart else [])]
        if subprocess.run(command, check=False).returncode:
            failed.append(f"{entry}, fold {fold}")
    write_leaderboard(read_ceiling())
    if failed:
        print(f"failed: {'; '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def has_result(name: str, fold: int) -> bool:
    """Whether an entry has a result on a fold, and prints so.

    Raises:
      InputError: the result is of another configuration.
    """
    if not (facts := records.read_folds(name).get(str(fold))):
        return False
    _require_current(name, fold, facts)
    print(f"{name}, fold {fold}: has a result already", flush=True)
    return True


def _require_current(name: str, fold: int | str, facts: Mapping[str, object]) -> None:
    if name in ENTRIES and facts["configuration_sha256"] != ENTRIES[name].digest():
        raise InputError(
            f"{records.FOLDER / name}: the result of fold {fold} is of another configuration than the entry has now; train all "
            f"of its folds again with `run DATASET --entry {name} --restart`"
        )


def _read(folder: Path) -> DataSet:
    data, folds = read_data_set(folder), read_folds()
    require_benchmark_set(folder)
    require_folds(folder, {(sample.patient, sample.fold) for sample in data.samples}, folds)
    print(
        f"folds {digest(folds)[:16]} of {len(folds)} patients, {len({sample.patient for sample in data.samples})} of them here",
        flush=True,
    )
    return data


def run_fold(name: str, fold: int, data: DataSet, reason: str, *, restart: bool = False) -> None:
    """Trains and evaluates one entry on one fold, and records the result; with `restart`, whatever is there already."""
    view, facts = data.in_fold(fold), _provenance() | {"machine": describe_machine(), "versions": describe_versions()}
    train = keep_patients(view, ENTRIES[name].patients if name in ENTRIES else 1.0).split("train")
    facts |= {"train_images": len(train), "train_patients": len({sample.owner for sample in train})}
    facts |= {"data_identity": data.identity}
    if name in BASELINES:
        records.record_look(name, SINGLE, fold, reason)
        folder = data.folder / "runs" / f"benchmark-{name}-fold{fold}" / "test"
        records.add_tables(name, SINGLE, fold, evaluate_baseline(name, view, "test", folder))
    else:
        if restart:
            shutil.rmtree(open_run(data.folder, run_name(name, fold)).folder, ignore_errors=True)
        facts |= {"configuration_sha256": ENTRIES[name].digest()} | _run_network(name, ENTRIES[name], view, reason)
    records.add_fold(name, fold, facts)


def _provenance() -> dict[str, object]:
    date = datetime.now(UTC).date().isoformat()
    return {"folds_sha256": digest(read_folds()), "version": version("cesm-segmentation"), "date": date}


def _run_network(name: str, entry: Entry, view: DataSet, reason: str) -> dict[str, object]:
    fold = view.fold
    assert fold is not None
    run = train_entry(name, entry, keep_patients(view, entry.patients), _budget(entry, fold))
    thresholds = {}
    for mode in modes_of(entry.configuration()):
        records.record_look(name, mode, fold, reason)
        folder, metrics = evaluate_entry(run, view, "test", mode)
        records.add_tables(name, mode, fold, folder)
        thresholds[f"threshold_{mode}"] = metrics["threshold"]
    return read_cost(run) | thresholds | _describe_network(run)


def _budget(entry: Entry, fold: int) -> float | None:
    if not entry.budget_of:
        return None
    folds = records.read_folds(entry.budget_of)
    if str(fold) not in folds:
        raise InputError(
            f"{entry.budget_of} has no result on fold {fold} yet, and its processor time is the budget; run it first"
        )
    return folds[str(fold)]["core_s"]


def _describe_network(run: Run) -> dict[str, object]:
    """Parameters, and multiply-accumulates of one prediction: of all passes, where it averages over several views."""
    from segmenter.inference.ensembles import count_views
    from segmenter.models.inspection import count_multiply_accumulates
    from segmenter.models.saved_models import load_whole

    model = load_whole(run.best_model)
    passes = count_views(read_configuration(run).infer.augmentation)
    macs = sum(count_multiply_accumulates(model).values())
    return {"parameters": model.count_params(), "multiply_accumulates": passes * macs}


def run_screen(arguments: argparse.Namespace) -> int:
    """Trains one choice in round 0, evaluates it on validation only, and adds a row to screening.csv."""
    view = _read(arguments.dataset).in_fold(SCREENED)
    entry = Entry(arguments.name, arguments.config, arguments.settings)
    run = train_entry(f"screen-{arguments.name}", entry, view)
    mode = PAIR if entry.configuration().dataset.partner else SINGLE
    folder, metrics = evaluate_entry(run, view, "valid", mode)
    add_screened(arguments.name, entry.configuration(), read_cost(run), metrics, folder)
    return 0


def add_entry(arguments: argparse.Namespace) -> int:
    """Takes the scores of another program's masks over to the results."""
    facts: dict[str, object] = {"title": arguments.title} | _provenance()
    if arguments.core_minutes is not None:
        facts["core_s"] = 60 * arguments.core_minutes
    add_scored(_read(arguments.dataset), arguments.name, arguments.input, facts, arguments.reason)
    print(f"{records.FOLDER / arguments.name}: written; `python benchmarks/quality.py page` adds it to the table")
    return 0


def run_final(arguments: argparse.Namespace) -> int:
    """Trains on all images of all folds, and writes both files, the facts and the card of the package's model.

    Raises:
      InputError: the folds, whose results the card states, have another configuration; or what the steps raise.
    """
    from protocol.final import train_final, write_package

    for package in ("onnx", "onnxruntime", "tf2onnx"):
        require(package, "to write the model of the package", "onnx")
    for fold, facts in records.read_folds(arguments.config).items():
        _require_current(arguments.config, fold, facts)
    data = _read(arguments.dataset)
    entry = ENTRIES.get(arguments.config) or Entry(arguments.config, arguments.config)
    run = train_final(data, entry, restart=arguments.restart)
    if require_backend() != "tensorflow":
        raise InputError(
            f"{run.folder}: is trained, and only TensorFlow exports it; repeat the command with KERAS_BACKEND=tensorflow, which "
            "writes the files without training again"
        )
    facts = write_package(run, data, arguments.config, entry.configuration(), digest(read_folds()))
    print(f"{packaged.FOLDER}: written, trained on {facts.images} images of {facts.patients} patients; {facts.infer}")
    return 0


def read_ceiling() -> float | None:
    """The mean Dice of the two drawings of a view, as benchmarks/pairing.py measured it; None where it was not."""
    path = RESULTS / "pairing.csv"
    rows = read_csv(path, ("measurement", "setting", "value")) if path.is_file() else []
    values = [float(row["value"]) for row in rows if row["measurement"] == "Dice of the two masks after registration, mean"]
    return values[0] if values else None  # the first one is of all views


def draw_outlines(arguments: argparse.Namespace) -> int:
    """Draws docs/results-outlines.png from the runs of the first network of the table."""
    from protocol.leaderboard import first_trained
    from protocol.pictures import draw_outlines

    if not (first := first_trained(write_leaderboard(read_ceiling()))):
        raise InputError(f"{records.FOLDER}: no network has a result yet; run `python benchmarks/quality.py run DATASET` first")
    draw_outlines(_read(arguments.dataset), str(first["entry"]), str(first["mode"]))
    return 0


def write_page(_: argparse.Namespace) -> int:
    """Writes leaderboard.csv and docs/results.md."""
    from protocol.page import PAGE, write_results

    write_results(write_leaderboard(read_ceiling()), read_ceiling())
    print(f"{PAGE}: written")
    return 0


def check_folds(arguments: argparse.Namespace) -> int:
    """Compares the folds of the annotation table with those of benchmarks/folds.csv."""
    dealt, known = deal_folds(arguments.annotations), read_folds()
    print(f"{arguments.annotations}: {digest(dealt)}, {TABLE.name}: {digest(known)}")
    if dealt == known:
        return 0
    patient = next(patient for patient in sorted(dealt.keys() | known.keys()) if dealt.get(patient) != known.get(patient))
    print(
        f"patient {patient} is dealt to fold {dealt.get(patient)}, and is in {known.get(patient)} of {TABLE.name}: this is not "
        "the table of all 326 patients that the folds were dealt from",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(run_program(main))
