"""Keyed names, which replace the names of patients, files and folders of DICOM sources in all output.

A name becomes an HMAC (RFC 2104, SHA-256) under a key that the site keeps: the same name gives the same result at the same
site, so pairs and patients stay together, and nobody without the key can test guessed names. The key is never written.
De-identification takes more than that: see PS3.15 Annex E, and docs/dicom.md.
"""

import hashlib
import hmac
import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pipeline.files import InputError, read_regular

VARIABLE = "CESM_SITE_KEY"
LEAST_BYTES = 16
REMEDY = f"give a site key, in the variable {VARIABLE} or with --site-key FILE; all names become keyed hashes then"
_PUBLIC = re.compile(r"P[1-9]\d{0,3}")


@dataclass(frozen=True, repr=False)
class SiteKey:
    """Turns names into keyed names. Its `repr` does not show the secret."""

    secret: bytes

    def patient(self, patient_id: str) -> str:
        """A patient's name in the program's form: P and 15 digits."""
        return f"P{self._digits('patient', patient_id, 15)}"

    def exposure(self, uid: str) -> str:
        """Eight digits that distinguish the exposures of a view."""
        return self._digits("exposure", uid, 8)

    def path(self, relative: str) -> str:
        """The name of a file below RAW; the suffix of an image is kept, any other becomes `.dcm`."""
        suffix = PurePosixPath(relative).suffix.lower()
        return f"{self.token('path', relative)[:20]}{suffix if suffix in ('.jpg', '.jpeg', '.png', '.tif', '.tiff') else '.dcm'}"

    def token(self, purpose: str, text: str) -> str:
        """64 hexadecimal digits; the same text gives other digits for another purpose."""
        return hmac.new(self.secret, f"{purpose}\0{text}".encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()

    def _digits(self, purpose: str, text: str, count: int) -> str:
        lowest = 10 ** (count - 1)
        return str(lowest + int(self.token(purpose, text), 16) % (9 * lowest))


def load_site_key(file: Path | None, out: Path) -> SiteKey | None:
    """Reads the key from a file, else from the variable CESM_SITE_KEY; returns None if neither is given.

    Raises:
      InputError: the file cannot be read or lies in the output, or the key is too short.
    """
    if file is None:
        text, where = os.environ.get(VARIABLE, ""), VARIABLE
        if not text:
            return None
    else:
        if file.resolve().is_relative_to(out.resolve()):
            raise InputError(f"--site-key {file}: lies in the data set's folder, which may be passed on; keep the key elsewhere")
        try:
            text, where = read_regular(file).decode(), f"--site-key {file}"
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"--site-key {file}: cannot be read as text ({error})") from error
    secret = text.strip().encode()
    if len(secret) < LEAST_BYTES:
        raise InputError(
            f"{where}: holds a key of {len(secret)} bytes; expected {LEAST_BYTES} or more, such as `openssl rand -hex 32` prints"
        )
    return SiteKey(secret)


def is_public(patient_id: str) -> bool:
    """Whether a PatientID has the form of public data sets, `P12`, which needs no key."""
    return _PUBLIC.fullmatch(patient_id) is not None
