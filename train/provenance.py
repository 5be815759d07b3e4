"""What is needed to compute a number again: versions, machine, commit."""

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on, and the commit if the code runs from a checkout."""
    software = {name: version(name) for name in ("jattn", "jax", "flax", "optax", "numpy")}
    software["python"] = platform.python_version()
    commit = _commit()
    return software | ({"commit": commit} if commit else {})


def _commit() -> str | None:
    """The checkout's commit, with a + if files differ from it; None where the package is installed from a wheel."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None
    git = lambda *a: subprocess.run(["git", "-C", str(root), *a], capture_output=True, text=True, check=False)
    head = git("rev-parse", "--short=12", "HEAD")
    if head.returncode:
        return None
    return head.stdout.strip() + ("+" if git("status", "--porcelain", "-uno").stdout.strip() else "")


def machine() -> str:
    """The device that computes, in words."""
    import jax

    device = jax.devices()[0]
    kind = getattr(device, "device_kind", device.platform)
    return f"{len(jax.devices())} x {kind}" if device.platform != "cpu" else f"CPU ({platform.machine()})"
