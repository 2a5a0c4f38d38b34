from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solver.attempts import (
    Attempts,
    Submission,
    check_submission,
    read_submission,
    render_submission,
    write_atomic,
    write_submission,
)
from solver.grid import Grid, InputError
from solver.task import Pair, Query, Task
from solver.voting import choose, flat_vote, hierarchical_vote
from tests.strategies import attempts, ballots, task_sets

ONE, TWO, BIG = Grid(((1,),)), Grid(((2,),)), Grid(((0, 1), (2, 3)))
TASKS = (
    Task("b", (Pair(ONE, TWO),), (ONE, TWO)),
    Task("a", (Pair(ONE, TWO),), (BIG,)),
)
ANSWERS = {Query("a", 0): Attempts(ONE, BIG), Query("b", 0): Attempts(ONE, TWO), Query("b", 1): Attempts(TWO, ONE)}


def valid() -> Submission:
    return render_submission(TASKS, ANSWERS)


class TestRender:
    def test_every_task_in_order_with_every_test_input_and_both_attempts(self) -> None:
        assert json.dumps(valid()) == json.dumps(
            {
                "b": [{"attempt_1": [[1]], "attempt_2": [[2]]}, {"attempt_1": [[2]], "attempt_2": [[1]]}],
                "a": [{"attempt_1": [[1]], "attempt_2": [[0, 1], [2, 3]]}],
            }
        )

    def test_a_query_without_answer_is_refused(self) -> None:
        with pytest.raises(ValueError, match=r"1 queries .*task_id='b', index=1"):
            render_submission(TASKS, {query: ANSWERS[query] for query in (Query("a", 0), Query("b", 0))})

    @settings(max_examples=30)
    @given(data=st.data(), tasks=task_sets())
    def test_any_subset_of_results_gives_a_full_valid_submission(self, data: st.DataObject, tasks: list[Task]) -> None:
        vote = data.draw(st.sampled_from([flat_vote, hierarchical_vote]))
        answers = {}
        for task in tasks:
            for query in task.queries():
                answers[query] = choose(vote(data.draw(ballots(query, max_size=3))), task, query)
        submission = json.loads(json.dumps(render_submission(tasks, answers)))
        assert check_submission(submission, tasks, "s") == []
        assert list(submission) == [task.id for task in tasks]
        assert all(output["attempt_1"] != output["attempt_2"] for task in submission.values() for output in task)


class TestFile:
    def test_round_trip(self, tmp_path: Path) -> None:
        path = tmp_path / "submission.json"
        write_submission(path, TASKS, ANSWERS)
        assert read_submission(path) == ANSWERS
        assert check_submission(json.loads(path.read_text()), TASKS, "s") == []

    @settings(max_examples=50)
    @given(answers=st.lists(attempts(), max_size=4))
    def test_round_trip_of_any_answers(self, tmp_path_factory: pytest.TempPathFactory, answers: list[Attempts]) -> None:
        path = tmp_path_factory.getbasetemp() / "any.json"
        tasks = [Task("a", (Pair(ONE, TWO),), (ONE,) * len(answers))]
        expected = {Query("a", index): answer for index, answer in enumerate(answers)}
        write_submission(path, tasks, expected)
        assert read_submission(path) == expected

    @pytest.mark.parametrize(("owner", "step"), [(os, "fsync"), (Path, "replace")])
    def test_a_failed_write_keeps_the_old_file_and_leaves_nothing_behind(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: object, step: str
    ) -> None:
        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        path = tmp_path / "submission.json"
        write_atomic(path, "old")
        monkeypatch.setattr(owner, step, full)
        with pytest.raises(InputError, match=r"submission\.json: cannot be written \(No space left on device\)"):
            write_atomic(path, "new")
        assert path.read_text() == "old"
        assert list(tmp_path.iterdir()) == [path]

    def test_text_that_cannot_be_encoded_changes_nothing(self, tmp_path: Path) -> None:
        path = tmp_path / "submission.json"
        write_atomic(path, "old")
        with pytest.raises(UnicodeEncodeError):
            write_atomic(path, "\ud800")
        assert path.read_text() == "old"
        assert list(tmp_path.iterdir()) == [path]

    def test_an_interrupt_leaves_nothing_behind(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupt(_: int) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(os, "fsync", interrupt)
        with pytest.raises(KeyboardInterrupt):
            write_atomic(tmp_path / "submission.json", "new")
        assert list(tmp_path.iterdir()) == []

    def test_the_error_is_one_line_that_names_the_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        (tmp_path / "folder").mkdir()
        for path in (tmp_path / "missing" / "s.json", tmp_path / "file" / "s.json", tmp_path / "folder"):
            with pytest.raises(InputError) as caught:
                write_atomic(path, "text")
            assert str(caught.value).startswith(f"{path}: cannot be written (")
            assert "\n" not in str(caught.value)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("[]", "is not an object"),
            ('{"a": {}}', "task a: is not a list"),
            ('{"a": [[]]}', r"task a: \[0\]: is not an object"),
            ('{"a": [{"attempt_1": [[1]]}]}', r"task a: \[0\]: 'attempt_2' is missing"),
            ('{"a": [{"attempt_1": [[1]], "attempt_2": [[10]]}]}', r"task a: \[0\]\.attempt_2: row 0 holds 10"),
        ],
    )
    def test_reading_a_bad_file_names_the_place(self, tmp_path: Path, text: str, message: str) -> None:
        path = tmp_path / "s.json"
        path.write_text(text)
        with pytest.raises(InputError, match=message) as caught:
            read_submission(path)
        assert str(path) in str(caught.value)


class TestCheck:
    def test_valid(self) -> None:
        assert check_submission(valid(), TASKS, "s.json") == []

    def test_not_an_object(self) -> None:
        assert check_submission([], TASKS, "s.json") == ["s.json: is not an object of answers by task id"]

    def test_lists_all_problems_one_line_each(self) -> None:
        value = valid()
        del value["a"]
        value["c"] = []
        value["b"] = [{"attempt_1": [[1, 2], [3]], "attempt_3": [[1]]}]
        assert check_submission(value, TASKS, "s.json") == [
            "s.json: task b: [0]: 'attempt_2' is missing",
            "s.json: task b: [0]: 'attempt_3' is not one of attempt_1, attempt_2",
            "s.json: task b: [0].attempt_1: is ragged: row 1 has 1 cells, row 0 has 2",
            "s.json: task b: has 1 test outputs instead of 2",
            "s.json: task a: is missing",
            "s.json: task c: is not among the tasks",
        ]

    @pytest.mark.parametrize("bad", [None, [], [[]], "0", [["0"]], [[-1]], [[1.0]], [[True]], [[0] * 31], [[0]] * 31])
    def test_every_kind_of_bad_grid(self, bad: object) -> None:
        value = {**valid(), "a": [{"attempt_1": [[1]], "attempt_2": bad}]}
        (problem,) = check_submission(value, TASKS, "s.json")
        assert problem.startswith("s.json: task a: [0].attempt_2: ")

    @pytest.mark.parametrize("bad", [None, {}, "x", [None, None], [[], []]])
    def test_every_kind_of_bad_task(self, bad: object) -> None:
        problems = check_submission({**valid(), "b": bad}, TASKS, "s.json")
        assert problems
        assert all(problem.startswith("s.json: task b: ") for problem in problems)
