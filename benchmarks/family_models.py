"""A model of a family on disk, in Hugging Face layout, with random weights and a small tokenizer."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.family_configs import Family

NO_TEMPLATE = (
    "{% for m in messages %}{{ m['role'] + '\n' + m['content'] + eos_token + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant\n' }}{% endif %}"
)
"""Where the family's own is not at hand, so that the rest can be measured; it says nothing of the family's."""
FIRST_ID = 300
"""Of the tokens that are not control tokens; below are those that some families have first."""
TEXTS = (
    "Using the numbers 3, 7 and 18, each at most once, find an expression that makes 39.",
    "system user assistant model available tools Be brief. The sum is 28. I should start with 3 * 7 = 21.",
)


def write_model(family: Family, folder: Path, templates: Path, quantised: bool) -> None:
    """Make the family's folder as the hub has it."""
    import mlx.core as mx
    from mlx.utils import tree_flatten, tree_map
    from mlx_lm.utils import _get_classes, quantize_model

    config = dict(family.config)
    kind, arguments = _get_classes(config=config)
    mx.random.seed(0)
    model = kind(arguments.from_dict(config))
    model.update(tree_map(lambda p: p.astype(mx.bfloat16), model.parameters()))
    if quantised:
        model, config = quantize_model(model, config, group_size=64, bits=4)
    weights = dict(tree_flatten(model.parameters()))
    if config.get("tie_word_embeddings", True):  # mlx-lm's Gemma makes an output layer where the file has one
        weights = {name: array for name, array in weights.items() if not name.startswith("lm_head.")}
    mx.save_safetensors(str(folder / "model.safetensors"), weights, {"format": "mlx"})
    (folder / "config.json").write_text(json.dumps(config))
    if family.stop is not None:
        (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": list(family.stop)}))
    write_tokenizer(family, folder)
    own = templates / f"{family.template}.jinja"
    template = own.read_text(encoding="utf-8") if own.is_file() else NO_TEMPLATE
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")


def write_tokenizer(family: Family, folder: Path) -> None:
    """A byte-level BPE tokenizer of a few hundred tokens, with the family's added tokens at their own ids."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=500, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS * 9, trainer)
    made = json.loads(tokenizer.to_str())
    added = {**family.special, **(family.words or {})}
    made["model"]["vocab"] = {token: FIRST_ID + i for token, i in made["model"]["vocab"].items()} | added
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    made["added_tokens"] = [
        {"id": i, "content": token, **plain, "special": token in family.special}
        for token, i in sorted(added.items(), key=lambda item: item[1])
    ]
    (folder / "tokenizer.json").write_text(json.dumps(made))
    about = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": family.bos, "eos_token": family.eos}
    (folder / "tokenizer_config.json").write_text(json.dumps(about))
