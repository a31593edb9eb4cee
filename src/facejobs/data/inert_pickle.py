"""Pickled lists, bytes, flags and numpy arrays, read without unpickling.

Unpickling a stranger's file can run any code. This module interprets the few pickle operations that plain
data needs by itself: it calls nothing that the file names, builds arrays only from bytes in the file, and
refuses every other operation. pickletools, which it takes the operations from, only parses.
"""

import math
import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facejobs.data.errors import DataError


def read_inert_pickle(path: Path, data: bytes) -> Any:
    """Return the object pickled in `data`, of protocols 1 to 5 and of Python 2 or 3.

    It consists of lists, tuples, None, whole numbers, bools, text, bytes and `InertArray`; numpy scalars come
    as whole numbers and bools, Python 2 strings as bytes. Raises DataError, naming `path` and the byte offset, for
    anything else.
    """
    return _Machine(path, data).run()


@dataclass(slots=True)
class InertArray:
    """A numpy array; `data` is None until its state is set."""

    dtype: str = "u1"
    order: str = "<"
    shape: tuple[int, ...] = (0,)
    data: bytes | None = None

    @property
    def is_vector(self) -> bool:
        """Whether all axes but one have length 1 (OpenCV's encoder gives columns)."""
        return len(self.shape) >= 1 and math.prod(self.shape) == max(self.shape)


class _RefusedError(Exception):
    """The operation at hand is refused; the machine adds file and offset."""


class _Mark:
    """The pickle MARK on the stack."""


@dataclass(frozen=True, slots=True)
class _Name:
    """A global that the file names. It is compared with the admitted ones and never looked up."""

    qualified: str


@dataclass(slots=True)
class _Dtype:
    """A numpy dtype: one of `_ITEM_SIZES`, little- or big-endian."""

    code: str
    order: str = "<"


_MAXIMUM_AXES = 4
_ITEM_SIZES = {"b1": 1, "u1": 1, "i1": 1, "i4": 4, "i8": 8}
_MARK = _Mark()
_ARRAY_TYPE = _Name("numpy.ndarray")
_RECONSTRUCT = ("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct")
_SCALAR = ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")
_FROM_BUFFER = ("numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer")
_DTYPE = ("numpy.dtype",)
_ENCODE = ("_codecs.encode",)
_BYTES = ("builtins.bytes", "__builtin__.bytes")
_BYTEARRAY = ("builtins.bytearray", "__builtin__.bytearray")
_ADMITTED = {_ARRAY_TYPE.qualified, *_RECONSTRUCT, *_SCALAR, *_FROM_BUFFER, *_DTYPE, *_ENCODE, *_BYTES, *_BYTEARRAY}


