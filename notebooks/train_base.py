"""Training a base from scratch: tasks, training, its curve, and a dry run with it.

A percent script; `python kaggle/percent.py notebooks/train_base.py train_base.ipynb` makes a notebook of it.
"""

# %% [markdown]
# # Training a base
#
# The embedded base has 2.7 million parameters and was trained by this kit on a CPU. The same commands train another
# one: wider on a GPU, or on more tasks. Evaluation tasks are never trained on; the command checks that by content.

# %%
import os
import sys
from pathlib import Path

HERE = next(place for place in (Path.cwd(), *Path.cwd().parents) if (place / "submission.py").exists())
sys.path[:0] = [str(HERE), str(HERE / "notebooks")]

import json
import zipfile

import matplotlib.pyplot as plt
from drawing import OUT, SAMPLE, call, draw_task, show

from solver.journal import JOURNAL
from solver.profiles import NATIVE_FOLDER
from solver.task import parse_task

COUNT = 6 if SAMPLE else 2000
# Archives named here are trained on as well: RE-ARC's re_arc.zip, further tasks in mini_arc/ and 1d_arc/.
RE_ARC, EXTRA = os.environ.get("RE_ARC"), os.environ.get("EXTRA_TASKS")
SETTINGS = ("tokens=4e3", "width=64", "layers=1", "step_tokens=1024", "micro_tokens=1024", "warmup_steps=2")
LIMIT = "30m"
if not SAMPLE:
    SETTINGS, LIMIT = ("tokens=4e6",), "30m"
RUN, BASE, TASKS = OUT / "train_base", OUT / "train_base" / "base", OUT / "synthetic.zip"

# %% [markdown]
# ## Synthetic tasks
#
# Random programs of the search's own language, on known inputs and drawn ones.

# %%
OUT.mkdir(parents=True, exist_ok=True)
call("-m", "solver", "make-tasks", "--count", COUNT, "--out", TASKS)
with zipfile.ZipFile(TASKS) as archive:
    names = [name for name in sorted(archive.namelist()) if name.endswith(".json")]
    print(len(names), "tasks")
    for name in names[:2]:
        pairs = json.loads(archive.read(name))
        pairs = pairs if isinstance(pairs, list) else pairs["train"]
        task = parse_task(Path(name).stem, {"train": pairs[:4], "test": pairs[4:5] or pairs[:1]}, name)
        show(draw_task(task), f"synthetic_{task.id}")

# %% [markdown]
# ## Training
#
# It ends at the planned tokens or at the time limit, whichever comes first, and goes on with `--resume`.

# %%
sources = [word for name, path in (("--re-arc", RE_ARC), ("--extra", EXTRA)) if path for word in (name, path)]
settings = [word for setting in SETTINGS for word in ("--set", setting)]
RESUME = ("--resume",) if (RUN / "log.jsonl").exists() else ()
call(
    *("-m", "solver", "train-base", "--run-dir", RUN, "--out", BASE, "--synthetic", TASKS, "--time-limit", LIMIT),
    *(*sources, *settings, *RESUME),
)

# %% [markdown]
# ## The curve, beside the embedded base's own
#
# Lines: the training mixture, some tens of seconds of it per point. Diamonds: demonstrations of ARC-AGI-1's evaluation
# tasks, which are never trained on; their loss is measured, nothing is chosen by it.


# %%
def read_log(file):
    return [json.loads(line) for line in file.read_text().splitlines()]


figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
logs = {"this base": RUN / "log.jsonl", "the embedded base": NATIVE_FOLDER / "training_log.jsonl"}
for name, file in logs.items():
    if file.exists():
        log = read_log(file)
        steps, measured = ([entry for entry in log if kind in entry] for kind in ("loss", "evaluation_loss"))
        (line,) = axes.plot([e["tokens"] for e in steps], [e["loss"] for e in steps], marker=".", label=name)
        axes.scatter(
            [e["tokens"] for e in measured],
            [e["evaluation_loss"] for e in measured],
            marker="D",
            edgecolors="black",
            color=line.get_color(),
            label=f"{name}, on demonstrations of evaluation tasks",
            zorder=3,
        )
axes.set_xscale("log")
axes.set_yscale("log")
axes.set_xlabel("training tokens")
axes.set_ylabel("loss (nats per target token)")
axes.grid(alpha=0.3)
axes.legend()
show(figure, "training_curve")

# %% [markdown]
# ## A dry run with it
#
# Any folder in transformers' layout with the kit's own vocabulary is a base.

# %%
if BASE.exists():
    run_dir = OUT / "train_base_dry_run"
    (run_dir / JOURNAL).unlink(missing_ok=True)
    call(
        *("submission.py", "--split", "arc1-training", "--task-ids", "0ca9ddb6,25ff71a9", "--channels", "ttt"),
        *(
            "--base",
            BASE,
            "--time-budget",
            "40s" if SAMPLE else "2m",
            "--passes",
            1,
            "--ttt-steps",
            2 if SAMPLE else 60,
        ),
        *("--run-dir", run_dir, "--output", run_dir / "submission.json"),
    )
else:
    print("the training has not come to its end yet: call it again with --resume")
