"""How fast this process is, measured as it works, and what that makes of the seconds to come. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from solver.augmentation import Dihedral, Episode
from solver.inference import answer_limits
from solver.profiles import Decode, Profile
from solver.task import Task

MARGIN = 1.3
"""Of the seconds expected for decoding and scoring, how many are set aside."""

LEARNING = 0.3
"""Weight of the newest measurement; the first counts alone where what is measured is the machine."""


@dataclass(slots=True)
class Pace:
    """Seconds per prompt token read, per sequential decoding pass, and per answer token scored; sequential passes per
    answer token, with drafts and in a search; candidates to be scored for a test input. measured: names of the speeds
    that are no longer guesses."""

    per_prompt_token: float = 1e-4
    per_step: float = 2e-2
    per_scored_token: float = 1e-4
    drafted: float = 1.0
    searched: float = 2.0
    candidates: float = 4.0
    measured: set[str] = field(default_factory=set)

    def _measure(self, name: str, value: float) -> None:
        """A speed was measured: it moves towards that, or is that."""
        before = getattr(self, name) if name in self.measured else value
        self.measured.add(name)
        setattr(self, name, before + LEARNING * (value - before))

    def read(self, tokens: int, seconds: float) -> None:
        self._measure("per_prompt_token", seconds / max(1, tokens))

    def wrote(self, steps: int, seconds: float) -> None:
        if steps:
            self._measure("per_step", seconds / steps)

    def followed(self, steps: int, tokens: int) -> None:
        """A batch with drafts took so many passes for answers of so many tokens at most."""
        self.drafted += LEARNING * (min(1.0, steps / max(1, tokens)) - self.drafted)

    def sought(self, steps: int, tokens: int) -> None:
        """The same for a search."""
        self.searched += LEARNING * (steps / max(1, tokens) - self.searched)

    def candidates_of(self, count: int) -> None:
        """A test input had so many distinct candidates."""
        self.candidates += LEARNING * (count - self.candidates)

    def scored(self, tokens: int, seconds: float) -> None:
        self._measure("per_scored_token", seconds / max(1, tokens))


def expected(profile: Profile) -> Pace:
    """Before anything is measured: that of a small base on a CPU's core, or of a large one on a small GPU. To set aside
    too much costs the first task some training, too little its answers."""
    return Pace() if profile.small else Pace(per_prompt_token=1e-3, per_step=0.3, per_scored_token=1e-3)


def decode_seconds(task: Task, profile: Profile, views: int, decode: Decode, pace: Pace) -> float:
    """Expected seconds to decode all views of all test inputs, with a margin.

    Demonstrations are read once for all test inputs; from the second batch on there are drafts. What stopping early
    saves is not counted on.
    """
    fmt = profile.format
    copies = profile.decoding.samples if decode is Decode.SAMPLE else 1
    total = read = 0.0
    for query in task.test_inputs:
        prompt = fmt.length(Episode(task.train, query))
        own = fmt.answer_length(query)
        read = max(read, prompt - own)
        expected, _ = answer_limits(task, query, profile)
        per_batch = max(1, profile.decode_tokens // (prompt + copies * expected))
        batches = -(-views // min(per_batch, len(Dihedral)))
        per_token = 1 + (batches - 1) * (1.0 if decode is Decode.SAMPLE else pace.drafted)
        if decode is Decode.DFS:
            per_token += batches * pace.searched
        total += views * own * pace.per_prompt_token + per_token * expected * pace.per_step
    return MARGIN * (total + views * read * pace.per_prompt_token)


def score_seconds(task: Task, profile: Profile, views: int, pace: Pace) -> float:
    """Expected seconds to score the candidates for every test input under so many views, with a margin."""
    expected = sum(answer_limits(task, query, profile)[0] for query in task.test_inputs)
    candidates = min(profile.decoding.scored, pace.candidates)
    return MARGIN * candidates * views * expected * pace.per_scored_token
