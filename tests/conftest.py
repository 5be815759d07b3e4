"""What all tests share: JAX on the CPU, a fixture for float64, and the reason why a peer test is skipped."""

import atexit
import os
import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path

# All before the first import of jax; workers and subprocesses inherit it. Programs here run for milliseconds and
# compile for longer, so each is compiled once for all.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="jattn-programs-")
    atexit.register(shutil.rmtree, os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")

import pytest
from hypothesis import HealthCheck, settings

from tests import levels

TESTS = Path(__file__).parent
# The model, the kernels, decoding, the loop: their programs are what users run.
OPTIMISED = [TESTS / "jattn", *(TESTS / "train" / f"test_{name}.py" for name in ("loop", "optimizer", "step"))]

# No test may fail for the speed of the machine it runs on.
settings.register_profile("jattn", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("jattn")


@pytest.fixture(autouse=True, scope="module")
def forget_programs():
    """Every compiled program maps memory, and a process may map 65,530 pieces: beyond that XLA's compiler crashes."""
    yield
    if maps() > 20_000:
        import jax

        jax.clear_caches()


def maps() -> float:
    """The pieces of memory that this process maps; without Linux's list of them, more than any limit."""
    try:
        with Path("/proc/self/maps").open("rb") as lines:
            return sum(1 for _ in lines)
    except FileNotFoundError:
        return float("inf")


@pytest.fixture
def x64():
    """float64 within one test: closed forms then hold to 1e-12."""
    import jax

    with jax.enable_x64(True):
        yield


@pytest.fixture
def two_devices() -> dict[str, str]:
    """The environment of a subprocess with two virtual devices, which compiles as this process does."""
    import jax

    quick = jax.config.values["jax_disable_most_optimizations"]
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_DISABLE_MOST_OPTIMIZATIONS": str(quick)}
    return os.environ | flags


def optimised(item) -> bool:
    return any(item.path.is_relative_to(path) for path in OPTIMISED)


def pytest_collection_modifyitems(items):
    """Those that compile as users do come last: a worker changes the level of optimisation once."""
    items.sort(key=optimised)


def pytest_runtest_setup(item):
    levels.set_level(optimised=optimised(item))
    missing = [name for name in ("torch", "transformers") if find_spec(name) is None]
    if missing and item.get_closest_marker("peers"):
        pytest.skip(f"needs {' and '.join(missing)}: pip install 'jattn[peers]'")
