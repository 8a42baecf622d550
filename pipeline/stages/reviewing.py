"""The stages that inspect a complete data set: audit, stats and report."""

from concurrent.futures import Executor, ThreadPoolExecutor

from pipeline.audit import audit as audit_folder
from pipeline.audit import expected_codes
from pipeline.dataset.card import audit_json, read_audit, write_card
from pipeline.dataset.description import read_description
from pipeline.dataset.folder import DatasetFolder
from pipeline.files import write_text
from pipeline.page import require_templates
from pipeline.report.charts import draw_stats
from pipeline.report.dataset_page import report_identity, write_report
from pipeline.stages.locking import under_lock
from pipeline.stages.outcome import Outcome


@under_lock
def audit(folder: DatasetFolder, executor: Executor | None = None) -> Outcome:
    """Audits the data set, writes audit.json, and brings the data set card up to date.

    Args:
      folder: a complete data set.
      executor: as for `pipeline.audit.audit`.

    Returns:
      The summary is the content of audit.json; its `findings` and `expected` are those of `pipeline.audit`.
    """
    folder.need(folder.manifest, "variants")
    changed = not read_audit(folder)
    if changed:
        recipe = folder.load_recipe()
        made = folder.made if recipe.mask.format == "png" else ()
        findings = audit_folder(folder.root, folder.read_manifest(), executor=executor, made=made)
        expected = expected_codes(recipe)
        write_text(folder.audit, audit_json(folder, [finding.to_json() for finding in findings], expected))
    write_card(folder, read_description(folder.description))
    return Outcome(changed, read_audit(folder))


@under_lock
def stats(folder: DatasetFolder) -> Outcome:
    """Draws the pictures of a data set into `stats/`.

    Args:
      folder: a complete data set.

    Returns:
      The summary holds `pictures`, their paths relative to the data set's folder.
    """
    folder.need(folder.manifest, "variants")
    state = folder.read_state(folder.stats_state)
    pictures = state.get("pictures", [])
    if state.get("manifest_sha256") == folder.digest() and all(folder.has_file(path, folder.stats_state) for path in pictures):
        return Outcome(False, {"pictures": pictures})
    pictures = [
        path.relative_to(folder.root).as_posix() for path in draw_stats(folder.root, folder.read_manifest(), folder.stats)
    ]
    folder.write_state(folder.stats_state, {"manifest_sha256": folder.digest(), "pictures": pictures})
    return Outcome(True, {"pictures": pictures})


def review(folder: DatasetFolder, executor: Executor) -> tuple[Outcome, Outcome]:
    """Runs the stages audit and stats; pictures are drawn while the executor's processes read the files for the audit.

    Args:
      folder: a complete data set.
      executor: as for `audit`.

    Returns:
      The outcomes of both.
    """
    with folder.locked("audit"), ThreadPoolExecutor(1) as thread:
        folder.read_manifest()  # once for both
        drawn = thread.submit(stats, folder)
        audited = audit(folder, executor)
        return audited, drawn.result()


@under_lock
def report(folder: DatasetFolder) -> Outcome:
    """Writes report.html, a page about the data set; audits it first where that has not been done.

    Args:
      folder: a complete data set.

    Returns:
      The summary holds `bytes`, the size of the page.

    Raises:
      InputError: the data set is not complete, or the template library is not installed.
    """
    require_templates()  # before an audit that may take long
    audit(folder)
    state = {"made_from": report_identity(folder)}
    changed = folder.read_state(folder.report_state) != state or not folder.report.exists()
    if changed:
        write_report(folder)
        folder.write_state(folder.report_state, state)
    return Outcome(changed, {"bytes": folder.report.stat().st_size})
