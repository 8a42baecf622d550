"""The stages masks and variants: from source images to the files in the splits' folders."""

from concurrent.futures import Executor
from pathlib import Path

from pipeline.dataset.builder import Builder
from pipeline.dataset.folder import DatasetFolder
from pipeline.dataset.partners import Partners
from pipeline.dataset.samples import make_samples, make_square
from pipeline.files import InputError
from pipeline.indexing.find import open_sources
from pipeline.privacy.site_key import SiteKey
from pipeline.stages.locking import under_lock
from pipeline.stages.outcome import Outcome


@under_lock
def masks(folder: DatasetFolder, executor: Executor, *, raw: Path | None = None, key: SiteKey | None = None) -> Outcome:
    """Reads every source image whose samples are not there already and writes its square pair losslessly.

    Args:
      folder: an indexed and split data set.
      executor: does the work.
      raw, key: only for a folder that was indexed with a site key, because it stores neither.
    """
    builder = Builder(folder, open_sources(folder, raw, key))
    todo = [task for task in builder.unfinished() if not task.entry]
    for name in ("images", "masks") if todo else ():
        (folder.squares / name).mkdir(parents=True, exist_ok=True)
    builder.run(make_square, todo, executor, "masks")
    return Outcome(bool(todo), builder.record_rejects())


@under_lock
def variants(
    folder: DatasetFolder, executor: Executor, *, fused: bool = False, raw: Path | None = None, key: SiteKey | None = None
) -> Outcome:
    """Turns and encodes the square pairs into the splits' folders and writes the data set card and the manifest.

    Args:
      folder: an indexed and split data set.
      executor: does the work.
      fused: makes in memory the square pairs that the masks stage did not write, instead of asking for that stage.
      raw, key: as for `masks`.
    """
    builder = Builder(folder, open_sources(folder, raw, key))
    todo = builder.unfinished()
    if not fused and (missing := [task.image_id for task in todo if not task.entry]):
        raise InputError(
            f"{folder.root}: the square pairs of {len(missing)} images, {missing[0]} first, are missing; run the "
            "stage 'masks' first (make masks)"
        )
    builder.run(make_samples, todo, executor, "variants")
    counts = builder.record_rejects()
    if not builder.recipe.partner.use:
        return Outcome(builder.finish(), counts)
    changed, partners = Partners(builder).make(executor)
    changed |= builder.finish(partners)
    return Outcome(changed, counts | {"partners": partners})
