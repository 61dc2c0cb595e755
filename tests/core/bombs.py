"""Files that take memory or time without end, or lie about what they are, made byte by byte."""

from __future__ import annotations

import io
import pickle
import struct
import tarfile
import zipfile

from tests.core.hostile import LAYOUTS, NUMBERS, legacy, module, script, state_dict, tensor, text, zipped


def archive(members: list[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> bytes:
    """A zip archive of these members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as made:
        for name, raw in members:
            made.writestr(name, raw)
    return buffer.getvalue()


def header(raw: bytes, data: bytes = b"", length: int | None = None) -> bytes:
    """A safetensors file with this header."""
    return struct.pack("<Q", len(raw) if length is None else length) + raw + data


def bombs() -> dict[str, bytes]:
    """Files that would take memory or time without end."""
    good = b"\x80\x02" + state_dict(("weight", tensor())) + b"."
    doubled = b"K\x01" + b"".join(b"q%c0h%ch%c\x86" % (n, n, n) for n in range(60))
    many = b"".join(b'"t%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},' % n for n in range(300_000))
    shared = module(b"}", b"}")
    for _ in range(40):
        shared = b"}0" + shared + b"q\x010" + module(b"}", b"}(" + text("a") + b"h\x01" + text("b") + b"h\x01u")
    scripts = script(state_dict(("weight", tensor())))
    for _ in range(40):
        scripts += b"q\x010" + script(b"}(" + text("a") + b"h\x01" + text("b") + b"h\x01u")
    nones = b"}(" + b"".join(text(f"n{n}") + b"N" for n in range(20_000)) + b"uq\x02"
    parts = b"".join(text(f"m{n}") + module(b"h\x02") for n in range(5_000))
    found = {
        "300,000 tensors": header(b"{" + many[:-1] + b"}"),
        "header of dictionaries": header(b"[" + b"{}," * 3_000_000 + b"{}]"),
        "header of lists": header(b'{"a":' + b"[" * 4_000_000 + b"]" * 4_000_000 + b"}"),
        "header of numbers": header(b'{"a":[' + b"1000," * 1_900_000 + b"1]}"),
        "header of 2^63 bytes": header(b"{}", length=2**63 - 1),
        "header that is longer than the file": header(b"{}", length=5000),
        "header of one long text": header(b'{"' + b"a" * 9_000_000 + b'":1}'),
        "archive of 300,000 members": _many_members(300_000),
        "archive that says it has few members": _many_members(300_000, told=3),
        "compressed gigabyte": archive(
            [("archive/data.pkl", good), ("archive/data/0", bytes(2**28))], zipfile.ZIP_DEFLATED
        ),
        "archive of slips": archive([("archive/data.pkl", good), ("../../canary", NUMBERS)]),
        "archive of absolute names": archive([("archive/data.pkl", good), ("/canary", NUMBERS)]),
        "archive of TorchScript": archive(
            [("archive/data.pkl", good), ("archive/code/a.py", b"x"), ("archive/constants.pkl", good)]
        ),
        "archive of another program": archive([("word/document.xml", b"<x/>")]),
        "archive with something before": b"#!/bin/sh\n" + zipped(state_dict(("weight", tensor()))),
        "archive with something after": zipped(state_dict(("weight", tensor()))) + b"#" * 30,
        "archive inside a pickle": pickle.dumps(1, 2) + zipped(state_dict(("weight", tensor()))),
        "archive in big-endian order": archive(
            [("archive/data.pkl", good), ("archive/byteorder", b"big"), ("archive/data/0", NUMBERS)]
        ),
        "archive of two roots": archive([("archive/data.pkl", good), ("other/data/0", NUMBERS)]),
        "archive without numbers": archive([("archive/data.pkl", good)]),
        "members of one name": _same_name(good),
        "members that overlap": _overlapping(good),
        "tar archive": _tar(),
        "tar archive that is also a pickle": _tar_and_pickle(),
        "objects of 40 MB": zipped(b"B" + struct.pack("<I", 40 << 20) + bytes(40 << 20), {}),
        "no bytes": b"",
        "one byte": b"\x80",
        "a page": b"<!DOCTYPE html><html>404</html>" * 20,
        "a pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 350000000\n",
        "text": b"hello, this is not a checkpoint at all\n" * 10,
    }
    for layout, wrap in LAYOUTS.items():
        programs = {
            "memo at 2^32": b"K\x01r\xff\xff\xff\xff" + b"K\x01r\xfe\xff\xff\x7f" * 1000,
            "memo of 149,000": b"}\x94" * 149_000,
            "lists 150,000 deep": b"]" * 149_000 + b"a" * 148_999,
            "tuples 290,000 deep": b")" + b"\x85" * 290_000,
            "calls 95,000 deep": b"cgone\nf\n" * 95_000 + b")" + b"R\x85" * 94_999,
            "marks without end": b"(" * 290_000,
            "no stop": b"N0" * 200_000,
            "hash of 2^60 parts as a key": b"}" + doubled + b"N" + b"s",
            "hash of 2^60 parts in a set": b"\x8f(" + doubled + b"\x90",
            "hash of 2^60 parts in a set that is called": b"cbuiltins\nset\n]" + doubled + b"a\x85R",
            "hash of 2^60 parts as a frozen set": b"(" + doubled + b"\x91",
            "2^40 modules": shared,
            "2^40 modules of a script": scripts,
            "2^16 dictionaries": b"}q\x010}("
            + b"".join(text(f"d{n}") + state_dict(("a", b"N")) for n in range(16))
            + b"uq\x020}("
            + b"".join(text(f"e{n}") + b"h\x02" for n in range(2_000))
            + b"uq\x030}("
            + b"".join(text(f"f{n}") + b"h\x03" for n in range(2_000))
            + b"u",
            "a script inside itself": b"c__torch__.gone\nModel\n)\x81q\x01}(" + text("a") + b"h\x01" + b"ub",
            "parameters that are none, many times": nones + b"0" + module(b"h\x02", b"}(" + parts + b"u"),
            "itself inside itself": b"}q\x01" + text("model") + b"h\x01s",
            "text of 4 GB": b"X\xff\xff\xff\xff",
            "bytes of 4 GB": b"B\xff\xff\xff\xff",
            "endless name": b"c" + b"a" * 5_000_000,
            "storage of 2^39 numbers": state_dict(("a", tensor(count=2**39))),
            "storage of a negative size": state_dict(("a", tensor(count=-1))),
            "one number 2^30 times": state_dict(("a", tensor(shape=b"J\xff\xff\xff\x3f\x85", stride=b"K\x00\x85"))),
            "shape that overflows": state_dict(
                ("a", tensor(shape=(b"\x8a\x06\x00\x00\x00\x00\x00\x01" * 3) + b"\x87", stride=b"K\x00K\x00K\x00\x87"))
            ),
            "tensor beyond its storage": state_dict(("a", tensor(shape=b"K\x03\x85"))),
            "negative stride": state_dict(("a", tensor(stride=b"J\xff\xff\xff\xff\x85"))),
            "storage of two types": state_dict(("a", tensor()), ("b", tensor(count=3))),
            "name of a storage that climbs": state_dict(("a", tensor(key="../../canary"))),
            "one name twice": state_dict(("a", tensor()), ("a", tensor())),
            "25,000 tensors": state_dict(*((f"t{n}", tensor()) for n in range(25_000))),
            "odd name": state_dict(("<script>", tensor())),
            "number of 255 bytes": b"\x8a\xff" + b"\x7f" * 255,
            "protocol 0": b"\x80\x00(dp0\n",
        }
        found |= {
            f"{name}, {layout}": wrap(program, {} if b"torch" not in program else None)
            for name, program in programs.items()
        }
        found[f"truncated, {layout}"] = wrap(state_dict(("a", tensor())))[:-5]
        found[f"truncated in its objects, {layout}"] = wrap(state_dict(("a", tensor())))[:120]
        found[f"numbers of another size, {layout}"] = wrap(state_dict(("a", tensor())), {"0": NUMBERS + NUMBERS})
    found["numbers after the end, legacy"] = legacy(state_dict(("a", tensor()))) + b"\0" * 8
    found["numbers nobody names, legacy"] = legacy(state_dict(("a", tensor())), {"0": NUMBERS, "1": NUMBERS})
    return found


def _many_members(count: int, told: int | None = None) -> bytes:
    entry = b"PK\1\2" + struct.pack("<6H3L5H2L", 20, 20, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    local = b"PK\3\4" + struct.pack("<5H3L2H", 20, 0, 0, 0, 0, 0, 0, 0, 1, 0) + b"a"
    directory = entry * count
    small = min(count, 0xFFFF) if told is None else told
    return local + directory + b"PK\5\6" + struct.pack("<4H2LH", 0, 0, small, small, len(directory), len(local), 0)


def _same_name(good: bytes) -> bytes:
    raw = archive([("archive/data.pkl", good), ("archive/data/0", NUMBERS), ("archive/data/1", NUMBERS)])
    return raw.replace(b"archive/data/1", b"archive/data/0")


def _overlapping(good: bytes) -> bytes:
    raw = bytearray(archive([("archive/data.pkl", good), ("archive/data/0", NUMBERS), ("archive/data/1", NUMBERS)]))
    last = raw.rindex(b"PK\1\2")
    first = raw.index(b"PK\1\2")
    second = raw.index(b"PK\1\2", first + 4)
    raw[last + 42 : last + 46] = raw[second + 42 : second + 46]
    return bytes(raw)


def _tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as made:
        info = tarfile.TarInfo("storages")
        info.size = 8
        made.addfile(info, io.BytesIO(NUMBERS))
    return buffer.getvalue()


def _tar_and_pickle() -> bytes:
    """A legacy file that PyTorch itself would rather take for a tar archive."""
    filler = b"C" + bytes([255]) + bytes(255) + b"0"
    raw = bytearray(legacy(filler * 3 + state_dict(("a", tensor()))))
    raw[257:262] = b"ustar"
    return bytes(raw)
