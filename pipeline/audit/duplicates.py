"""Finds samples that show the same image."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from pipeline.audit.candidates import find_candidates
from pipeline.audit.contents import Contents
from pipeline.audit.equality import find_equal, stored_alike
from pipeline.audit.features import Features
from pipeline.audit.findings import AuditFinding, make_finding
from pipeline.audit.registration import show_the_same
from pipeline.audit.samples import Sample


def find_duplicates(samples: Sequence[Sample], contents: Sequence[Contents]) -> Iterator[AuditFinding]:
    """Groups samples that show the same: copies across splits, however altered, and within a split only as stored."""
    pairs = list(pair_samples(samples, contents))
    groups = [[samples[index] for index in group] for group in _connected(len(samples), pairs)]
    yield make_finding("duplicate-pixels", "groups", map(_name_group, groups), groups)


def _name_group(group: Sequence[Sample]) -> str:
    """Describes a group: one sample of each image and split, and the number of the others."""
    shown = list({(sample.split, sample.image_id): sample for sample in reversed(group)}.values())[::-1][:4]
    more = len(group) - len(shown)
    return " = ".join(sample.location for sample in shown) + (f" and {more} more" if more else "")


def pair_samples(samples: Sequence[Sample], contents: Sequence[Contents]) -> Iterator[tuple[int, int]]:
    """Yields the indices of samples that show the same; enough of them to connect each group."""
    thumbs = {index: content.thumb for index, content in enumerate(contents) if content.thumb is not None}
    sharing: dict[Features, list[int]] = defaultdict(list)
    for index, content in enumerate(contents):
        if content.features:
            sharing[content.features].append(index)
    images = list(sharing.items())
    for _, members in images:
        yield from ((one, other) for one, other in _pair_stored(members, members, thumbs) if one < other)
    for first, second in _find_copies([features for features, _ in images], [thumbs[members[0]] for _, members in images]):
        members, others = images[first][1], images[second][1]
        if samples[members[0]].split == samples[others[0]].split:
            yield from _pair_stored(members, others, thumbs)
        else:
            yield from ((members[0], other) for other in others)
            yield from ((member, others[0]) for member in members)


def _pair_stored(members: Sequence[int], others: Sequence[int], thumbs: Mapping[int, np.ndarray]) -> Iterator[tuple[int, int]]:
    """Yields the pairs of a member and another sample that show the same image without a turn or flip."""
    alike = stored_alike(*(np.stack([thumbs[index] for index in indices]) for indices in (members, others)))
    yield from ((members[row], others[column]) for row, column in np.argwhere(alike).tolist())


def _find_copies(features: Sequence[Features], thumbs: Sequence[np.ndarray]) -> Iterator[tuple[int, int]]:
    """Yields pairs of images that show the same, as a whole or registered; some of them twice."""
    if thumbs:
        yield from find_equal(np.stack(thumbs))
    for candidate in find_candidates(features):
        if show_the_same(features[candidate.first], features[candidate.second], candidate):
            yield candidate.first, candidate.second


def _connected(count: int, pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Groups the indices that pairs connect; each group is sorted and has two members or more."""
    parent = list(range(count))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = index = parent[parent[index]]
        return index

    for first, second in pairs:
        parent[root(second)] = root(first)
    groups: dict[int, list[int]] = defaultdict(list)
    for index in range(count):
        groups[root(index)].append(index)
    return [group for group in groups.values() if len(group) > 1]
