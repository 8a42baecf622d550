"""Processes that read images, because a decoder that crashes ends the process that it runs in."""

from pipeline.files.processes import Pool, start_server

_MODULES = ["segmenter.inference.views"]  # what runs in them


def start_readers() -> None:
    """Lets the processes of `open_readers` load what they need while this one goes on."""
    start_server(_MODULES)


def open_readers(count: int) -> Pool:
    """Opens `count` processes that read images."""
    return Pool(count, _MODULES)
