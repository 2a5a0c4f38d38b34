from __future__ import annotations

import os
from pathlib import Path

import pytest

from solver.grid import InputError
from solver.journal import Journal, read_journal, read_resumed


def write_three(path: Path) -> None:
    with Journal(path, now=lambda: 5.0) as journal:
        journal.append("start", seed=1)
        journal.append("task", name="é\n")
        journal.append("end")


class TestJournal:
    def test_events_come_back_numbered_and_timed(self, tmp_path: Path) -> None:
        path = tmp_path / "run" / "journal.jsonl"
        write_three(path)
        assert read_journal(path) == [
            {"seq": 0, "time": 5.0, "event": "start", "seed": 1},
            {"seq": 1, "time": 5.0, "event": "task", "name": "é\n"},
            {"seq": 2, "time": 5.0, "event": "end"},
        ]

    def test_torn_at_any_byte_it_reads_and_resumes_with_every_whole_line(self, tmp_path: Path) -> None:
        path = tmp_path / "journal.jsonl"
        write_three(path)
        whole = path.read_bytes()
        for cut in range(len(whole) + 1):
            path.write_bytes(whole[:cut])
            events = read_journal(path)
            assert len(events) == whole[:cut].count(b"\n")
            with Journal(path) as journal:
                journal.append("again")
            resumed = read_journal(path)
            assert resumed[:-1] == events
            assert [event["seq"] for event in resumed] == list(range(len(events) + 1))

    def test_a_garbled_last_line_counts_as_torn(self, tmp_path: Path) -> None:
        path = tmp_path / "journal.jsonl"
        write_three(path)
        for garbage in (b"\0" * 20, b"\0" * 20 + b"\n", b'{"seq":3,\n', b"7\n", b"\xff"):
            path.write_bytes(path.read_bytes() + garbage)
            assert len(read_journal(path)) == 3
            Journal(path).close()
            assert path.read_bytes().endswith(b'"end"}\n')

    def test_a_torn_line_elsewhere_is_an_error_that_names_it(self, tmp_path: Path) -> None:
        path = tmp_path / "journal.jsonl"
        write_three(path)
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(lines[0] + lines[1][:9] + b"\n" + lines[2])
        for read in (read_journal, Journal):
            with pytest.raises(InputError, match=r"journal\.jsonl: line 2: "):
                read(path)

    @pytest.mark.parametrize("line", [b"{}", b'{"seq":1}', b'{"event":7}'])
    def test_a_line_that_is_no_event_is_an_error_that_names_it(self, tmp_path: Path, line: bytes) -> None:
        path = tmp_path / "journal.jsonl"
        write_three(path)
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(lines[0] + line + b"\n" + lines[2])
        for read in (read_journal, Journal):
            with pytest.raises(InputError, match=r"journal\.jsonl: line 2: is not a whole event"):
                read(path)

    def test_the_record_of_something_else_is_not_gone_on_with(self, tmp_path: Path) -> None:
        path = tmp_path / "journal.jsonl"
        with Journal(path) as journal:
            journal.append("run", seed=0)
        assert read_resumed(path, "run", {"seed": 0}) == []
        with pytest.raises(InputError, match=r"journal\.jsonl: is the record of something else: it begins with 'run'"):
            read_resumed(path, "ablation", {"seed": 0})

    @pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
    def test_a_failed_append_leaves_no_half_line(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
    ) -> None:
        def fail(_: int) -> None:
            raise error

        path = tmp_path / "journal.jsonl"
        with Journal(path) as journal:
            journal.append("before")
            with monkeypatch.context() as patch:
                patch.setattr(os, "fsync", fail)
                with pytest.raises(type(error)):
                    journal.append("lost")
            journal.append("after")
        assert [(event["seq"], event["event"]) for event in read_journal(path)] == [(0, "before"), (1, "after")]

    def test_what_json_cannot_hold_is_refused_before_anything_is_written(self, tmp_path: Path) -> None:
        path = tmp_path / "journal.jsonl"
        with Journal(path) as journal:
            with pytest.raises(TypeError):
                journal.append("bad", value=object())
            with pytest.raises(ValueError, match="numbers and times"):
                journal.append("bad", seq=7)
        assert path.read_bytes() == b""

    def test_unusable_paths_are_input_errors(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="cannot be read"):
            read_journal(tmp_path / "none.jsonl")
        (tmp_path / "file").write_text("")
        for path in (tmp_path, tmp_path / "file" / "journal.jsonl"):
            with pytest.raises(InputError, match="cannot be written"):
                Journal(path)
