#!/usr/bin/env python3
"""extract-vmlinux.py BZIMAGE VMLINUX: writes the kernel that a compressed x86 boot image contains.

The image's header says where the compressed payload lies (the kernel's Documentation/arch/x86/boot.rst, protocol 2.08).
QEMU starts the ELF file directly, which spares every boot the decompression under emulation.
"""

import lzma
import struct
import subprocess
import sys
import zlib

SETUP_SECTORS = 0x1F1
PAYLOAD_OFFSET = 0x248
SECTOR = 512


def payload_of(image):
    # A count of 0 means 4, for compatibility with very old boot loaders; the boot sector comes before them.
    setup_sectors = (image[SETUP_SECTORS] or 4) + 1
    offset, length = struct.unpack_from("<II", image, PAYLOAD_OFFSET)
    start = setup_sectors * SECTOR + offset
    return image[start : start + length]


def decompress(payload):
    if payload.startswith(b"\xfd7zXZ\0"):
        return lzma.LZMADecompressor().decompress(payload)
    if payload.startswith(b"\x1f\x8b"):
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(payload)
    if payload.startswith(b"\x28\xb5\x2f\xfd"):
        # The build appends the uncompressed size, which zstd would take for the start of another frame.
        return subprocess.run(["zstd", "-dc"], input=payload[:-4], stdout=subprocess.PIPE, check=True).stdout
    sys.exit(f"extract-vmlinux: unknown compression, payload starts with {payload[:8].hex()}")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__.splitlines()[0])
    with open(sys.argv[1], "rb") as boot_image:
        kernel = decompress(payload_of(boot_image.read()))
    if not kernel.startswith(b"\x7fELF"):
        sys.exit("extract-vmlinux: the payload is no ELF file")
    with open(sys.argv[2], "wb") as vmlinux:
        vmlinux.write(kernel)


if __name__ == "__main__":
    main()
