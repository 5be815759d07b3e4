"""How programs are compiled: as users do, or without most of XLA's optimisations, which takes half the time."""

from contextlib import contextmanager


def set_level(*, optimised: bool) -> bool:
    """The level before. Programs of the other level are forgotten, as JAX does not tell them apart."""
    import jax

    name = "jax_disable_most_optimizations"
    before = not jax.config.values[name]
    if before != optimised:
        jax.config.update(name, not optimised)
        jax.clear_caches()
    return before


@contextmanager
def as_users_compile():
    before = set_level(optimised=True)
    yield
    set_level(optimised=before)
