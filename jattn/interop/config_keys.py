"""The keys of somebody's config: each is read, allowed at one value, or known to be harmless; any other is refused.

A key that changes the mathematics and is not known here would make a model that loads and is wrong.
"""

from typing import Any

from jattn.errors import InputError

REQUIRED = object()
LARGEST = 1 << 24  # no size of a model is above this; one that is would only exhaust memory

# Bookkeeping, training and task heads: none of these changes what the model computes of a text.
HARMLESS = {
    *("architectures", "model_type", "_name_or_path", "transformers_version", "torch_dtype", "dtype", "use_cache"),
    *("bos_token_id", "eos_token_id", "pad_token_id", "unk_token_id", "sep_token_id", "cls_token_id", "mask_token_id"),
    *("decoder_start_token_id", "initializer_range", "gradient_checkpointing", "chunk_size_feed_forward"),
    *("return_dict", "output_hidden_states", "output_attentions", "task_specific_params", "problem_type"),
    *("id2label", "label2id", "num_labels", "classifier_dropout", "transformers.js_config", "is_llama_config"),
    *("attention_dropout", "hidden_dropout", "resid_pdrop", "embd_pdrop", "attn_pdrop", "n_ctx", "license"),
    *("hidden_dropout_prob", "attention_probs_dropout_prob", "router_aux_loss_coef", "output_router_logits"),
    *("summary_type", "summary_use_proj", "summary_activation", "summary_proj_to_labels", "summary_first_dropout"),
    *("reorder_and_upcast_attn", "_attn_implementation", "_attn_implementation_internal", "attn_implementation"),
    *("directionality", "pooler_fc_size", "pooler_num_attention_heads", "pooler_num_fc_layers", "pooler_size_per_head"),
    *("pooler_type", "unsloth_fixed", "unsloth_version", "finetuning_task", "initial_context_length"),
}


def shown(value: Any) -> str:
    """A value from a file, on one line and not too long."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _nested(values: Any) -> bool:
    """Whether a list holds lists or objects: nothing that is read here does."""
    return any(isinstance(v, list | dict) for v in values)


class Keys:
    """A config being read: `keys("hidden_size", int)` takes a value, `only` allows one, `done` refuses what is left."""

    def __init__(self, values: Any, where: str):
        if not isinstance(values, dict):
            raise InputError(f"{where}: expected an object of keys and values, got {type(values).__name__}")
        self.values, self.where = dict(values), where

    def __call__(self, name: str, kind: type, default: Any = REQUIRED, *, least: int = 1) -> Any:
        """The value of a key, of that kind; its default where it is absent or null."""
        value = self.values.pop(name, None)
        if value is None:
            if default is REQUIRED:
                raise InputError(f"{self.where}: {name!r} is missing; is the file complete?")
            return default
        if kind is float and type(value) is int and abs(value) <= 1 << 64:
            value = float(value)
        if type(value) is not kind or (kind is list and _nested(value)):
            raise InputError(f"{self.where}: {name!r} must be {kind.__name__}, got {shown(value)}")
        if kind is int and not least <= value <= LARGEST:
            raise InputError(
                f"{self.where}: {name!r} is {f'{value:,}'[:60]}; a size must be from {least} to {LARGEST:,}"
            )
        return value

    def only(self, name: str, *allowed: Any) -> None:
        """Refuse a key at any value but these, by name; absent and null are fine."""
        value = self.values.pop(name, None)
        if value is not None and value not in allowed:
            only = f", only {', '.join(map(repr, allowed))}" if allowed else ""
            raise InputError(f"{self.where}: {name!r} = {shown(value)} is not supported{only}")

    def done(self) -> None:
        """Refuse what nobody has read: a key that is not known might change the mathematics."""
        left = sorted(n for n, value in self.values.items() if n not in HARMLESS and value is not None)
        if left:
            some = ", ".join(f"{shown(n)} = {shown(self.values[n])}" for n in left[:3])
            more = f" and {len(left) - 3} more" if len(left) > 3 else ""
            raise InputError(
                f"{self.where}: {some}{more} is not known here and may change the model, so it is not ignored; "
                "this model is not supported as it is"
            )
