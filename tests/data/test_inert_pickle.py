"""The interpreter of plain pickles gives what unpickling gives, and nothing else a file asks for."""

import io
import os
import pickle
import pickletools
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from facejobs.data.errors import DataError
from facejobs.data.inert_pickle import InertArray, read_inert_pickle

PATH = Path("sample.bin")
PROTOCOLS = (1, 2, 3, 4, 5)
_watched: list[str] | None = None


def _record_event(event: str, arguments: tuple) -> None:
    if _watched is not None and event.startswith(
        ("os.", "exec", "compile", "import", "subprocess.", "open", "socket.")
    ):
        _watched.append(event)


# Python imports a codec when it is first used, which is not the file's doing.
"".encode("raw-unicode-escape")
sys.addaudithook(_record_event)


def read_watched(data: bytes) -> object:
    """Read `data` and fail on any import, call of the system, opened file or compiled code meanwhile."""
    global _watched
    _watched = []
    try:
        return read_inert_pickle(PATH, data)
    finally:
        events, _watched = _watched, None
        assert events == []


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.binary(max_size=300) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.lists(inner, max_size=5).map(tuple),
    max_leaves=20,
)


@given(plain, st.sampled_from(PROTOCOLS))
def test_plain_objects_come_back_as_pickle_gives_them(value: object, protocol: int) -> None:
    assert read_watched(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("dtype", ["u1", "?", "i1", "<i4", "<i8"])
@pytest.mark.parametrize("shape", [(6,), (6, 1), (1, 6), (2, 3), (0,)])
def test_arrays_keep_type_shape_and_bytes(protocol: int, dtype: str, shape: tuple[int, ...]) -> None:
    array = np.arange(6 if 0 not in shape else 0).reshape(shape).astype(dtype)
    (found,) = read_watched(pickle.dumps([array], protocol))
    assert isinstance(found, InertArray)
    assert found.shape == shape
    assert found.data == array.tobytes()
    assert found.is_vector == (shape != (2, 3))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("value", [np.bool_(True), np.bool_(False), np.uint8(200), np.int8(-3), np.int64(-(2**40))])
def test_numpy_scalars_come_as_numbers(protocol: int, value: np.generic) -> None:
    assert read_watched(pickle.dumps([value], protocol)) == [value.item()]


def test_big_endian_scalars_are_read_in_their_order() -> None:
    (value,) = np.array([258], ">i4")
    big_endian = pickle.dumps(np.array([258], ">i4").dtype.newbyteorder(">").type(258), 2)
    assert read_watched(big_endian) == value
    with_order = pickle.dumps(np.array([258], ">i4"), 2)
    found = read_watched(with_order)
    assert isinstance(found, InertArray)
    assert np.frombuffer(found.data, found.order + found.dtype).tolist() == [258]


def test_python_2_strings_come_as_bytes() -> None:
    encoded = b"\xff\xd8\x00"
    assert read_watched(b"\x80\x02](U\x03" + encoded + b"T" + struct.pack("<i", 3) + encoded + b"e.") == [encoded] * 2


class _Calls:
    """Pickles to a call of `function` with `arguments`."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple:
        return self.call


def _attacks(canary: Path) -> dict[str, bytes]:
    command = f"touch {canary}"
    text = command.encode()
    attacks = {
        f"{name} protocol {protocol}": pickle.dumps([_Calls(function, *arguments)], protocol)
        for protocol in (0, *PROTOCOLS)
        for name, function, arguments in (
            ("system", os.system, (command,)),
            ("eval", eval, (f"__import__('os').system({command!r})",)),
            ("getattr", getattr, ("", "join")),
            ("bytes.fromhex", bytes, (10**12,)),
            ("bytearray of a size", bytearray, (10**12,)),
            ("numpy load", np.load, ("/etc/hostname",)),
            ("numpy ndarray", np.ndarray, ((10**12,),)),
            ("object dtype", np.dtype, ("O",)),
        )
    }
    attacks["INST"] = b"(V" + text + b"\nios\nsystem\n."
    attacks["OBJ"] = b"(cos\nsystem\nV" + text + b"\no."
    attacks["NEWOBJ"] = b"\x80\x02cos\nsystem\n(V" + text + b"\nt\x81."
    attacks["NEWOBJ_EX"] = b"\x80\x04cos\nsystem\n)}\x92."
    attacks["STACK_GLOBAL"] = b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c" + bytes([len(text)]) + text + b"\x85R."
    attacks["extension registry"] = b"\x80\x02\x82\x01)R."
    attacks["persistent id"] = b"Pos.system\n."
    attacks["dotted name"] = b"\x80\x04\x8c\x05numpy\x8c\x0fndarray.tofile\x93."
    attacks["state of a global"] = b"\x80\x02cnumpy\nndarray\n}U\x01aU\x01bsb."
    attacks["object array"] = pickle.dumps(np.array([_Calls(os.system, command)], object), 2)
    return attacks


@pytest.mark.parametrize("name", _attacks(Path("unused")))
def test_attacks_are_refused_and_nothing_runs(name: str, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    with pytest.raises(DataError, match=r"sample\.bin"):
        read_watched(_attacks(canary)[name])
    assert not canary.exists()


def test_the_refusal_says_where_and_what() -> None:
    data = pickle.dumps([b"x", _Calls(os.system, "true")], 2)
    at = max(position for opcode, _, position in pickletools.genops(data) if opcode.name == "GLOBAL")
    with pytest.raises(
        DataError, match=rf"sample\.bin: byte {at}: the file asks to load 'posix\.system'.*could run code"
    ):
        read_inert_pickle(PATH, data)


def test_memoised_text_cannot_be_encoded_without_end() -> None:
    text = b"X" + struct.pack("<I", 100_000) + b"a" * 100_000 + b"q\x00"
    call = b"c_codecs\nencode\nq\x01h\x00X\x06\x00\x00\x00latin1q\x02\x86R"
    again = b"h\x01h\x00h\x02\x86R" * 10_000
    with pytest.raises(DataError, match="exhaust memory"):
        read_inert_pickle(PATH, b"\x80\x02](" + text + call + again + b"e.")


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x04\x8e" + struct.pack("<Q", 1 << 62) + b"abc",
        b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b"abc",
        b"\x80\x02\x8b" + struct.pack("<i", 0x7FFFFFFF) + b"abc",
        b"\x80\x02]r\xff\xff\xff\xff.",
        b"\x80\x02L" + b"9" * 100_000 + b"L\n.",
        b"]" + b"\x85" * 50_000 + b".",
        b"]" + b"q\x00\x85" * 20_000 + b"(h\x00h\x00tR.",
        b"](" * 30_000 + b"e" * 30_000 + b".",
    ],
    ids=["bytes8", "bytearray8", "long4", "memo index", "decimal", "deep tuples", "deep and called", "deep lists"],
)
def test_bombs_take_no_memory_and_no_stack(data: bytes) -> None:
    try:
        read_watched(data)
    except DataError as error:
        assert len(str(error)) < 500


@given(st.binary(max_size=400))
@example(b"")
@example(b".")
@example(b"R.")
@example(b"(.")
@example(b"h\x00.")
def test_arbitrary_bytes_end_in_an_error_or_plain_data(data: bytes) -> None:
    try:
        read_watched(data)
    except DataError as error:
        assert "sample.bin" in str(error)


SAMPLES = [
    pickle.dumps(([np.frombuffer(b"\xff\xd8ab", np.uint8), b"image"], [True, np.bool_(False)]), protocol)
    for protocol in PROTOCOLS
]


@settings(max_examples=400)
@given(
    st.sampled_from(SAMPLES),
    st.lists(st.tuples(st.integers(0, 400), st.binary(min_size=0, max_size=4), st.integers(0, 4)), max_size=4),
)
def test_mutated_samples_end_in_an_error_or_plain_data(sample: bytes, edits: list[tuple[int, bytes, int]]) -> None:
    data = bytearray(sample)
    for position, inserted, removed in edits:
        at = position % len(data) if data else 0
        data[at : at + removed] = inserted
    try:
        read_watched(bytes(data))
    except DataError as error:
        assert "sample.bin" in str(error)


@pytest.mark.parametrize("sample", SAMPLES)
def test_every_truncation_is_refused(sample: bytes) -> None:
    for length in range(len(sample)):
        with pytest.raises(DataError):
            read_watched(sample[:length])


@pytest.mark.parametrize("opcode", sorted(opcode.code for opcode in pickletools.opcodes))
def test_no_operation_escapes_the_error_family(opcode: str) -> None:
    for before in (b"", b"\x80\x02", b"(", b"](", b"]", b"cnumpy\ndtype\n)", b"cnumpy\ndtype\n(U\x02u1tR"):
        for after in (b"", b".", b"\x00\x00\x00\x00\x00\x00\x00\x00.", b"1\n1\n."):
            stream = io.BytesIO(before + opcode.encode("latin-1") + after)
            try:
                read_watched(stream.getvalue())
            except DataError as error:
                assert "sample.bin" in str(error)
