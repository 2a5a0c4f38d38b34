"""One task from demonstrations to candidates: test-time training, then answers through many views.

Executes one `Job` on a loaded base and says what it did; which job runs when and for how long is the scheduler's.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from solver.attempts import Candidate
from solver.augmentation import IDENTITY_COLOURS, Dihedral, Episode, Transform, View, random_colours, random_order
from solver.budget import Clock, Deadline
from solver.generation import Generated, greedy
from solver.grid import BLACK, MAX_SIDE, Grid
from solver.jobs import Job
from solver.model import Base, peak_memory
from solver.profiles import Profile
from solver.prompt import Encoded, fit_context
from solver.task import Query, Task
from solver.training import Stop, is_out_of_memory
from solver.ttt import Plan, TttReport, train

Emit = Callable[[Sequence[Candidate]], None]

DECODE_SHARE = 0.5
"""Test-time training leaves at least this fraction of a job's seconds, or what the views need, whichever is less."""


LARGEST = Grid(((BLACK,) * MAX_SIDE,) * MAX_SIDE)


@dataclass(slots=True)
class Pace:
    """How fast this process is, measured as it works: seconds per prompt token read and per decoding step."""

    per_prompt_token: float = 1e-4
    per_step: float = 2e-2

    def learn(self, prompt_tokens: int, prompt_seconds: float, steps: int, step_seconds: float) -> None:
        self.per_prompt_token += 0.3 * (prompt_seconds / max(1, prompt_tokens) - self.per_prompt_token)
        if steps:
            self.per_step += 0.3 * (step_seconds / steps - self.per_step)


@dataclass(slots=True)
class Solved:
    """What a job produced: candidates in the task's own frame, and an account of it."""

    candidates: list[Candidate] = field(default_factory=list)
    ttt: TttReport | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    views: int = 0
    planned_views: int = 0
    unparsed: int = 0
    peak_memory: int = 0
    notes: list[str] = field(default_factory=list)

    def ttt_json(self) -> dict[str, Any]:
        return {} if self.ttt is None else self.ttt.to_json()


def inference_views(task: Task, profile: Profile, seed: int) -> list[View]:
    """`profile.orders` rounds of all eight dihedral views with random colours and demonstration orders.

    The very first view is the task as it is.
    """
    rng = random.Random(f"{seed}:views")
    count = len(task.train)
    views = []
    for number in range(profile.orders):
        for dihedral in Dihedral:
            colours, order = random_colours(rng, profile.permute_black), random_order(rng, count)
            if not number and dihedral is Dihedral.IDENTITY:
                colours, order = IDENTITY_COLOURS, tuple(range(count))
            views.append(View(Transform(dihedral, colours), order))
    return views


def answer_limits(task: Task, query: Grid, profile: Profile) -> tuple[int, int]:
    """(expected, most) tokens of an answer, by the demonstrations' outputs, alone and relative to their inputs."""
    length = profile.format.answer_length
    largest = length(LARGEST)
    scaled = max(length(pair.output) / length(pair.input) for pair in task.train) * length(query)
    expected = min(largest, max(round(scaled), *(length(pair.output) for pair in task.train)))
    return expected, min(largest, 2 * expected + 16)


def solve(base: Base, job: Job, pace: Pace, emit: Emit, solved: Solved, clock: Clock = time.monotonic) -> None:
    """Trains on the task, then decodes views in batches until all are done or the job's time is over.

    Fills `solved` as it goes; `emit` gets each batch's candidates at once, so that a job cut short still counts.
    """
    deadline = Deadline(job.ends, clock)
    views = inference_views(job.task, base.profile, job.seed)
    began = clock()
    if job.ttt:
        reserve = _decode_seconds(base, job.task, len(views), pace)
        reserve = min(reserve, DECODE_SHARE * max(0.0, deadline.left()))
        solved.ttt = train(base, job.task, Plan(deadline.earlier(reserve), job.seed, job.steps), clock)
        solved.notes += solved.ttt.events
    else:
        base.reset()
        solved.ttt = TttReport(Stop.SKIPPED)
    trained = clock()
    with base.inference():
        _decode(base, job.task, views, deadline, pace, emit, solved, clock)
    solved.seconds = {"ttt": trained - began, "decode": clock() - trained}
    solved.peak_memory = peak_memory(base.device)


