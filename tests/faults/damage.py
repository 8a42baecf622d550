"""Damages files in ways that disks, transfers, editors and strangers do; the same seed gives the same bytes."""

import json
import random
import re
from collections.abc import Iterator

_STRANGE = ["", "\x00", "nan", "inf", "-1", "9" * 400, "1e999", "../../x", "=1+1", "é" * 3, "\x1b[2J", '"', "null", "²"]


def damage_bytes(data: bytes, rng: random.Random) -> Iterator[tuple[str, bytes]]:
    """Yields names and bytes: cut, empty, bits turned, a hole, doubled, another file's beginning."""
    yield "empty", b""
    for share in (0.1, 0.5, 0.9):
        yield f"cut at {share}", data[: int(len(data) * share)]
    for count in (1, 8, 64):
        turned = bytearray(data)
        for _ in range(count):
            turned[rng.randrange(len(turned))] ^= 1 << rng.randrange(8)
        yield f"{count} bits turned", bytes(turned)
    header = bytearray(data)
    for position in range(min(64, len(data))):
        if rng.random() < 0.3:
            header[position] = rng.randrange(256)
    yield "header", bytes(header)
    start = rng.randrange(len(data))
    yield "hole", data[:start] + bytes(min(4096, len(data) - start)) + data[start + 4096 :]
    yield "doubled", data * 2
    yield "other beginning", b"\x89PNG\r\n\x1a\n" + data[8:]
    yield "noise", rng.randbytes(512)


def damage_text(text: str, rng: random.Random) -> Iterator[tuple[str, bytes]]:
    """Yields names and bytes: other encodings, and strange values in place of numbers, words and lines."""
    yield "utf-16", text.encode("utf-16")
    yield "latin-1", (text + "\xe9").encode("latin-1")
    yield "zeros", text.encode().replace(b"\n", b"\0\n")
    yield "carriage returns", text.replace("\n", "\r").encode()
    lines = text.splitlines(keepends=True)
    yield "no header", "".join(lines[1:]).encode()
    yield "repeated", (text + "".join(lines[1:])).encode()
    words = [match.span() for match in re.finditer(r"[\w.-]+", text)]
    for number in range(14):
        first, last = rng.choice(words)
        yield f"word {number}", (text[:first] + rng.choice(_STRANGE) + text[last:]).encode()


def damage_json(text: str, rng: random.Random) -> Iterator[tuple[str, bytes]]:
    """Yields names and bytes: values of other types at random places, keys gone, deep nesting, numbers that are none."""
    for wrong in ([], {}, None, 1, "x", [[1]], {"schema": 9}):
        yield f"all is {wrong!r}", json.dumps(wrong).encode()
    yield "deep", b"[" * 50_000 + b"]" * 50_000
    yield "digits", b'{"schema": ' + b"9" * 5000 + b"}"
    for number in range(16):
        content = json.loads(text)
        places = list(_places(content))
        container, key = rng.choice(places)
        if number % 4 == 0:
            del container[key]
        else:
            container[key] = rng.choice([None, -1, 1e400, "x", [], {}, [None], {"x": {}}, True, 10**30])
        yield f"value {number}", json.dumps(content).encode()


def _places(content: object) -> Iterator[tuple]:
    if isinstance(content, dict | list):
        for key in list(content) if isinstance(content, dict) else range(len(content)):
            yield content, key
            yield from _places(content[key])
