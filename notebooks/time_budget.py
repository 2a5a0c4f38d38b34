"""Tuning the time budget: what seconds buy the program search and test-time training, and what a Kaggle run has.

A percent script; `python kaggle/percent.py notebooks/time_budget.py time_budget.ipynb` makes a notebook of it.
"""

# %% [markdown]
# # What seconds buy
#
# A competition run has a fixed number of hours for an unknown number of tasks. Tune on ARC-AGI-1's *training* set: what
# is chosen by looking at scores there can still be measured honestly on the evaluation set.

# %%
import sys
from pathlib import Path

HERE = next(place for place in (Path.cwd(), *Path.cwd().parents) if (place / "submission.py").exists())
sys.path[:0] = [str(HERE), str(HERE / "notebooks")]

from statistics import fmean

import matplotlib.pyplot as plt
from drawing import OUT, SAMPLE, call, first_records, show

from solver import tune
from solver.attempts import read_submission
from solver.evaluation import restrict, score, split_solutions
from solver.history import finished_searches
from solver.journal import JOURNAL, read_journal
from solver.preflight.machines import MACHINES

SPLIT = "arc1-training"
SEARCHED, SEARCH_SECONDS, SEARCH_BUDGET = (2, "2s", "30m") if SAMPLE else (40, "20s", "12m")
TRAINED = (
    ("0ca9ddb6", "25ff71a9") if SAMPLE else ("0ca9ddb6", "25ff71a9", "a85d4709", "d511f180", "794b24be", "3c9b0459")
)
STEPS = (1, 4) if SAMPLE else (1, 4, 16, 64)
TRUTH = split_solutions(SPLIT)


def fresh(name):
    """A run's folder without an earlier journal."""
    folder = OUT / name
    (folder / JOURNAL).unlink(missing_ok=True)
    return folder


# %% [markdown]
# ## The program search
#
# One run with a generous limit is enough: every answer is stored with the second at which it was found, so what a
# shorter limit would have scored can be read from the journal. (`python -m solver tune RUN_DIR` draws the same.)

# %%
run_dir = fresh("budget_search")
call(
    *("submission.py", "--split", SPLIT, "--limit", SEARCHED, "--channels", "search"),
    *("--search-seconds", SEARCH_SECONDS, "--time-budget", SEARCH_BUDGET),
    *("--run-dir", run_dir, "--output", run_dir / "submission.json"),
)
searches = [*finished_searches(read_journal(run_dir / JOURNAL)).values()]
points = tune.curve(searches, TRUTH)
figure, axes = plt.subplots(figsize=(6.4, 4.0), layout="constrained")
axes.plot([point.limit for point in points], [100 * point.score for point in points], marker="o")
axes.set_xscale("log")
axes.xaxis.set_major_formatter("{x:g}")
axes.set_ylim(0, 105)
axes.set_xlabel("CPU seconds a task, at most")
axes.set_ylabel("score, two attempts (%)")
axes.set_title(f"Program search alone, {len(searches)} training tasks")
axes.grid(alpha=0.3)
show(figure, "budget_search")

# %% [markdown]
# ## Test-time training
#
# The same tasks with more and more steps, exactly so many: the budget is only an upper bound here. Loss alone does not
# tell: it can fall to zero while the views agree less. So see how many views are right, and the seconds.

# %%
rows = []
for steps in STEPS:
    run_dir = fresh(f"budget_steps_{steps}")
    output = run_dir / "submission.json"
    call(
        *("submission.py", "--split", SPLIT, "--task-ids", ",".join(TRAINED), "--channels", "ttt", "--base", "native"),
        *("--ttt-steps", steps, "--time-budget", "30m", "--run-dir", run_dir, "--output", output),
    )
    records = first_records(run_dir).values()
    said = [one for record in records for one in record.candidates]
    rows.append(
        {
            "steps": steps,
            "loss": fmean(record.ttt["loss_after"] for record in records if record.ttt.get("loss_after") is not None),
            "right": fmean(one.grid == TRUTH[one.query.task_id][one.query.index] for one in said),
            "seconds": fmean(sum(record.seconds.values()) for record in records),
            "score": score(restrict(TRUTH, TRAINED), read_submission(output)).mean_fraction,
        }
    )

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
left.plot([row["steps"] for row in rows], [row["loss"] for row in rows], marker="o", color="#b3261e")
left.set_xscale("log")
left.set_xticks([row["steps"] for row in rows], [row["steps"] for row in rows])
left.minorticks_off()
left.set_ylim(0, 1.1 * max(row["loss"] for row in rows))
left.set_xlabel("steps of training")
left.set_ylabel("leave-one-out loss after it (nats per token)")
right.plot([row["seconds"] for row in rows], [100 * row["right"] for row in rows], marker="o", label="views right")
right.plot(
    [row["seconds"] for row in rows], [100 * row["score"] for row in rows], marker="s", linestyle="--", label="score"
)
right.set_ylim(0, 105)
right.set_xlabel("seconds a task, decoding included")
right.set_ylabel("%")
right.legend()
for axes in (left, right):
    axes.grid(alpha=0.3)
figure.suptitle(f"{len(TRAINED)} training tasks, the embedded base on this machine")
show(figure, "budget_steps")

# %% [markdown]
# ## What a competition run has
#
# Seconds of one GPU for each of 240 hidden tasks, if a run of 11.5 hours spends all of its time on them. Choose a
# number of steps whose seconds, measured on that GPU, stay below this: what is left over goes to further passes.

# %%
print(f"{'machine':16} {'GPUs':>4} {'seconds a task':>15} {'GPU hours charged':>18}")
for machine in MACHINES.values():
    print(f"{machine.name:16} {machine.gpus:4} {11.5 * 3600 * machine.gpus / 240:15.0f} {11.5 * machine.charge:18.1f}")
