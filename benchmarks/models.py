"""Measures the networks: parameters, seconds per training step at 128 px, and Dice on the phantom's test patients.

    cesm-pipeline phantom RAW --patients 80
    cesm-pipeline dataset --raw RAW --annotations RAW --out DATASET \\
        --set 'split.fractions={ train = 0.65, valid = 0.15, test = 0.20 }'
    rm benchmarks/models.csv; python benchmarks/models.py DATASET      measures all; make models prints the last table
    python benchmarks/models.py DATASET --times                        measures the seconds per step again, on a quiet machine

RAW and DATASET are new folders. That phantom has 36 images of 10 patients in `test`, enough for intervals. Each network is
measured with its default settings and in a small version. Seconds per step are those of both: the median of some steps of 4
images at 128 px after one to warm up. Dice is that of the small version at 64 px, so that all can train equally long on two
cores: the same samples in the same order, the same number of steps of 8 images, then Dice of the originals of `test`, with a
95 % interval by patient. A row is added to `models.csv` after each network, and a network with a row is not measured again;
delete its row to repeat it. Runs are in DATASET/runs/models-NAME.
"""

import argparse
import os
import statistics
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from pipeline.files import InputError, read_csv, run_program, write_csv
from segmenter.configuration import Configuration
from segmenter.configuration.networks import MODEL_SETTINGS
from segmenter.evaluation.bootstrap import PatientBootstrap

TABLE = Path(__file__).parent / "models.csv"
COLUMNS = (
    "network",
    "parameters",
    "step_s",
    "small_parameters",
    "small_step_s",
    "dice_mean",
    "dice_low",
    "dice_high",
    "dice_median",
    "images",
    "patients",
    "steps",
)
TIMED_SIDE, TIMED_BATCH = 128, 4
SIDE, BATCH, STEPS_PER_EPOCH = 64, 8, 50

# Half a million to two million parameters each, where the design allows.
SMALL: dict[str, dict[str, object]] = {
    "SlightlyFlexibleUNet": {"base_filters": 8},
    "AttentionUNet": {"base_filters": 8},
    "MultiResUNet": {"base_filters": 8},
    "SwinUNet": {"base_filters": 24, "num_heads": (1, 2, 4, 8)},
    "EfficientUNet": {"backbone": "EfficientNetB0", "base_filters": 4},
    "UNet3Plus": {"base_filters": 8},
    "DeepLabV3Plus": {"backbone": "MobileNetV2", "base_filters": 32},
    "TransUNet": {
        "base_filters": 16,
        "num_blocks": (1, 1, 1),
        "hidden_size": 96,
        "num_heads": 4,
        "transformer_layers": 4,
        "mlp_size": 192,
        "decoder_filters": (64, 32, 32, 16, 16),
    },
    "U2Net": {"lite": True},
    "SharpUNet": {"base_filters": 8},
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path, nargs="?", help="a data set of the phantom, made as above")
    parser.add_argument("--only", nargs="+", choices=list(SMALL), default=list(SMALL), metavar="NAME")
    parser.add_argument("--steps", type=int, default=300, help="training steps of the small version (300)")
    parser.add_argument("--times", action="store_true", help="measure the seconds per step of the networks in the table")
    parser.add_argument("--print", action="store_true", help="print the table and measure nothing")
    arguments = parser.parse_args()
    if not arguments.print and not arguments.times and not arguments.dataset:
        parser.error("DATASET is missing; give a data set of the phantom")
    for name in [] if arguments.print else arguments.only:
        rows = {str(row["network"]): row for row in read_table()}
        if arguments.times and name in rows:
            rows[name] |= measure_times(name)
        elif not arguments.times and name not in rows:
            rows[name] = measure_dice(name, arguments.dataset, arguments.steps) | measure_times(name)
        write_csv(TABLE, COLUMNS, [rows[network] for network in SMALL if network in rows])
    print_table()
    return 0


