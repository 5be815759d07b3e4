"""The blockwise kernel against the dense one and, if installed, torch: forward + backward, interleaved.

python benchmarks/kernels.py            (pip install torch for the comparison with scaled_dot_product_attention)
"""

import jax
import jax.numpy as jnp
import numpy as np
from timing import interleaved, ms, ratio

from jattn import masks
from jattn.kernels import blocks, dense


def arrays(B, T, N, H):
    """Random q, k, v and the cotangent of the output."""
    return [jax.random.normal(key, (B, T, N, H)) for key in jax.random.split(jax.random.key(0), 4)]


def gradient(attend, mask, cotangent):
    """The compiled gradient of q, k, v."""
    return jax.jit(jax.grad(lambda q, k, v: (attend(q, k, v, mask=mask).out * cotangent).sum(), (0, 1, 2)))


def window_against_dense() -> None:
    *qkv, d = arrays(1, 4096, 4, 32)
    mask = masks.window(64)
    fast, slow = gradient(blocks.attend, mask, d), gradient(dense.attend, mask, d)
    times = interleaved({"blocks": lambda: fast(*qkv), "dense": lambda: slow(*qkv)}, rounds=7)
    print("window 64, T = 4,096, batch 1, 4 heads of 32, forward + backward")
    print(
        f"  blocks {ms(times, 'blocks')}, dense {ms(times, 'dense')}; dense / blocks {ratio(times, 'dense', 'blocks')}"
    )


def window_memory() -> None:
    print("window 64, temporary bytes of the compiled program (4 heads of 32)")
    lengths, sizes = [1024, 2048, 4096, 8192], []
    for T in lengths:
        *qkv, d = arrays(1, T, 4, 32)
        compiled = gradient(blocks.attend, masks.window(64), d).lower(*qkv).compile()
        sizes.append(compiled.memory_analysis().temp_size_in_bytes)
    line = np.polyval(np.polyfit(lengths, sizes, 1), lengths)
    worst = np.abs(np.array(sizes) / line - 1).max()
    told = ", ".join(f"T = {T:,}: {s / 1e6:.2f} MB" for T, s in zip(lengths, sizes, strict=True))
    print(f"  {told}; farthest from a line {worst:.1%}")


def causal_against_torch() -> None:
    print("causal, T = 1,024, batch 1, 8 heads of 64, forward + backward")
    *qkv, d = arrays(1, 1024, 8, 64)
    ours, slow = gradient(blocks.attend, masks.causal(), d), gradient(dense.attend, masks.causal(), d)
    contenders = {"blocks": lambda: ours(*qkv), "dense": lambda: slow(*qkv)}
    try:
        import torch
    except ImportError:
        print("  (torch is not installed: no comparison with it)")
    else:
        leaves = [torch.tensor(np.asarray(x)).transpose(1, 2).contiguous().requires_grad_() for x in qkv]
        cotangent = torch.tensor(np.asarray(d)).transpose(1, 2).contiguous()

        def torch_step():
            for leaf in leaves:
                leaf.grad = None
            torch.nn.functional.scaled_dot_product_attention(*leaves, is_causal=True).backward(cotangent)

        contenders["torch"] = torch_step
    times = interleaved(contenders, rounds=21)
    print("  " + ", ".join(f"{name} {ms(times, name)}" for name in contenders))
    for other in list(contenders)[1:]:
        print(f"  {other} / blocks {ratio(times, other, 'blocks')}")


def null_mass_cost() -> None:
    print("null key and value merged, against none: batch 4, T = 1,024, 8 heads of 64, causal, forward + backward")
    from jattn.nulls import add_null, key

    *qkv, d = arrays(4, 1024, 8, 64)
    k_null, v_null = jax.random.normal(jax.random.key(1), (2, 8, 64))

    def with_null(q, k, v, k_null, v_null):
        return (add_null(blocks.attend(q, k, v, mask=masks.causal()), key(q, k_null, 0.0, v_null)).out * d).sum()

    null = jax.jit(jax.grad(with_null, (0, 1, 2, 3, 4)))
    none = gradient(blocks.attend, masks.causal(), d)
    times = interleaved({"null": lambda: null(*qkv, k_null, v_null), "none": lambda: none(*qkv)}, rounds=9)
    print(f"  null {ms(times, 'null')}, none {ms(times, 'none')}; null / none {ratio(times, 'null', 'none')}")


if __name__ == "__main__":
    print(f"jax {jax.__version__} on {jax.devices()[0].device_kind}, dtype {jnp.dtype(jnp.float32).name}")
    window_against_dense()
    window_memory()
    causal_against_torch()
    null_mass_cost()
