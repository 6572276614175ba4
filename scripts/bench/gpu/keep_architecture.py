"""Zeroes a CUDA library's code for all GPUs but those of one architecture, so that it packs to a third.

    python keep_architecture.py LIBRARY.so 90

Fat binaries lie in the ELF sections whose name holds nv_fatbin: a header (magic, version, its length, length of the rest), then an
entry for each architecture: kind (1: PTX), attributes, length of the entry's header, length of its code, ..., architecture.
"""

import struct
import sys

MAGIC, PTX = 0xBA55ED50, 1


def main(path, architecture):
    data = bytearray(open(path, "rb").read())
    for offset, size in sections(data):
        at, end = offset, offset + size
        while at < end - 16:
            magic, _, header, length = struct.unpack_from("<IHHQ", data, at)
            if magic != MAGIC:
                at += 8
                continue
            clear(data, at + header, at + header + length, architecture)
            at += header + length
    open(path, "wb").write(data)


def sections(data):
    (table,) = struct.unpack_from("<Q", data, 0x28)
    entry, count, names = struct.unpack_from("<HHH", data, 0x3A)
    fields = [struct.unpack_from("<IIQQQQ", data, table + index * entry) for index in range(count)]
    for name, _, _, _, offset, size in fields:
        start = fields[names][4] + name
        if b"nv_fatbin" in data[start : data.index(0, start)]:
            yield offset, size


def clear(data, at, end, architecture):
    while at < end:
        kind, _, header, length = struct.unpack_from("<HHIQ", data, at)
        (made_for,) = struct.unpack_from("<I", data, at + 28)
        if made_for != architecture or kind == PTX:
            data[at + header : at + header + length] = bytes(length)
        at += header + length


main(sys.argv[1], int(sys.argv[2]))
