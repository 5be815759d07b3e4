"""What all tests share: JAX on the CPU, a fixture for float64, and the reason why a peer test is skipped."""

import os
import sys
from importlib.util import find_spec

# Both before the first import of jax. Programs here run for milliseconds and compile for seconds.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

import pytest
from hypothesis import HealthCheck, settings

# No test may fail for the speed of the machine it runs on.
settings.register_profile("jattn", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("jattn")


@pytest.fixture(autouse=True, scope="module")
def forget_programs():
    """Every compiled program maps memory, and a process may map 65,530 pieces: beyond that XLA's compiler crashes."""
    yield
    if jax := sys.modules.get("jax"):
        jax.clear_caches()


@pytest.fixture
def x64():
    """float64 within one test: closed forms then hold to 1e-12."""
    import jax

    with jax.enable_x64(True):
        yield


def pytest_runtest_setup(item):
    missing = [name for name in ("torch", "transformers") if find_spec(name) is None]
    if missing and item.get_closest_marker("peers"):
        pytest.skip(f"needs {' and '.join(missing)}: pip install 'jattn[peers]'")
