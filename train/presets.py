"""Named runs, as Python functions: a preset is a RunConfig, and any field of it can be overridden."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from jattn.config import BiasConfig, DropoutConfig, InitConfig, MlpConfig, ModelConfig, NormConfig, OutputConfig
from jattn.errors import one_of
from train.config import DataConfig, OptimizerConfig, RunConfig


def _gpt2(**model: Any) -> ModelConfig:
    """GPT-2's architecture as nanoGPT trains it: learned positions, LayerNorm, GELU, no biases, tied."""
    return ModelConfig(
        positions="learned",
        norm=NormConfig("layernorm", qk=False),
        mlp=MlpConfig("gelu"),
        init=InitConfig(zero_outputs=False),
        **model,
    )


def tiny() -> RunConfig:
    """Our architecture, small enough for half a minute on a laptop: 2 layers, 4 heads, 64 wide."""
    return RunConfig(
        preset="tiny",
        steps=600,
        eval_every=200,
        save_every=600,
        model=ModelConfig(layers=2, heads=4, width=64, context=64),
        data=DataConfig(batch=16),
        optimizer=OptimizerConfig(optimizer="adamw", learning_rate=3e-3, warmup=50),
    )


def small() -> RunConfig:
    """Our architecture and Muon at the shape, steps and tokens of nanogpt-cpu."""
    return RunConfig(preset="small")


def nanogpt_cpu() -> RunConfig:
    """nanoGPT's recipe for a CPU: 4 layers, 4 heads, 128 wide, context 64, batch 12, 2,000 steps."""
    return RunConfig(preset="nanogpt-cpu", model=_gpt2(), optimizer=OptimizerConfig(optimizer="adamw"))


def nanogpt_gpu() -> RunConfig:
    """nanoGPT's recipe for a GPU: 6 layers, 6 heads, 384 wide, context 256, batch 64, 5,000 steps, dropout 0.2."""
    dropout = DropoutConfig(embed=0.2, resid=0.2, mlp=0.2)
    return RunConfig(
        preset="nanogpt-gpu",
        steps=5000,
        model=_gpt2(layers=6, heads=6, width=384, context=256, dropout=dropout),
        data=DataConfig(batch=64),
        optimizer=OptimizerConfig(optimizer="adamw"),
    )


def gpt2_124m() -> RunConfig:
    """GPT-2 small's shape with biases, on byte-level BPE; bring a large corpus and an accelerator."""
    model = _gpt2(layers=12, heads=12, width=768, context=1024)
    return RunConfig(
        preset="gpt2-124m",
        steps=100_000,
        eval_every=1000,
        save_every=1000,
        model=replace(model, mlp=MlpConfig("gelu_tanh"), bias=BiasConfig(qkv=True, out=True, mlp=True, norm=True)),
        data=DataConfig(tokenizer="bpe", bpe_size=50_257, batch=32),
        optimizer=OptimizerConfig(optimizer="adamw", learning_rate=6e-4, beta2=0.95, warmup=2000),
    )


def backcopy() -> RunConfig:
    """Bigram-Backcopy, a language whose truth is known: one layer, one head (Guo et al. 2024, arXiv 2410.13835)."""
    return RunConfig(
        preset="backcopy",
        steps=1500,
        eval_every=500,
        save_every=1500,
        model=replace(_gpt2(layers=1, heads=1, width=64, context=64), output=OutputConfig(tied=False)),
        data=DataConfig(corpus="backcopy", batch=32),
        optimizer=OptimizerConfig(optimizer="adamw", learning_rate=3e-3, warmup=50),
    )


def finetune() -> RunConfig:
    """A run or an imported model trained on (--from): AdamW at a low rate, 500 steps, length 128."""
    return RunConfig(
        preset="finetune",
        watch_sinks=True,
        steps=500,
        eval_every=100,
        eval_windows=64,
        save_every=250,
        log_every=5,
        data=DataConfig(batch=8),
        optimizer=OptimizerConfig(optimizer="adamw", learning_rate=1e-4, warmup=20),
    )


PRESETS: dict[str, Callable[[], RunConfig]] = {
    "tiny": tiny,
    "small": small,
    "nanogpt-cpu": nanogpt_cpu,
    "nanogpt-gpu": nanogpt_gpu,
    "gpt2-124m": gpt2_124m,
    "backcopy": backcopy,
    "finetune": finetune,
}


def preset(name: str) -> RunConfig:
    """The run of that name; InputError with the nearest name otherwise."""
    return PRESETS[one_of("preset", name, PRESETS)]()
