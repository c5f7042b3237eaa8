"""Make the embedded model from nothing but a seed: tokenizer, pretraining, `data/tiny/`.

    python data/build_tiny.py [--work FOLDER]     resumable; the last checkpoint lies in FOLDER

A Llama of 3.5M parameters (hidden 256, 4 layers, FFN 768, tied embeddings) on the dialogues of `tiny_dialogues.py`, loss on the
assistant's own turns, failed attempts included (without them it fakes its sums). The tokenizer is a byte-level BPE whose merges
may cross words, digits always single: the sentences it was made for take one token each, so an episode is about 110 tokens.
Needs torch and transformers (the `dev` extra); the package itself does not.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import torch
from tiny_dialogues import STAGES, SUMS, Message, draw_dialogue
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.nn.functional import cross_entropy
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from rrr_local.episode import Split
from rrr_local.tasks.countdown import Countdown

SEED = 20250524
HERE = Path(__file__).parent
END, PAD = "<|end|>", "<|pad|>"
ROLES = ("system", "user", "assistant")
TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
VOCABULARY = 1024
BATCH = 96
"""Dialogues a batch."""
POOL = 8
"""Batches that are cut from one pool of dialogues, by length."""
LEARNING_RATE = {"muon": 0.02, "adam": 2e-3}


def build_tokenizer() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.Split(Regex(r"\. "), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[END, PAD, *(f"<|{role}|>" for role in ROLES)],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    rng = random.Random(SEED)
    sample = [draw_dialogue(rng, SUMS) for _ in range(20_000)]
    tokenizer.train_from_iterator((m["content"] for messages in sample for m in messages), trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END, pad_token=PAD)
    fast.chat_template = TEMPLATE
    return fast


def build_model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    torch.manual_seed(SEED)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=256,
        intermediate_size=768,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(config)


def render(messages: list[Message]) -> str:
    return "".join(f"<|{m['role']}|>{m['content']}{END}" for m in messages)


def batches(
    tokenizer: PreTrainedTokenizerFast, seed: int, held_out: set[str], start: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Endless (tokens, targets) from batch `start` on, both (rows, length); targets are -100 outside the assistant's turns.

    Dialogues are cut into batches by length, a pool at a time, so that little is padded.
    """
    assistant = tokenizer.convert_tokens_to_ids("<|assistant|>")
    shuffle = torch.Generator().manual_seed(seed)
    rng = random.Random(seed)
    for first in count(step=POOL):
        stage = next((s for s in STAGES if first < s.until), STAGES[-1])
        texts = [render(draw_dialogue(rng, stage, held_out)) for _ in range(POOL * BATCH)]
        order = torch.randperm(POOL, generator=shuffle).tolist()
        if first + POOL <= start:
            continue
        rows = sorted((torch.tensor(ids) for ids in tokenizer(texts)["input_ids"]), key=len)
        for i in order[max(0, start - first) :]:
            padded = torch.nn.utils.rnn.pad_sequence(rows[i * BATCH : (i + 1) * BATCH], True, tokenizer.pad_token_id)
            tokens, targets = padded[:, :-1], padded[:, 1:].clone()
            targets[~spoken(tokens, assistant, tokenizer.eos_token_id)] = -100
            yield tokens, targets


def spoken(tokens: torch.Tensor, assistant: int, end: int) -> torch.Tensor:
    """Where the *next* token is the assistant's own: from its role token up to, not including, its end token."""
    opened = (tokens == assistant).cumsum(1)
    position = torch.arange(tokens.shape[1]).expand_as(tokens)
    last_open = torch.where(tokens == assistant, position, -1).cummax(1).values
    last_end = torch.where(tokens == end, position, -1).cummax(1).values
    return (opened > 0) & (last_open > last_end)


def build_optimizers(model: LlamaForCausalLM) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the layers, Adam for embeddings and norms."""
    inside = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n]
    others = [p for n, p in model.named_parameters() if p.ndim != 2 or "embed" in n]
    return [
        torch.optim.Muon(inside, lr=LEARNING_RATE["muon"], weight_decay=0.01, adjust_lr_fn="original"),
        torch.optim.Adam(others, lr=LEARNING_RATE["adam"], betas=(0.9, 0.95)),
    ]


def learning_rate(step: int, steps: int) -> float:
    """Share of the full rate: 100 steps up, then a cosine down to 1 %."""
    return min(1.0, (step + 1) / 100) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / steps)))


def train(tokenizer: PreTrainedTokenizerFast, work: Path) -> LlamaForCausalLM:
    task = Countdown("countdown", HERE / "countdown", "countdown")
    held_out = {p.sha256 for split in (Split.TRAIN, Split.EVAL) for p in task.problems(split)}
    steps = STAGES[-1].until
    model = build_model(tokenizer)
    optimizers = build_optimizers(model)
    start, checkpoint = 0, work / "checkpoint.pt"
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        start = saved["step"]
        model.load_state_dict(saved["model"])
        for optimizer, state in zip(optimizers, saved["optimizers"], strict=True):
            optimizer.load_state_dict(state)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model.to(device).train()
    began, seen = time.time(), 0
    for step, (tokens, targets) in enumerate(batches(tokenizer, SEED, held_out, start), start):
        if step == steps:
            return model
        for optimizer, kind in zip(optimizers, ("muon", "adam"), strict=True):
            for group in optimizer.param_groups:
                group["lr"] = LEARNING_RATE[kind] * learning_rate(step, steps)
        with torch.autocast(device, torch.bfloat16):
            logits = model(tokens.to(device)).logits
        loss = cross_entropy(logits.flatten(0, 1).float(), targets.to(device).flatten(), ignore_index=-100)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        seen += tokens.numel()
        if step % 50 == 0:
            print(
                json.dumps({"step": step, "loss": round(loss.item(), 4), "tok_s": round(seen / (time.time() - began))}),
                flush=True,
            )
        if step % 250 == 249:
            saved = {"step": step + 1, "model": model.state_dict(), "optimizers": [o.state_dict() for o in optimizers]}
            torch.save(saved, checkpoint.with_suffix(".tmp"))
            checkpoint.with_suffix(".tmp").replace(checkpoint)
            save(model, tokenizer, work / "tiny")
    raise AssertionError("the stream is endless")


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """float16 weights, configuration and tokenizer in Hugging Face layout."""
    half = build_model(tokenizer).half()
    half.load_state_dict(model.state_dict())
    half.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("build/tiny"), help="where the resumable checkpoint lies")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    tokenizer = build_tokenizer()
    save(train(tokenizer, args.work), tokenizer, HERE / "tiny")


if __name__ == "__main__":
    main()
