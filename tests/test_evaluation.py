from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solver.attempts import Attempts, Candidate
from solver.evaluation import Hits, Solutions, hits, read_solutions, recall, restrict, score, split_solutions
from solver.grid import Grid, InputError
from solver.task import Query, read_split
from tests.strategies import grids

A, B, C = (Grid(((colour,),)) for colour in range(3))
SOLUTIONS: Solutions = {"one": (A,), "two": (A, B), "three": (A, B, C)}


def save(path: Path, value: object) -> Path:
    path.write_text(json.dumps(value))
    return path


class TestScore:
    def test_three_scores(self) -> None:
        answers = {
            Query("one", 0): Attempts(B, A),
            Query("two", 0): Attempts(A, B),
            Query("two", 1): Attempts(C, A),
            Query("three", 0): Attempts(B, C),
        }
        scores = score(SOLUTIONS, answers)
        assert scores.fractions == {"one": 1.0, "two": 0.5, "three": 0.0}
        assert scores.mean_fraction == 0.5
        assert scores.flat == 2 / 6
        assert scores.strict == 1 / 3
        assert (scores.tasks, scores.solved_tasks, scores.outputs, scores.solved_outputs) == (3, 1, 6, 2)

    def test_leaving_tasks_out_does_not_raise_the_score(self) -> None:
        scores = score(SOLUTIONS, {Query("one", 0): Attempts(A, B)})
        assert scores.mean_fraction == scores.strict == 1 / 3
        assert score(SOLUTIONS, {}).mean_fraction == 0

    def test_answers_to_unknown_queries_change_nothing(self) -> None:
        extra = {Query("four", 0): Attempts(A, B), Query("one", 1): Attempts(A, B)}
        assert score(SOLUTIONS, extra) == score(SOLUTIONS, {})

    def test_nothing_to_score_against(self) -> None:
        with pytest.raises(ValueError, match="no solutions"):
            score({}, {})

    @settings(max_examples=80)
    @given(data=st.data())
    def test_bounds_and_agreement(self, data: st.DataObject) -> None:
        solutions = data.draw(
            st.dictionaries(st.text(max_size=3), st.lists(grids(2), min_size=1, max_size=3).map(tuple), min_size=1)
        )
        queries = [Query(task_id, index) for task_id, outputs in solutions.items() for index in range(len(outputs))]
        right = {query: Attempts(C, solutions[query.task_id][query.index]) for query in queries}
        full = score(solutions, right)
        assert full.mean_fraction == full.flat == full.strict == 1
        some = score(solutions, {query: right[query] for query in data.draw(st.sets(st.sampled_from(queries)))})
        assert 0 <= some.strict <= some.mean_fraction <= 1
        assert some.solved_tasks <= some.solved_outputs <= some.outputs
        assert list(some.fractions) == list(solutions)

    def test_recall_asks_whether_the_answer_was_ever_proposed(self) -> None:
        proposed = [Candidate(Query("two", 0), grid) for grid in (C, B, A)] + [Candidate(Query("two", 1), C)]
        scores = recall(SOLUTIONS, proposed)
        assert scores.fractions == {"one": 0.0, "two": 0.5, "three": 0.0}
        assert scores.solved_outputs == 1


class TestHits:
    def test_first_and_either_attempt(self) -> None:
        one, two, three = Query("one", 0), Query("two", 0), Query("two", 1)
        answers = {one: Attempts(B, A), two: Attempts(A, B), three: Attempts(C, A), Query("three", 0): Attempts(A, B)}
        assert hits(SOLUTIONS, answers, [one, two, three]) == Hits(3, 1, 2)
        assert hits(SOLUTIONS, answers, [two]) == Hits(1, 1, 1)
        assert hits(SOLUTIONS, answers, [Query("three", 2)]) == Hits(1, 0, 0)
        assert hits(SOLUTIONS, answers, []) == Hits(0, 0, 0)


class TestRestrict:
    def test_keeps_the_tasks_of_a_run(self) -> None:
        assert restrict(SOLUTIONS, ["three", "one", "three"]) == {"three": (A, B, C), "one": (A,)}

    def test_a_task_without_solution(self) -> None:
        with pytest.raises(InputError, match="task four: is missing"):
            restrict(SOLUTIONS, ["one", "four"])


class TestRead:
    def test_all_layouts_agree(self, tmp_path: Path) -> None:
        lists = {task_id: [grid.to_json() for grid in outputs] for task_id, outputs in SOLUTIONS.items()}
        whole = {
            task_id: {"train": [], "test": [{"input": [[1]], "output": output} for output in outputs]}
            for task_id, outputs in lists.items()
        }
        folder = tmp_path / "folder"
        folder.mkdir()
        for task_id, task in whole.items():
            save(folder / f"{task_id}.json", task)
        assert read_solutions(save(tmp_path / "solutions.json", lists)) == SOLUTIONS
        assert read_solutions(save(tmp_path / "tasks.json", whole)) == SOLUTIONS
        assert read_solutions(folder) == SOLUTIONS

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            ([], "is not an object"),
            ({}, "holds no solution"),
            ({"a": []}, "task a: is not a non-empty list"),
            ({"a": None}, "task a: is not a non-empty list"),
            ({"a": [[[1]], [[1], [2, 3]]]}, r"task a: \[1\]: is ragged"),
            ({"a": {"train": []}}, "task a: test: is not a non-empty list"),
            ({"a": {"test": [{"input": [[1]]}]}}, r"task a: test\[0\]: 'output' is missing"),
            ({"a": {"test": [{"output": [[11]]}]}}, r"task a: test\[0\].output: row 0 holds 11"),
        ],
    )
    def test_a_bad_file_names_file_task_and_field(self, tmp_path: Path, value: object, message: str) -> None:
        path = save(tmp_path / "solutions.json", value)
        with pytest.raises(InputError, match=message) as caught:
            read_solutions(path)
        assert str(caught.value).startswith(f"{path}: ")

    def test_missing_file_and_empty_folder(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="no such file"):
            read_solutions(tmp_path / "none.json")
        with pytest.raises(InputError, match=r"holds no \.json"):
            read_solutions(tmp_path)

    def test_a_built_in_split_matches_its_tasks(self) -> None:
        solutions = split_solutions("arc2-evaluation")
        tasks = read_split("arc2-evaluation")
        assert list(solutions) == [task.id for task in tasks]
        assert all(len(solutions[task.id]) == len(task.test_inputs) for task in tasks)
