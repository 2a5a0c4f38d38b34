"""One task from demonstrations to candidates: test-time training, answers through many views, scores where a vote wants
them.

Executes one `Job` on a loaded base and says what it did; which job runs when and for how long is the scheduler's.
"""

from __future__ import annotations

import time

from solver.account import Emit, Rate, Scores, Solved
from solver.answering import Answering
from solver.attempts import Channel
from solver.budget import Clock, Deadline
from solver.inference import inference_views, show
from solver.jobs import Job
from solver.model import Base, peak_memory
from solver.pace import Pace, decode_seconds, score_seconds
from solver.scoring import Scorer, most_supported
from solver.settings import SCORED_VOTES
from solver.training import Stop
from solver.ttt import Plan, TttReport, train

__all__ = ["Emit", "Pace", "Scores", "Solved", "solve"]

DECODE_SHARE = 0.5
"""Test-time training leaves at least this fraction of a job's seconds, or what the views need, whichever is less."""

SCORE_SHARE = 0.5
"""Of the seconds after training, at most this fraction is kept for scoring while views are decoded."""


def solve(
    base: Base,
    job: Job,
    pace: Pace,
    emit: Emit,
    rate: Rate,
    solved: Solved,
    clock: Clock = time.monotonic,
) -> None:
    """Trains on the task, then decodes views in batches until all are done or the job's time is over, then scores.

    Fills `solved` as it goes; `emit` gets each batch's candidates at once, so that a job cut short still counts, and
    `rate` each test input's scores.
    """
    deadline = Deadline(job.ends, clock)
    views = inference_views(job.task, base.profile, job.seed)
    began = clock()
    scoring = _scoring(base, job, len(views), pace)
    if job.ttt:
        reserve = decode_seconds(job.task, base.profile, len(views), job.manner.decode, pace) + scoring
        reserve = min(reserve, DECODE_SHARE * max(0.0, deadline.left()))
        solved.ttt = train(base, job.task, Plan(deadline.earlier(reserve), job.seed, job.steps), clock)
        solved.notes += solved.ttt.events
    else:
        base.reset()
        solved.ttt = TttReport(Stop.SKIPPED)
    trained = clock()
    solved.planned_views = len(views) * len(job.task.test_inputs)
    shown = show(job.task, views, base.profile, solved.notes.append)
    ends = deadline.earlier(min(scoring, SCORE_SHARE * max(0.0, deadline.left())))
    answering = Answering(base, job, shown, ends, pace, emit, solved, scoring > 0, clock)
    try:
        with base.inference():
            answering.run()
            decoded = clock()
            if scoring:
                _score(answering, deadline, rate)
    finally:
        solved.seconds = {"ttt": trained - began, "decode": clock() - trained}
    if scoring:
        solved.seconds |= {"decode": decoded - trained, "score": clock() - decoded}
    solved.peak_memory = peak_memory(base.device)


def _scoring(base: Base, job: Job, views: int, pace: Pace) -> float:
    """Seconds to set aside for scoring: none for votes that do without."""
    if job.manner.vote not in SCORED_VOTES:
        return 0.0
    return score_seconds(job.task, base.profile, views, pace)


def _score(answering: Answering, deadline: Deadline, rate: Rate) -> None:
    """Scores what all passes over the task have found, test input by test input, each in its share of the time."""
    base, job, solved, clock = answering.base, answering.job, answering.solved, answering.clock
    queries = job.task.queries()
    for number, query in enumerate(queries):
        scorer = Scorer(base.profile, answering.readings, query.index, answering.pace, solved.notes.append, clock)
        share = Deadline(clock() + max(0.0, deadline.left()) / (len(queries) - number), clock)
        candidates = [one for one in (*job.known, *solved.candidates) if one.query == query]
        said = [one for one in candidates if one.channel is Channel.MODEL]
        found = scorer.score(most_supported(said, base.profile.decoding.scored), share)
        answering.pace.candidates_of(len({one.grid for one in said}))
        solved.decoding.score_passes += scorer.passes
        if found:
            solved.decoding.scored += len(found)
            solved.decoding.score_views += len(scorer.shown)
            solved.rate({query: found})
            rate({query: found})