class _Machine:
    """Interpreter of the admitted pickle operations over one file's bytes."""

    def __init__(self, path: Path, data: bytes) -> None:
        self._path = path
        self._data = data
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        # Memoised text may be encoded again and again; a file never needs more than its own size.
        self._encoding_budget = len(data)

    def run(self) -> Any:
        """Return the object that the file describes."""
        position = 0
        operations = pickletools.genops(self._data)
        try:
            for opcode, argument, at in operations:
                position = at or 0
                if opcode.name == "STOP":
                    return self._pop()
                self._execute(opcode.name, argument)
        except _RefusedError as refusal:
            raise DataError(f"{self._path}: byte {position}: {refusal}") from None
        except (ValueError, IndexError, OverflowError, MemoryError) as error:
            raise DataError(
                f"{self._path}: after byte {position} of {len(self._data)}: {_brief(error)}; the file is truncated, "
                "damaged or of another format: copy it again"
            ) from None
        raise DataError(f"{self._path}: ends without a pickle STOP; the file is truncated: copy it again")

    def _execute(self, name: str, argument: Any) -> None:
        if name in _PUSHES_ARGUMENT:
            self._stack.append(argument)
        elif name in _PUSHES_CONSTANT:
            self._stack.append(_PUSHES_CONSTANT[name])
        elif name in _BYTE_STRINGS:
            self._stack.append(argument.encode("latin-1"))
        elif name in ("BINPUT", "LONG_BINPUT", "PUT"):
            self._memo[argument] = self._top()
        elif name in ("BINGET", "LONG_BINGET", "GET"):
            if argument not in self._memo:
                raise _RefusedError(f"refers to object {argument}, which the file has not defined")
            self._stack.append(self._memo[argument])
        elif name in _ACTIONS:
            _ACTIONS[name](self, argument)
        elif name not in ("PROTO", "FRAME"):
            raise _RefusedError(
                f"pickle operation {name} is refused: an InsightFace .bin holds only lists, bytes, flags and arrays"
            )

    def _top(self) -> Any:
        if not self._stack or self._stack[-1] is _MARK:
            raise _RefusedError("the pickle stack is empty; the file is damaged")
        return self._stack[-1]

    def _pop(self) -> Any:
        value = self._top()
        self._stack.pop()
        return value

    def _pop_to_mark(self) -> list[Any]:
        for index in range(len(self._stack) - 1, -1, -1):
            if self._stack[index] is _MARK:
                items = self._stack[index + 1 :]
                del self._stack[index:]
                return items
        raise _RefusedError("the pickle stack holds no mark; the file is damaged")

    def _new_list(self, _: Any) -> None:
        self._stack.append([])

    def _list_to_mark(self, _: Any) -> None:
        self._stack.append(self._pop_to_mark())

    def _tuple_to_mark(self, _: Any) -> None:
        self._stack.append(tuple(self._pop_to_mark()))

    def _tuple(self, size: int) -> None:
        items = [self._pop() for _ in range(size)]
        self._stack.append(tuple(reversed(items)))

    def _extend(self, items: list[Any]) -> None:
        target = self._top()
        if not isinstance(target, list):
            raise _RefusedError("appends to what is not a list; the file is damaged")
        target.extend(items)

    def _memoize(self, _: Any) -> None:
        self._memo[len(self._memo)] = self._top()

    def _global(self, qualified: Any) -> None:
        if not isinstance(qualified, str) or qualified not in _ADMITTED:
            shown = repr(qualified[:80]) if isinstance(qualified, str) else "an object"
            raise _RefusedError(
                f"the file asks to load {shown}, which is refused: it could run code; do not trust this file"
            )
        self._stack.append(_Name(qualified))

    def _stack_global(self, _: Any) -> None:
        name, module = self._pop(), self._pop()
        self._global(f"{module}.{name}" if isinstance(name, str) and isinstance(module, str) else None)

    def _reduce(self, _: Any) -> None:
        arguments, function = self._pop(), self._pop()
        if not isinstance(function, _Name) or not isinstance(arguments, tuple):
            raise _RefusedError("calls what is not an admitted constructor; the file is damaged")
        name = function.qualified
        if name in _RECONSTRUCT and arguments[:1] == (_ARRAY_TYPE,):
            self._stack.append(InertArray())
        elif name in _DTYPE:
            self._stack.append(_make_dtype(arguments))
        elif name in _SCALAR:
            self._stack.append(_make_scalar(arguments))
        elif name in _FROM_BUFFER:
            self._stack.append(_make_array_from_buffer(arguments))
        elif name in _ENCODE:
            self._stack.append(self._encode(arguments))
        elif name in (*_BYTES, *_BYTEARRAY) and not arguments:
            self._stack.append(b"")
        elif name in _BYTEARRAY and len(arguments) == 1 and isinstance(arguments[0], bytes):
            self._stack.append(arguments[0])
        else:
            raise _RefusedError(f"calls {name} in a way that no such pickle does")

    def _encode(self, arguments: tuple[Any, ...]) -> bytes:
        if len(arguments) != 2 or not isinstance(arguments[0], str) or arguments[1] not in ("latin1", "latin-1"):
            raise _RefusedError("encodes text otherwise than as latin1")
        self._encoding_budget -= len(arguments[0])
        if self._encoding_budget < 0:
            raise _RefusedError("encodes more text than the file holds: the file is made to exhaust memory")
        return arguments[0].encode("latin-1")

    def _build(self, _: Any) -> None:
        state, target = self._pop(), self._top()
        if isinstance(target, _Dtype):
            _set_dtype_state(target, state)
        elif isinstance(target, InertArray) and target.data is None:
            _set_array_state(target, state)
        else:
            raise _RefusedError("sets the state of what is neither an array nor a type; the file is damaged")


