"""The program `cesm-pipeline`: arguments, messages and exit status. All work is in the stages."""

import argparse
import json
import sys
from collections.abc import Sequence
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.contract import REASONS, find_reason
from pipeline.dataset.folder import DatasetFolder
from pipeline.exports import FORMATS, OPTIONS, coco, export
from pipeline.files import DONE, FINDINGS, InputError, read_csv, run_program
from pipeline.indexing.tables import REJECT_COLUMNS
from pipeline.privacy.site_key import VARIABLE, load_site_key
from pipeline.recipe import Recipe, load_recipe, recipe_names
from pipeline.workers import all_cores, open_executor

if TYPE_CHECKING:
    from pipeline.audit import Finding


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status: 0 done, 1 findings, 2 bad input, 3 internal error, 130 interrupted."""
    arguments = _parser().parse_args(argv)
    return run_program(lambda: arguments.run(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cesm-pipeline",
        description="Makes segmentation data sets from CDD-CESM mammograms, stage by stage.",
        epilog="The stages are index, split, masks, variants; `dataset` does them all in one go, then audit and stats.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run, short: str, more: str = "") -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=short, description=f"{short[0].upper()}{short[1:]}. {more}".strip())
        added.set_defaults(run=run)
        return added

    phantom = command(
        "phantom",
        _phantom,
        "write a synthetic look-alike of the CDD-CESM download",
        "It is synthetic and proves nothing clinical.",
    )
    phantom.add_argument("out", type=Path, help="folder to write to")
    phantom.add_argument("--patients", type=int, default=60, help="number of patients, 6 or more (%(default)s)")
    phantom.add_argument("--seed", type=int, default=0, help="same seed, same bytes (%(default)s)")
    phantom.add_argument(
        "--dicom",
        nargs="?",
        choices=("plain", "varied"),
        const="plain",
        default="",
        help="write the images as DICOM instead of JPEG; varied: as several vendors write them, most of them compressed "
        "(needs the extra `dicom`)",
    )
    _add_workers(phantom)

    sources = command("sources", _sources, "tell how many images are below a folder", "Exit status 2 where there is none.")
    sources.add_argument("raw", type=Path, help="the folder")

    index = command(
        "index",
        _index,
        "find images and annotations, join and check them",
        "Writes index.csv, regions.csv and rejects.csv, and says what was kept and what was dropped.",
    )
    dataset = command("dataset", _dataset, "make a data set: index, split, masks, variants, audit and stats in one go")
    for added in (index, dataset):
        added.add_argument("--raw", type=Path, required=True, help="folder with the images, at any depth")
        added.add_argument("--annotations", type=Path, help="folder with the annotation files, or one of them (default: RAW)")
        added.add_argument("--out", type=Path, required=True, help="the data set's folder")
        added.add_argument("--recipe", default="v2", help=f"{', '.join(recipe_names())}, or a .toml file (%(default)s)")
        added.add_argument("--strict", action="store_true", help="exit with 2 when a source image is rejected")
        _add_site_key(added)
        added.add_argument(
            "--write-map", type=Path, metavar="FILE", help="with a site key: write the way back to the files, outside of the set"
        )
        _add_workers(added)

    split = _on_folder(command("split", _split, "assign patients to train, valid and test, and to folds"))
    masks = _on_folder(
        command("masks", partial(_make_pixels, "masks"), "draw the regions and letterbox: one square pair a source image")
    )
    variants = _on_folder(
        command(
            "variants",
            partial(_make_pixels, "variants"),
            "turn and flip the square pairs into the splits' folders",
            "Writes the data set card, and the manifest last.",
        )
    )
    for added in (split, dataset):
        added.add_argument("--assignment", type=Path, help="your own assignment.csv: patient, split and maybe fold")
    for added in (masks, variants):
        added.add_argument("--strict", action="store_true", help="exit with 2 when a source image is rejected")
        added.add_argument("--raw", type=Path, help="as for index; only a set that was indexed with a site key needs it")
        _add_site_key(added)
        _add_workers(added)

    audit = _on_folder(
        command(
            "audit",
            _audit,
            "check any folder of train, valid and test pairs for leaks and faults",
            "Needs no manifest; writes nothing. Exit status 1 on findings.",
        )
    )
    audit.add_argument(
        "--privacy",
        type=Path,
        metavar="RAW",
        help="look for identifiers of the DICOM files below RAW in all files and names, too",
    )
    audit.add_argument("--json", action="store_true", help="print findings as JSON and nothing else")
    _on_folder(command("stats", _stats, "draw counts, lesion sizes, strata and contact sheets into FOLDER/stats"))
    _on_folder(
        command(
            "report",
            _report,
            "write FOLDER/report.html, a page about the data set to read and to send",
            "One file with charts, contact sheets and what the audit found. Needs the extra: pip install '.[report]'.",
        )
    )
    exporting = _on_folder(
        command(
            "export",
            _export,
            "write a data set in a format that other programs read",
            "The data set itself is only read. docs/exports.md tells what each format holds and how to go on with it.",
        )
    )
    exporting.add_argument("--format", required=True, choices=FORMATS, help="%(choices)s")
    exporting.add_argument("--output", type=Path, metavar="DIR", help="new or empty folder (default: FOLDER/exports/FORMAT)")
    exporting.add_argument("--shape", choices=coco.SHAPES, help="coco: rle is exact, polygon fills holes (default: rle)")
    exporting.add_argument("--dataset-id", type=int, metavar="N", help="nnunet: its number of the data set (default: 501)")
    exporting.add_argument("--records", type=_positive, metavar="N", help="tfrecord: samples a shard (default: 512)")
    exporting.add_argument("--predictions", type=Path, metavar="DIR", help="via: write these masks of `cesm-segmenter infer`")
    exporting.add_argument("--images", type=Path, metavar="DIR", help="via: the images that --predictions belong to")
    return parser


def _add_workers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--workers", type=_positive, default=all_cores(), help="processes; the output is the same (%(default)s)")


def _add_site_key(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--site-key", type=Path, metavar="FILE", help=f"a secret under which DICOM sources get keyed names (default: {VARIABLE})"
    )


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of 1 or more")
    return int(text)


def _on_folder(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("folder", type=Path, help="the data set's folder")
    return parser


def _phantom(arguments) -> int:
    from pipeline.phantom import write_phantom

    with open_executor(arguments.workers) as executor:
        made = write_phantom(arguments.out, arguments.patients, arguments.seed, arguments.dicom, executor)
    print(f"phantom: {made}")
    return DONE


def _sources(arguments) -> int:
    from pipeline.stages import find_sources

    print(f"sources: {len(find_sources(arguments.raw))} images below {arguments.raw}")
    return DONE


def _index(arguments) -> int:

    folder = DatasetFolder(arguments.out)
    with open_executor(arguments.workers) as executor:
        outcome = _run_index(folder, load_recipe(arguments.recipe), arguments, executor)
    _tell_index(folder, outcome)
    return _strict(folder, arguments.strict)


def _run_index(folder: DatasetFolder, recipe: Recipe, arguments, executor: Executor):
    from pipeline import stages

    key = load_site_key(arguments.site_key, folder.root)
    return stages.index(folder, recipe, arguments.raw, arguments.annotations, executor, key, arguments.write_map)


def _tell_index(folder: DatasetFolder, outcome) -> None:
    found = outcome.summary
    if not outcome.changed:
        print(f"index: up to date; {found['kept']} source images of {found['patients']} patients kept")
        return
    left_out, rejected = found["left_out"], found["rejected"]
    print(
        f"index: {found['files']} image files; {found['rows']} table rows; {found['annotated']} images with "
        f"{found['regions']} regions (from {', '.join(found['annotation_files'])})"
    )
    rows = [
        (found["named"], "source images named by files, table or regions"),
        (found["kept"], f"kept, of {found['patients']} patients"),
    ]
    rows += [(count, f"left out: {reason}, {REASONS[reason].meaning}") for reason, count in left_out.items()]
    rows += [(count, f"rejected: {reason}") for reason, count in rejected.items()]
    print("\n".join(f"{count:>8}  {words}" for count, words in rows))
    print(
        f"{'':>8}  {found['named']} = {found['kept']} kept + {sum(left_out.values())} left out + "
        f"{sum(rejected.values())} rejected; {folder.rejects} says why for each"
    )
    if silent := found["text_unknown"]:
        print(
            f"index: {silent} of {found['dicom']} DICOM images, {found['text_unknown_first'][0]} first, do not say whether text "
            "is burned in (BurnedInAnnotation is absent, which does not mean no): look at them"
        )
    if found["sizes_compared"]:
        print(
            f"index: file sizes: {found['sizes_compared'] - found['sizes_differ']} of {found['sizes_compared']} are those of the "
            "annotated files" + (f", {found['sizes_differ']} differ (re-encoded?)" if found["sizes_differ"] else "")
        )
    if views := found["label_pairs_differ"]:
        more = ", ..." if len(views) > 3 else ""
        print(
            f"index: views whose DM and CM have different labels, which each keeps: {len(views)} ({', '.join(views[:3])}{more})"
        )


def _strict(folder: DatasetFolder, strict: bool) -> int:
    rejected = [row for row in read_csv(folder.rejects, REJECT_COLUMNS) if not find_reason(row["reason"]).left_out]
    if strict and rejected:
        first = rejected[0]
        raise InputError(
            f"{folder.rejects}: {len(rejected)} source images were rejected, and --strict accepts none; the first: "
            f"{first['image']}, {first['reason']}, {first['where']}: {first['words']}"
        )
    return DONE


def _split(arguments) -> int:
    from pipeline import stages

    folder = DatasetFolder(arguments.folder)
    _tell_split(folder, stages.split(folder, arguments.assignment))
    return DONE


def _tell_split(folder: DatasetFolder, outcome) -> None:
    counts = outcome.summary["splits"]
    images = sum(count["images"] for count in counts.values())
    words = "; ".join(
        f"{split} {count['patients']} patient{'s' if count['patients'] != 1 else ''}, {count['images']} images "
        f"({count['images'] / images:.1%}), {count['samples']} samples"
        for split, count in counts.items()
    )
    print(f"split: {'' if outcome.changed else 'up to date; '}{words}")
    if outcome.summary["assigned_now"]:
        print(f"split: {outcome.summary['assigned_now']} were not in the assignment before and have been added")


def _make_pixels(stage: str, arguments) -> int:
    """Runs the stage masks or variants."""
    from pipeline import stages

    folder = DatasetFolder(arguments.folder)
    with open_executor(arguments.workers) as executor:
        key = load_site_key(arguments.site_key, folder.root)
        outcome = getattr(stages, stage)(folder, executor, raw=arguments.raw, key=key)
    _tell_pixels(stage, outcome)
    return _strict(folder, arguments.strict)


def _tell_pixels(stage: str, outcome) -> None:
    count = outcome.summary
    words = [
        f"{count['images']} source images",
        f"{count['samples']} samples" if count["samples"] else "",
        f"{count.get('drawn', 0)} regions drawn ({count.get('clipped', 0)} clipped at the border, {count.get('vanished', 0)} "
        f"kept as one pixel, {count.get('ignored', 0)} without area not drawn)",
        f"{count['unreadable']} unreadable, see rejects.csv" if count["unreadable"] else "",
    ]
    print(f"{stage}: {'' if outcome.changed else 'up to date; '}" + ", ".join(word for word in words if word))


def _dataset(arguments) -> int:
    from pipeline import stages

    folder, recipe = DatasetFolder(arguments.out), load_recipe(arguments.recipe)
    with open_executor(arguments.workers) as executor:
        _tell_index(folder, _run_index(folder, recipe, arguments, executor))
        _strict(folder, arguments.strict)
        _tell_split(folder, stages.split(folder, arguments.assignment))
        key = load_site_key(arguments.site_key, folder.root)
        _tell_pixels("variants", stages.variants(folder, executor, fused=True, raw=arguments.raw, key=key))
    _strict(folder, arguments.strict)
    status = _audit_dataset(folder)
    _draw_stats(folder)
    print(f"dataset: {arguments.out} is complete; {folder.card} says what it holds")
    return status


def _audit_dataset(folder: DatasetFolder) -> int:
    """Audits a data set of ours; what its recipe asks for is a warning and no failure."""
    from pipeline import stages

    report = stages.audit(folder).summary
    for finding in report["findings"]:
        asked = finding["code"] in report["expected"]
        print(
            f"audit: {'warning' if asked else 'FINDING'}: {finding['code']}: {finding['count']} "
            f"({'the recipe asks for it' if asked else 'not expected'}; {'; '.join(finding['examples'][:1])})"
        )
    if not report["findings"]:
        print("audit: no findings")
    return FINDINGS if any(finding["code"] not in report["expected"] for finding in report["findings"]) else DONE


def _audit(arguments) -> int:
    from pipeline.audit import audit

    findings = audit(arguments.folder)
    if arguments.privacy:
        findings += _audit_privacy(arguments.folder, arguments.privacy)
    if arguments.json:
        print(json.dumps({"findings": [finding.to_json() for finding in findings]}, indent=1))
    else:
        for finding in findings:
            print(f"{finding.code}: {finding.count} {finding.unit}")
            print("\n".join(f"    {example}" for example in finding.examples))
        print(f"audit: {len(findings) or 'no'} finding{'s' if len(findings) != 1 else ''} in {arguments.folder}")
    return FINDINGS if findings else DONE


def _audit_privacy(folder: Path, raw: Path) -> "list[Finding]":
    from pipeline.privacy.audit import audit_privacy, collect_identifiers

    data_set = DatasetFolder(folder)
    keyed = data_set.read_state(data_set.index_state).get("keyed", False)
    identifiers = collect_identifiers(raw, public=not keyed)
    found = audit_privacy(folder, identifiers)
    kept = "" if keyed else "; paths and public names such as P12 are kept by design"
    print(f"audit: looked for {len(identifiers)} identifiers of {raw} in {folder}{kept}", file=sys.stderr)
    for words in identifiers.left_out():
        print(f"audit: {words}", file=sys.stderr)
    return [found] if found.count else []


def _stats(arguments) -> int:
    _draw_stats(DatasetFolder(arguments.folder))
    return DONE


def _draw_stats(folder: DatasetFolder) -> None:
    from pipeline import stages

    outcome = stages.stats(folder)
    names = [Path(path).name for path in outcome.summary["pictures"]]
    if outcome.changed:
        print(f"stats: {len(names)} pictures in {folder.stats}: {', '.join(names)}")
    else:
        print(f"stats: up to date; {len(names)} pictures in {folder.stats}")


def _report(arguments) -> int:
    from pipeline import stages

    folder = DatasetFolder(arguments.folder)
    outcome = stages.report(folder)
    print(f"report: {'' if outcome.changed else 'up to date; '}{folder.report}, {outcome.summary['bytes'] / 1e6:.1f} MB")
    return DONE


def _export(arguments) -> int:
    named = {name for options in OPTIONS.values() for name in options}
    given = {name: getattr(arguments, name) for name in sorted(named) if getattr(arguments, name) is not None}
    done = export(DatasetFolder(arguments.folder), arguments.format, arguments.output, given)
    for words in done.told:
        print(f"export: {words}")
    print(f"export: {'' if done.changed else 'up to date; '}{arguments.format} in {done.output}")
    return DONE
