"""The header of image records."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facejobs.data.image_record import pack_image_record, unpack_image_record


def test_bytes_of_the_format() -> None:
    assert pack_image_record(1.0, 7, b"x").hex() == "00000000" + "0000803f" + "07" + "00" * 7 + "00" * 8 + "78"
    assert pack_image_record((1.0, 2.0), 7).hex() == (
        "02000000" + "00000000" + "07" + "00" * 7 + "00" * 8 + "0000803f" + "00000040"
    )


@given(
    label=st.floats(width=32, allow_nan=False) | st.lists(st.floats(width=32, allow_nan=False)).map(tuple).filter(len),
    record_id=st.integers(0, 2**64 - 1),
    image=st.binary(max_size=20),
)
def test_round_trip(label: float | tuple[float, ...], record_id: int, image: bytes) -> None:
    record = unpack_image_record(memoryview(pack_image_record(label, record_id, image)))
    assert record.labels == (label if isinstance(label, tuple) else (label,))
    assert (record.id, record.id2, bytes(record.image)) == (record_id, 0, image)
    assert record.is_identity == (isinstance(label, tuple) and len(label) == 2 and not image)


@given(payload=st.binary(max_size=60))
def test_any_bytes_are_unpacked_or_refused(payload: bytes) -> None:
    try:
        record = unpack_image_record(memoryview(payload))
    except ValueError:
        return
    assert len(payload) == 24 + 4 * record.flag + len(record.image)
    assert len(record.labels) == max(1, record.flag)


@pytest.mark.parametrize("payload", [b"", bytes(23), b"\xff\xff\xff\xff" + bytes(100)])
def test_too_short_for_its_header(payload: bytes) -> None:
    with pytest.raises(ValueError, match="header"):
        unpack_image_record(memoryview(payload))
