"""A lossless JPEG encoder for tests: one component, every predictor, restarts, a point transform (ITU-T T.81 annex H)."""

import struct

CODE_BITS = 5  # of each of the 17 categories


def encode(samples, precision, predictor, interval=0, shift=0, padding="1"):
    """A stream of (height, width) samples; `interval` is a number of lines, and `shift` drops low bits."""
    height, width = samples.shape
    counts = bytes(17 if bits == CODE_BITS else 0 for bits in range(1, 17))
    lines = [[int(value) >> shift for value in row] for row in samples]
    step = interval or height
    middle = 1 << (precision - shift - 1)
    parts = [_pack(_differences(lines[row : row + step], predictor, middle), padding) for row in range(0, height, step)]
    coded = parts[0] + b"".join(bytes([0xFF, 0xD0 + number % 8]) + part for number, part in enumerate(parts[1:]))
    return b"".join(
        [
            b"\xff\xd8",
            _segment(0xC3, struct.pack(">BHHB", precision, height, width, 1) + b"\1\x11\0"),
            _segment(0xC4, b"\0" + counts + bytes(range(17))),
            _segment(0xDD, struct.pack(">H", interval * width)) if interval else b"",
            _segment(0xDA, bytes([1, 1, 0, predictor, 0, shift])),
            coded,
            b"\xff\xd9",
        ]
    )


def _segment(mark, content):
    return struct.pack(">BBH", 0xFF, mark, len(content) + 2) + content


def _differences(lines, predictor, middle):
    for y, line in enumerate(lines):
        for x, value in enumerate(line):
            if y and x:
                a, b, c = line[x - 1], lines[y - 1][x], lines[y - 1][x - 1]
                rules = [a, b, c, a + b - c, a + (b - c) // 2, b + (a - c) // 2, (a + b) // 2]
                expected = rules[predictor - 1]
            elif x:
                expected = line[x - 1]
            else:
                expected = lines[y - 1][0] if y else middle
            yield (value - expected + 2**15 - 1) % 2**16 - 2**15 + 1  # from -32767 to 32768


def _pack(differences, padding):
    codes = []
    for difference in differences:
        category = abs(difference).bit_length()
        codes.append(f"{category:0{CODE_BITS}b}")
        if 0 < category < 16:
            codes.append(f"{difference if difference > 0 else difference + 2**category - 1:0{category}b}")
    bits = "".join(codes)
    bits += padding * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\x00")