def measure_dice(name: str, dataset: Path, steps: int) -> dict[str, object]:
    """Returns a row of the table, without times."""
    settings = MODEL_SETTINGS[name](image_width=SIDE, image_height=SIDE, **SMALL[name])
    print(f"{name}: training the small version", flush=True)
    rows = train_and_evaluate(name, settings, dataset, steps)
    dices = np.array([float(row["dice"]) for row in rows])
    bootstrap = PatientBootstrap([row["patient"] for row in rows])
    mean = bootstrap.mean(dices)
    return {
        "network": name,
        "dice_mean": f"{mean.value:.3f}",
        "dice_low": "" if mean.low is None else f"{mean.low:.3f}",
        "dice_high": "" if mean.high is None else f"{mean.high:.3f}",
        "dice_median": f"{np.median(dices):.3f}",
        "images": len(rows),
        "patients": len({row["patient"] for row in rows}),
        "steps": -(-steps // STEPS_PER_EPOCH) * STEPS_PER_EPOCH,  # whole epochs
    }


def measure_times(name: str) -> dict[str, object]:
    """Returns parameters and seconds per step, with default settings and in the small version."""
    timed = {"image_width": TIMED_SIDE, "image_height": TIMED_SIDE}
    parameters, step_s = time_steps(MODEL_SETTINGS[name](**timed))
    small, small_step_s = time_steps(MODEL_SETTINGS[name](**timed, **SMALL[name]))
    print(f"{name}: {step_s:.2f} s per step, the small version {small_step_s:.2f} s", flush=True)
    times = {"step_s": f"{step_s:.3f}", "small_step_s": f"{small_step_s:.3f}"}
    return {"parameters": parameters, "small_parameters": small} | times


def time_steps(settings, repeats: int = 5) -> tuple[int, float]:
    """Returns the parameters, and the median seconds of some training steps after one to warm up."""
    from segmenter.training.compilation import compile_model

    model = compile_model(Configuration(model=settings))
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (TIMED_BATCH, TIMED_SIDE, TIMED_SIDE, settings.image_channels), np.uint8)
    masks = rng.integers(0, 2, (TIMED_BATCH, TIMED_SIDE, TIMED_SIDE, 1), np.uint8)
    seconds = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        model.train_on_batch(images, masks)
        seconds.append(time.perf_counter() - start)
    return model.count_params(), statistics.median(seconds[1:])


def train_and_evaluate(name: str, settings, dataset: Path, steps: int) -> list[dict[str, str]]:
    """Trains for `steps` steps, and returns patient and Dice of the originals of `test` with a lesion, at the lowest val_loss."""
    from segmenter.data.dataset import read_data_set
    from segmenter.evaluation import evaluate
    from segmenter.runs import begin_or_resume, open_run, trained_on
    from segmenter.training.trainer import train

    epochs = -(-steps // STEPS_PER_EPOCH)
    schedule = {"steps_per_epoch": STEPS_PER_EPOCH, "epochs": epochs, "patience": epochs, "epoch_change_infer": False}
    configuration = Configuration.model_validate({"model": settings, "train": schedule | {"batch_size": BATCH}})
    data = read_data_set(dataset)
    run = open_run(dataset, f"models-{name}")
    train(run, configuration, data, begin_or_resume(run, configuration, data, resume=False, restart=run.folder.exists()))
    originals = [sample for sample in data.split("test") if sample.is_original]
    out, samples = run.evaluation("test"), data.split("train")
    evaluate(run.best_model, originals, configuration, out, {}, train=samples, trained_on=trained_on(run))
    return [dict(row) for row in read_csv(out / "per_image.csv", ("patient", "dice")) if row["dice"]]


def read_table() -> list[dict[str, object]]:
    """The rows of the table so far."""
    if not TABLE.is_file():
        return []
    return [dict.fromkeys(COLUMNS, "") | dict(row) for row in read_csv(TABLE, ("network",))]


def print_table() -> None:
    """Prints the measurements."""
    rows = read_table()
    if not rows:
        raise InputError(f"{TABLE}: has no measurements yet; run python benchmarks/models.py DATASET")
    print(
        f"{'network':<22}{'parameters':>12}{'s/step':>10}{'small':>12}{'s/step':>10}{'Dice mean (95 %)':>25}"
        f"{'median':>8}{'steps':>7}"
    )
    for row in rows:
        whole, small = (f"{int(str(row[key])):>12,}" if row[key] else f"{'-':>12}" for key in ("parameters", "small_parameters"))
        times = [f"{row[key] or '-':>10}" for key in ("step_s", "small_step_s")]
        interval = f" ({row['dice_low']} to {row['dice_high']})" if row["dice_low"] else ""
        dice = f"{row['dice_mean']}{interval}"
        metrics = f"{dice:>25}{row['dice_median']:>8}{row['steps']:>7}"
        print(f"{row['network']:<22}{whole}{times[0]}{small}{times[1]}{metrics}")
    print(f"s/step: {TIMED_BATCH} images of {TIMED_SIDE} px.")
    print(f"Dice: the small version after the listed steps of {BATCH} images of {SIDE} px, on {describe_tested(rows)}.")
    if not all(row["dice_low"] for row in rows):
        print("Rows without an interval were measured before there was one; delete them and measure again.")


def describe_tested(rows: list[dict[str, object]]) -> str:
    """Describes how many images and patients the Dice is of."""
    counts = sorted({f"{row['images']} originals of {row['patients'] or 'an unknown number of'} patients" for row in rows})
    return f"{' or '.join(counts)} in the phantom's test split"


if __name__ == "__main__":
    sys.exit(run_program(main))
