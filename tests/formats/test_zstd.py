"""Skippable frames of zstd are skipped; frames that cannot be read are refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import ReadStdin, record
from hypothesis import given
from hypothesis import strategies as st
from promises import becomes, change, promise

from mapreduce import UsageError, run
from mapreduce.errors import InputError
from mapreduce.formats.compressed import decompress
from mapreduce.formats.format import HEAD
from mapreduce.formats.table import find_format
from mapreduce.formats.zstd import LARGEST_WINDOW, Zstd
from mapreduce.jobs.count import count

zstd = pytest.importorskip("backports.zstd", reason="backports.zstd is not installed")

LOG = (record() + b"\n") * 6


def skippable(size: int, number: int = 0) -> bytes:
    return bytes([0x50 + number]) + b"\x2a\x4d\x18" + size.to_bytes(4, "little") + b"s" * size


def windowed(log: int) -> bytes:
    """Return a frame that asks for a window of ``1 << log`` bytes."""
    options = {zstd.CompressionParameter.window_log: log}
    packer = zstd.ZstdCompressor(options=options)
    return bytes(packer.compress(LOG) + packer.flush())


LAYOUTS = {
    "first": skippable(4) + zstd.compress(LOG),
    "last": zstd.compress(LOG) + skippable(4),
    "between": zstd.compress(LOG[:60]) + skippable(9, 15) + zstd.compress(LOG[60:]),
    "first, several": skippable(0) + skippable(3, 7) + zstd.compress(LOG),
    "first, longer than a head": skippable(2 * HEAD) + zstd.compress(LOG),
    "first, longer than what is read at once": skippable(400_000) + zstd.compress(LOG),
}


@promise(
    "Frames of zstd that hold no text are passed over",
    broken_by=becomes("mapreduce.formats.skippable:behind_skippable", "return data"),
)
@pytest.mark.parametrize("data", LAYOUTS.values(), ids=[*LAYOUTS])
@pytest.mark.parametrize("stream", [False, True])
def test_frames_that_hold_no_text_are_passed_over(
    tmp_path: Path, read_stdin: ReadStdin, data: bytes, stream: bool
) -> None:
    path = tmp_path / "log.zst"
    path.write_bytes(data)
    if stream:
        read_stdin(path)
    assert run(count("7"), ["-" if stream else path]).counts == {b"443": 6}


def test_a_file_of_frames_without_text_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "log.zst").write_bytes(skippable(9) * 2)
    assert run(count("1"), [tmp_path / "log.zst"]).stats.lines == 0


@given(st.lists(st.integers(0, 40) | st.binary(max_size=60), max_size=6), st.integers(1, 50))
def test_frames_in_any_order_are_the_text_in_them(parts: list[int | bytes], size: int) -> None:
    frames = [zstd.compress(part) if isinstance(part, bytes) else skippable(part) for part in parts]
    data = b"".join(frames)
    pieces = iter([data[at : at + size] for at in range(0, len(data), size)])
    assert find_format(data[:HEAD]) == Zstd() or not data
    text = b"".join(part for part in parts if isinstance(part, bytes))
    assert b"".join(decompress(pieces, Zstd(), "x")) == text


@promise(
    "A window of zstd that is too large is refused, and not called damage",
    broken_by=change(
        "mapreduce.formats.zstd:Zstd.check_member",
        "(window := _window(header)) > LARGEST_WINDOW",
        "False",
    ),
)
def test_a_window_that_is_too_large_is_refused_and_not_called_damage(tmp_path: Path) -> None:
    path = tmp_path / "log.zst"
    path.write_bytes(windowed(27))
    assert run(count("7"), [path]).counts == {b"443": 6}
    for log in (28, 31):
        path.write_bytes(windowed(log))
        with pytest.raises(UsageError, match=f"needs a window of {1 << log:,} bytes.* --long=31"):
            run(count("7"), [path])


def test_a_frame_of_one_segment_asks_for_a_window_of_all_its_text(tmp_path: Path) -> None:
    header = b"\x28\xb5\x2f\xfd\xa4" + (LARGEST_WINDOW + 1).to_bytes(4, "little")
    (tmp_path / "log.zst").write_bytes(header + bytes(20))
    with pytest.raises(UsageError, match="needs a window of 134,217,729 bytes"):
        run(count("7"), [tmp_path / "log.zst"])


@promise(
    "A dictionary of zstd that is needed is named",
    broken_by=becomes("mapreduce.formats.zstd:_dictionary", "return 0"),
)
def test_a_dictionary_that_is_needed_is_named(tmp_path: Path) -> None:
    samples = [b"%b %d\n" % (record(), n) for n in range(300)]
    dictionary = zstd.train_dict(samples, 600)
    packed = zstd.compress(LOG, zstd_dict=dictionary)
    command = "zstd -D DICTIONARY -dc FILE"
    for data in (packed, skippable(5) + packed):
        (tmp_path / "log.zst").write_bytes(data)
        with pytest.raises(
            UsageError, match=f"needs the dictionary {dictionary.dict_id};.*{command}"
        ):
            run(count("7"), [tmp_path / "log.zst"])


def test_what_a_later_frame_needs_is_told_too(tmp_path: Path) -> None:
    (tmp_path / "log.zst").write_bytes(zstd.compress(LOG) + windowed(30))
    with pytest.raises(UsageError, match=r"log\.zst: zstd: needs a window"):
        run(count("7"), [tmp_path / "log.zst"])


def test_what_stands_behind_a_frame_and_is_none_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "log.zst").write_bytes(zstd.compress(LOG) + b"junk that is no frame")
    with pytest.raises(InputError, match="zstd: other bytes follow its end"):
        run(count("7"), [tmp_path / "log.zst"])