_PUSHES_ARGUMENT = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4",
    "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8",
    "SHORT_BINBYTES", "BINBYTES", "BINBYTES8",
}  # fmt: skip
_PUSHES_CONSTANT = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": (), "MARK": _MARK}
# Python 2 wrote its byte strings with these; pickletools gives them decoded as latin-1.
_BYTE_STRINGS = {"STRING", "BINSTRING", "SHORT_BINSTRING"}
_ACTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "EMPTY_LIST": _Machine._new_list,
    "LIST": _Machine._list_to_mark,
    "TUPLE": _Machine._tuple_to_mark,
    "TUPLE1": lambda machine, _: machine._tuple(1),
    "TUPLE2": lambda machine, _: machine._tuple(2),
    "TUPLE3": lambda machine, _: machine._tuple(3),
    "APPEND": lambda machine, _: machine._extend([machine._pop()]),
    "APPENDS": lambda machine, _: machine._extend(machine._pop_to_mark()),
    "MEMOIZE": _Machine._memoize,
    "GLOBAL": lambda machine, argument: machine._global(argument.replace(" ", ".", 1)),
    "STACK_GLOBAL": _Machine._stack_global,
    "REDUCE": _Machine._reduce,
    "BUILD": _Machine._build,
    "BYTEARRAY8": lambda machine, argument: machine._stack.append(bytes(argument)),
}


def _text(value: Any) -> Any:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _make_dtype(arguments: tuple[Any, ...]) -> _Dtype:
    code = _text(arguments[0]) if arguments else None
    if not isinstance(code, str) or code not in _ITEM_SIZES:
        shown = repr(code[:20]) if isinstance(code, str) else "of another kind"
        raise _RefusedError(f"numpy type {shown} is refused; admitted are {', '.join(_ITEM_SIZES)}")
    return _Dtype(code)


def _set_dtype_state(dtype: _Dtype, state: Any) -> None:
    order = _text(state[1]) if isinstance(state, tuple) and len(state) >= 5 else None
    if order not in ("<", ">", "|") or any(part is not None for part in state[2:5]):
        raise _RefusedError("a numpy type with fields or a shape of its own is refused")
    dtype.order = order


def _set_array_state(array: InertArray, state: Any) -> None:
    if not isinstance(state, tuple) or len(state) != 5:
        raise _RefusedError("the state of a numpy array is malformed")
    _, shape, dtype, _, data = state
    _fill(array, shape, dtype, data)


def _make_array_from_buffer(arguments: tuple[Any, ...]) -> InertArray:
    if len(arguments) != 4:
        raise _RefusedError("a numpy array is malformed")
    data, dtype, shape, _ = arguments
    array = InertArray()
    _fill(array, shape, dtype, data)
    return array


def _fill(array: InertArray, shape: Any, dtype: Any, data: Any) -> None:
    if not isinstance(dtype, _Dtype) or not isinstance(data, bytes):
        raise _RefusedError("only numpy arrays of bytes, flags or whole numbers are admitted")
    if not isinstance(shape, tuple) or len(shape) > _MAXIMUM_AXES:
        raise _RefusedError("the shape of a numpy array is malformed")
    if any(not isinstance(length, int) or not 0 <= length <= len(data) for length in shape):
        raise _RefusedError(f"a numpy array claims lengths that its {len(data)} bytes do not fill")
    if math.prod(shape) * _ITEM_SIZES[dtype.code] != len(data):
        raise _RefusedError(
            f"a numpy array of type {dtype.code} and shape {shape} does not take the {len(data)} bytes that follow"
        )
    array.shape, array.dtype, array.order, array.data = shape, dtype.code, dtype.order, data


def _make_scalar(arguments: tuple[Any, ...]) -> int | bool:
    array = InertArray()
    if len(arguments) != 2:
        raise _RefusedError("a numpy scalar is malformed")
    _fill(array, (), *arguments)
    value: int | bool = np.frombuffer(array.data or b"", array.order + array.dtype)[0].item()
    return value


def _brief(error: Exception) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__