def _decode_seconds(base: Base, task: Task, views: int, pace: Pace) -> float:
    """Expected seconds to decode all views of all test inputs, with a margin."""
    total = 0.0
    for query in task.test_inputs:
        prompt = base.profile.format.length(Episode(task.train, query))
        expected, _ = answer_limits(task, query, base.profile)
        per_batch = max(1, base.profile.decode_tokens // (prompt + expected))
        batches = -(-views // min(per_batch, len(Dihedral)))
        total += views * prompt * pace.per_prompt_token + batches * expected * pace.per_step
    return 1.3 * total


def _decode(
    base: Base,
    task: Task,
    views: Sequence[View],
    deadline: Deadline,
    pace: Pace,
    emit: Emit,
    solved: Solved,
    clock: Clock,
) -> None:
    """Views by rounds of eight: every test input gets its first round before any gets its second."""
    rounds = [views[start : start + len(Dihedral)] for start in range(0, len(views), len(Dihedral))]
    solved.planned_views = len(views) * len(task.test_inputs)
    for some in rounds:
        for query in task.queries():
            _, most = answer_limits(task, task.test_inputs[query.index], base.profile)
            for batch in _batches(base, task, query, some, most, solved):
                if deadline.passed():
                    return
                answers = _answers(base, [prompt for _, prompt in batch], most, deadline, pace, solved, clock)
                found = _candidates(base, query, [view for view, _ in batch], answers, solved)
                solved.candidates += found
                emit(found)


def _batches(
    base: Base, task: Task, query: Query, views: Sequence[View], most: int, solved: Solved
) -> list[list[tuple[View, Encoded]]]:
    """The views' prompts, like lengths together, in batches that keep within the profile's decoding tokens."""
    profile = base.profile
    prompts: list[tuple[View, Encoded]] = []
    for view in views:
        episode = view.episode(task, task.test_inputs[query.index])
        fitting = fit_context(profile.format, episode, profile.context, answer_room=most)
        if fitting is None:
            # Which demonstration stays depends on the view's order, so other views may still fit.
            solved.notes.append(f"test input {query.index}: too long even with one demonstration")
            continue
        if len(fitting.demonstrations) < len(episode.demonstrations):
            dropped = len(episode.demonstrations) - len(fitting.demonstrations)
            solved.notes.append(f"test input {query.index}: {dropped} demonstrations dropped from a prompt")
        prompts.append((view, profile.format.encode(fitting)))
    prompts.sort(key=lambda item: len(item[1]))
    batches: list[list[tuple[View, Encoded]]] = []
    for item in prompts:
        room = len(item[1]) + most
        if batches and room * (len(batches[-1]) + 1) <= profile.decode_tokens:
            batches[-1].append(item)
        else:
            batches.append([item])
    return batches


def _answers(
    base: Base, prompts: list[Encoded], most: int, deadline: Deadline, pace: Pace, solved: Solved, clock: Clock
) -> list[Generated]:
    """Greedy answers; a batch that does not fit in memory is decoded in halves."""
    try:
        answers, timing = greedy(base, prompts, most, deadline, clock)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error) or len(prompts) == 1:
            raise
    else:
        pace.learn(sum(map(len, prompts)), timing.prompt, timing.steps, timing.answer)
        return answers
    # Not in the handler: while the error lives, so does all that the failed batch allocated.
    solved.notes.append(f"out of memory decoding {len(prompts)} views at once: halved")
    middle = len(prompts) // 2
    halves = (prompts[:middle], prompts[middle:])
    return [answer for half in halves for answer in _answers(base, half, most, deadline, pace, solved, clock)]


def _candidates(
    base: Base, query: Query, views: Sequence[View], answers: Sequence[Generated], solved: Solved
) -> list[Candidate]:
    found = []
    for view, answer in zip(views, answers, strict=True):
        solved.views += 1
        grid = base.profile.format.parse(answer.ids) if answer.complete else None
        if grid is None:
            solved.unparsed += 1
        else:
            found.append(Candidate(query, view.restore(grid), view=view, logprob=answer.logprob))
    return found
