"""What `--gpus` gives: contexts, or an error that says which card or package would work."""

import mxnet as mx
import pytest

from facejobs.engines.mxnet import device
from facejobs.engines.mxnet.device import DeviceError, check_gpus, driver_cards, has_code_for, resolve_devices
from facejobs.errors import ExitCode
from facejobs.training.errors import ParameterError

V100, A10 = ("Tesla V100", (7, 0)), ("NVIDIA A10", (8, 6))


def cards(*found):
    return lambda: list(found)


def never():
    raise AssertionError("the driver was asked")


@pytest.mark.parametrize("gpus", ["", "  "])
def test_no_gpus_is_the_cpu_and_asks_no_driver(gpus: str) -> None:
    assert resolve_devices(gpus, never) == [mx.cpu()]


@pytest.mark.parametrize("gpus", ["a", "0,", ",", "-1", "0;1", "1.0", "٣", "0 1"])
def test_malformed_lists(gpus: str) -> None:
    with pytest.raises(ParameterError, match="is not the number of a GPU"):
        check_gpus(gpus, never)


def test_a_gpu_named_twice() -> None:
    with pytest.raises(ParameterError, match="names GPU 1 twice"):
        check_gpus("0,1,01", never)


def test_numbers_come_in_the_order_given() -> None:
    assert check_gpus(" 1, 0", cards(V100, A10)) == [1, 0]


@pytest.mark.parametrize(("found", "shown"), [((), "none"), ((V100,), "0: Tesla V100")])
def test_a_number_beyond_the_cards_lists_them(found, shown: str) -> None:
    with pytest.raises(DeviceError, match=f"no GPU 1 here; the driver shows {shown}") as caught:
        check_gpus("1", cards(*found))
    assert caught.value.exit_code is ExitCode.DEVICE


@pytest.mark.parametrize("capability", [(5, 0), (5, 2), (6, 0), (6, 1), (7, 0), (7, 5), (8, 0), (8, 6), (8, 9)])
def test_cards_that_have_code(capability: tuple[int, int]) -> None:
    assert has_code_for(capability)


@pytest.mark.parametrize("capability", [(3, 7), (9, 0), (10, 0), (10, 3), (12, 0)])
def test_cards_without_code_are_refused_by_name(capability: tuple[int, int]) -> None:
    assert not has_code_for(capability)
    with pytest.raises(DeviceError, match=rf"GPU 1 is a Card X of compute capability .*{capability[1]}.* A100, A10"):
        check_gpus("0,1", cards(A10, ("Card X", capability)))


def test_an_mxnet_for_the_cpu_names_the_package_for_gpus() -> None:
    if mx.runtime.Features().is_enabled("CUDA"):
        pytest.skip("this MXNet is built for GPUs")
    with pytest.raises(DeviceError, match=r"built for the CPU only; install mxnet-cu112==1\.9\.1"):
        resolve_devices("0", cards(V100))


class _Driver:
    """The functions of libcuda that are used, with their C signatures."""

    def __init__(self, code: int, found: list[tuple[bytes, int, int]]) -> None:
        self.code, self.found = code, found

    def cuInit(self, flags):  # noqa: N802
        return self.code

    def cuDeviceGetCount(self, number):  # noqa: N802
        number._obj.value = len(self.found)

    def cuDeviceGet(self, device_, index):  # noqa: N802
        device_._obj.value = index

    def cuDeviceGetName(self, name, length, device_):  # noqa: N802
        name.value = self.found[device_.value][0]

    def cuDeviceGetAttribute(self, value, attribute, device_):  # noqa: N802
        value._obj.value = self.found[device_.value][{75: 1, 76: 2}[attribute]]


def test_cards_are_read_from_the_driver(monkeypatch) -> None:
    driver = _Driver(0, [(b"Tesla T4", 7, 5), (b"NVIDIA H100", 9, 0)])
    monkeypatch.setattr(device.ctypes, "CDLL", lambda name: driver)
    assert driver_cards() == [("Tesla T4", (7, 5)), ("NVIDIA H100", (9, 0))]
    with pytest.raises(DeviceError, match=r"GPU 1 is a NVIDIA H100 of compute capability 9\.0"):
        check_gpus("0,1")


def test_a_driver_that_finds_nothing(monkeypatch) -> None:
    monkeypatch.setattr(device.ctypes, "CDLL", lambda name: _Driver(100, []))
    with pytest.raises(DeviceError, match="cuInit answered 100"):
        check_gpus("0")


def test_no_driver(monkeypatch) -> None:
    def missing(name: str):
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(device.ctypes, "CDLL", missing)
    with pytest.raises(DeviceError, match=r"libcuda\.so\.1 is not here"):
        check_gpus("0")
