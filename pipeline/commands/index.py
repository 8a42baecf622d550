"""Runs the stage index and prints what it kept and what it dropped."""

import argparse
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from typing import TYPE_CHECKING

from pipeline import stages
from pipeline.commands.arguments import add_making, check_recipe, open_workers, start_workers
from pipeline.commands.strict import check_strict
from pipeline.files import DONE, add_command, add_json, one_line, print_json
from pipeline.privacy.site_key import load_site_key

if TYPE_CHECKING:
    from pipeline.dataset.folder import DatasetFolder
    from pipeline.stages import Outcome

_MOST_LINES = 10


def add(commands) -> None:
    """Adds the command and its arguments."""
    parser = add_command(
        commands,
        "index",
        execute,
        "find images and annotations, join and check them",
        "Writes index.csv, regions.csv and rejects.csv, and prints how many images were kept and dropped.",
        check=check_recipe,
    )
    add_making(parser)
    add_json(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command and returns the exit status."""
    start_workers(arguments)
    from pipeline.dataset.folder import DatasetFolder

    folder = DatasetFolder(arguments.out)
    with folder.locked("index"), open_workers(arguments, [arguments.raw, folder.root]) as executor:
        outcome = run_index(folder, arguments, executor)
    if arguments.json:
        print_json({"folder": folder.root, "up_to_date": not outcome.changed, **outcome.summary})
    else:
        print_index(folder, outcome)
    check_strict(folder.rejects, folder.read_rejects(), arguments.strict)
    return DONE


def run_index(folder: "DatasetFolder", arguments: argparse.Namespace, executor: Executor) -> "Outcome":
    """Runs the stage with the arguments of `add_making`."""
    from pipeline.annotations import make_statement
    from pipeline.recipe import load_recipe

    recipe = load_recipe(arguments.recipe, arguments.settings)
    key = load_site_key(arguments.site_key, folder.root)
    return stages.index(
        folder,
        recipe,
        arguments.raw,
        arguments.annotations,
        executor,
        key,
        arguments.write_map,
        follow_links=arguments.follow_links,
        statement=make_statement(arguments.annotator, arguments.annotated),
    )


def print_index(folder: "DatasetFolder", outcome: "Outcome") -> None:
    """Prints the outcome of the stage."""
    counts = outcome.summary
    if outcome.changed:
        print_counts(counts, f"; {folder.rejects} holds the reason for each")
    else:
        print(f"index: up to date; {counts['kept']} source images of {counts['patients']} patients kept")


def print_counts(counts: Mapping, reasons: str = "") -> None:
    """Prints what an index counted; `reasons` ends the line that adds the counts up."""
    _print_sums(counts, reasons)
    _print_remarks(counts)


def _print_sums(counts: Mapping, reasons: str) -> None:
    from pipeline.contract import REASONS

    left_out, rejected = counts["left_out"], counts["rejected"]
    print(
        f"index: {counts['files']} image files; {counts['rows']} table rows; {counts['annotated']} images with "
        f"{counts['regions']} regions (from {', '.join(counts['annotation_files'])})"
    )
    lines = [
        (counts["named"], "source images named by files, table or regions"),
        (counts["kept"], f"kept, of {counts['patients']} patients"),
    ]
    lines += [(count, f"left out: {reason}, {REASONS[reason].meaning}") for reason, count in left_out.items()]
    lines += [(count, f"rejected: {reason}") for reason, count in rejected.items()]
    print("\n".join(f"{count:>8}  {meaning}" for count, meaning in lines))
    print(
        f"{'':>8}  {counts['named']} = {counts['kept']} kept + {sum(left_out.values())} left out + "
        f"{sum(rejected.values())} rejected{reasons}"
    )


def _print_remarks(counts: Mapping) -> None:
    """Prints what is not a fault but should be known."""
    from pipeline.annotations import UnreadFiles
    from pipeline.dataset.description import describe_annotators

    for files in counts["unread"]:
        print(f"index: found, not used: {one_line(str(UnreadFiles(**files)))}")
    for line in counts.get("headers_below", []):
        print(f"index: {one_line(line)}")
    for line in describe_annotators(counts.get("annotators", ())):
        print(f"index: annotations: {one_line(line)}")
    _print_pixels(counts)
    _print_collection(counts)
    passed_over = counts.get("not_looked_into", [])
    for line in passed_over[:_MOST_LINES]:
        print(f"index: passed over: {one_line(line)}")
    if len(passed_over) > _MOST_LINES:
        print(f"index: passed over: {len(passed_over) - _MOST_LINES} more links or folders")
    if silent := counts["text_unknown"]:
        print(
            f"index: {silent} of {counts['dicom']} DICOM images, {counts['text_unknown_first'][0]} first, do not state whether "
            "text is burned in (BurnedInAnnotation is absent, which does not mean no): look at them"
        )
    if further := counts["further_files"]:
        print(
            f"index: {further} files, {counts['further_files_first'][0]} first, are further files of images that have one: "
            "copies of it, or unreadable"
        )
    if compared := counts["sizes_compared"]:
        differ = f"; {counts['sizes_differ']} have another (re-encoded?)" if counts["sizes_differ"] else ""
        print(f"index: {compared - counts['sizes_differ']} of {compared} files have the size of the annotated file{differ}")
    if views := counts["label_pairs_differ"]:
        print(f"index: DM and CM have different labels, and keep them, in {_listed(views, 'view')}")
    if images := counts.get("unlisted_normal"):
        print(
            f"index: {_listed(images, 'image')} without a row in a table and without a region: taken as normal, as [layout] "
            "unlisted_class states"
        )
    if images := counts["relabelled"]:
        print(f"index: labels of regions replace the table's class, from which they differ, in {_listed(images, 'image')}")


def _listed(names: Sequence[str], unit: str) -> str:
    """Counts names and shows the first three."""
    return f"{len(names)} {unit}{'s' if len(names) != 1 else ''} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"


def _print_collection(counts: Mapping) -> None:
    """Prints what was not taken of a collection other than CDD-CESM, and what stands for its patients."""
    if crops := counts["crops"]:
        first = f", {counts['crops_first'][0]} first," if counts["crops_first"] else ""
        print(f"index: passed over: {crops} files{first} beside masks, which are pictures of a lesion and not its mask")
    if others := counts["not_lesions"]:
        labels = ", ".join(f"{count} {label}" for label, count in others.items() if label)  # none under a site key
        print(
            f"index: {sum(others.values())} regions are not drawn, because [layout] lesions does not list their labels"
            f"{': ' if labels else ''}{labels}"
        )
    if counts["patients_per_image"]:
        print(
            "index: each image counts as a patient of its own ([layout] patients); images of one woman may be in several splits, "
            "so that metrics on the test split may be too high"
        )
    if exams := counts["patients_by_exam"]:
        print(
            f"index: {exams} images have the exam of their table row as their patient, since neither path nor tags name one; a "
            "woman with two exams counts as two patients. State that column as patient in [layout.table] if this is right"
        )


def _print_pixels(counts: Mapping) -> None:
    """Prints which files are not read at all, are turned, or use a part of their levels; older indexes lack these counts."""
    from pipeline.sources import describe_unread_images

    if unread := describe_unread_images(counts.get("unread_images", {})):
        print(f"index: {unread}")
    if unclear := counts["rejected"].get("levels-unclear"):
        print(
            f"index: {unclear} images have 16 bits, but levels of an unclear range; state it with bits in the recipe's [source], "
            "or correct bits there, such as --set source.bits=12"
        )
    if turned := counts.get("turned"):
        print(
            f"index: {turned} images, {counts['turned_first'][0]} first, are turned or mirrored by their EXIF orientation, as "
            "browsers show them; regions must have been drawn on the turned image"
        )
    if bits := counts.get("level_bits"):
        listed = ", ".join(f"{count} of {number} bits" for number, count in bits.items())
        print(f"index: levels of files of 16 bits: {listed}, as the files or bits in the recipe's [source] state")
