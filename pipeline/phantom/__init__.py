"""Makes a look-alike of the CDD-CESM download, to try everything without the real data.

Every image, lesion and text in it is synthetic: it shows that the programs work and proves nothing clinical.
"""

from pipeline.phantom.download import Phantom, write_phantom

__all__ = ["Phantom", "write_phantom"]
