"""Votes: ranks the candidates of one query, and turns a ranking into two attempts that always differ.

Counts grids, never their texts. Knows nothing of models, of how programs are judged, or of solutions.
"""

from solver.voting.choosing import choose, fallback, fallback_grids, predicted_shape
from solver.voting.counting import PICKS, flat_vote, hierarchical_vote
from solver.voting.experts import poe_counts_vote, poe_vote
from solver.voting.majority import Ballot, majority_grids
from solver.voting.support import Support, support_of

__all__ = [
    "PICKS",
    "Ballot",
    "Support",
    "choose",
    "fallback",
    "fallback_grids",
    "flat_vote",
    "hierarchical_vote",
    "majority_grids",
    "poe_counts_vote",
    "poe_vote",
    "predicted_shape",
    "support_of",
]
