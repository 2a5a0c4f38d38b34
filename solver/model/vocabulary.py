"""A model cut to some of its tokens: fewer embeddings, a smaller head, and a softmax over what can be said.

After Franzen et al. 2025, "Product of Experts with LLMs: Boosting Performance on ARC Is a Matter of Perspective", its
reduced vocabulary. What a token means stays as it was; of the logits, those of the other tokens are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from solver.model.quantizing import dense


def cut_vocabulary(lm: Any, table: Sequence[int]) -> None:
    """Token number i becomes what token `table[i]` was, in place; a token may be named twice."""
    embedding, head = lm.get_input_embeddings(), lm.get_output_embeddings()
    tied = head.weight is embedding.weight
    chosen = torch.tensor(table, device=embedding.weight.device)
    width = embedding.weight.shape[1]
    cut = nn.Embedding(len(table), width, device="meta")
    cut.weight = nn.Parameter(embedding.weight.data[chosen].clone(), requires_grad=False)
    lm.set_input_embeddings(cut)
    rows = cut.weight if tied else nn.Parameter(dense(head.weight)[chosen].clone(), requires_grad=False)
    small = nn.Linear(width, len(table), bias=head.bias is not None, device="meta")
    small.weight = rows
    if head.bias is not None:
        small.bias = nn.Parameter(head.bias.data[chosen].clone(), requires_grad=False)
    lm.set_output_embeddings(small)
    lm.config.vocab_size = lm.vocab_size = len(table)
