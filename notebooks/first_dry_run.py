"""A first dry run: what the tasks look like, what was answered, and what test-time training changed.

A percent script: run it as it is, open it in an editor that knows `# %%`, or make a notebook of it:
`python kaggle/percent.py notebooks/first_dry_run.py first_dry_run.ipynb`.
"""

# %% [markdown]
# # A first dry run
#
# A few labelled tasks of ARC-AGI-1's evaluation set, solved with the embedded base on whatever this machine has.
# Solutions are shown and scored here; the solver never sees them.

# %%
import sys
from pathlib import Path

HERE = next(place for place in (Path.cwd(), *Path.cwd().parents) if (place / "submission.py").exists())
sys.path[:0] = [str(HERE), str(HERE / "notebooks")]

import matplotlib.pyplot as plt
from drawing import OUT, RIGHT, SAMPLE, WRONG, call, draw_answers, draw_task, first_records, show

from solver.attempts import read_submission
from solver.evaluation import split_solutions
from solver.journal import JOURNAL
from solver.task import Query, read_split

SPLIT = "arc1-evaluation"
# Small grids, so that a few minutes suffice; 3b4c2228 has two test inputs.
TASK_IDS = (
    ("e133d23d", "66e6c45b") if SAMPLE else ("e133d23d", "66e6c45b", "be03b35f", "1a2e2828", "3b4c2228", "60c09cac")
)
BUDGET, UNTRAINED_BUDGET, STEPS = ("30m", "30m", ("--ttt-steps", 3)) if SAMPLE else ("4m", "2m", ())
TASKS = {task.id: task for task in read_split(SPLIT) if task.id in TASK_IDS}
TRUTH = split_solutions(SPLIT)

# %% [markdown]
# ## The tasks
#
# Each demonstration is an input with its output; the same rule turns the test input into the answer.

# %%
for task_id in TASK_IDS[:2]:
    show(draw_task(TASKS[task_id]), f"task_{task_id}")

# %% [markdown]
# ## The run
#
# `submission.py` as on Kaggle, here with the model alone: one adapter is trained on each task's own demonstrations,
# then the test inputs are answered through many views, which vote.

# %%
RUN, UNTRAINED = OUT / "first_dry_run", OUT / "first_dry_run_untrained"
COMMON = ("--split", SPLIT, "--task-ids", ",".join(TASK_IDS), "--channels", "ttt", "--base", "native", "--passes", 1)


def solve(run_dir, budget, *words):
    output = run_dir / "submission.json"
    (run_dir / JOURNAL).unlink(missing_ok=True)
    call("submission.py", *COMMON, "--run-dir", run_dir, "--output", output, "--time-budget", budget, *words)
    return read_submission(output)


trained = solve(RUN, BUDGET, *STEPS)

# %% [markdown]
# The same tasks without training, through the same views:

# %%
untrained = solve(UNTRAINED, UNTRAINED_BUDGET, "--no-ttt")

# %% [markdown]
# ## Attempts, and what training changed
#
# The score counts a test output as solved when either attempt is right.

# %%
for task_id, task in sorted(TASKS.items()):
    queries = [Query(task_id, index) for index in range(len(task.test_inputs))]
    answers = {
        "untrained, first attempt": [untrained[query].first for query in queries],
        "trained, first attempt": [trained[query].first for query in queries],
        "trained, second attempt": [trained[query].second for query in queries],
    }
    show(draw_answers(f"task {task_id}", TRUTH[task_id], answers), f"answers_{task_id}")

# %% [markdown]
# The loss is measured on the leave-one-out tasks that the training is made of, without any augmentation: each
# demonstration is asked for, given the others. Steps are those that were really executed.

# %%
records = first_records(RUN)
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
names = [task_id for task_id in TASK_IDS if task_id in records and records[task_id].ttt.get("loss_after") is not None]
for number, task_id in enumerate(names):
    before, after = records[task_id].ttt["loss_before"], records[task_id].ttt["loss_after"]
    left.plot([before, after], [number, number], color="#999999", zorder=1)
    left.scatter([before], [number], color=WRONG, label="before" if not number else None, zorder=2)
    left.scatter([after], [number], color=RIGHT, label="after" if not number else None, zorder=2)
    right.plot(records[task_id].ttt["losses"], label=f"{task_id}, {records[task_id].ttt['executed']} steps")
left.set_yticks(range(len(names)), names)
left.set_ylim(-0.6, max(1, len(names)) - 0.4)
left.set_xlim(left=0)
left.set_xlabel("nats per target token")
left.set_title("Leave-one-out loss before and after training")
right.set_yscale("log")
right.set_xlabel("step")
right.set_ylabel("nats per target token")
right.set_title("Loss of each training step")
for axes in (left, right):
    axes.grid(alpha=0.3)
    if names:
        axes.legend(fontsize=8, loc="best" if axes is right else "center", framealpha=0.9)
show(figure, "what_training_changed")

# %% [markdown]
# How many of a task's views gave the right answer, the measure that votes depend on:

# %%
COUNTS = {"untrained": first_records(UNTRAINED), "trained": records}
figure, axes = plt.subplots(figsize=(8, 3.6), layout="constrained")
for offset, (name, found) in enumerate(COUNTS.items()):
    shares = []
    for task_id in TASK_IDS:
        said = found[task_id].candidates if task_id in found else ()
        hits = sum(one.grid == TRUTH[task_id][one.query.index] for one in said)
        shares.append(100 * hits / len(said) if said else 0.0)
    places = [number + 0.4 * offset - 0.2 for number in range(len(TASK_IDS))]
    bars = axes.bar(places, shares, width=0.38, label=name, color=(WRONG, RIGHT)[offset])
    axes.bar_label(bars, fmt="%.0f", fontsize=8)
axes.set_xticks(range(len(TASK_IDS)), TASK_IDS)
axes.set_ylabel("views with the right answer (%)")
axes.set_ylim(0, 108)
axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
show(figure, "views_right")
