"""metrics.jsonl: one object a line, appended; torn lines are skipped and later lines win."""

import json

from train.metrics import MetricsFile, read_metrics


def write(folder, *rows):
    with MetricsFile(folder) as file:
        for row in rows:
            file.write(**row)


def test_every_line_is_one_json_object_and_reads_back(tmp_path):
    rows = [{"step": 1, "loss": 3.25, "null_mass": 0.1}, {"step": 2, "loss": 3.0}, {"step": 2, "valid_loss": 2.5}]
    write(tmp_path, *rows)
    assert [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()] == rows
    assert read_metrics(tmp_path) == rows


def test_line_is_on_disk_as_soon_as_it_is_written(tmp_path):
    with MetricsFile(tmp_path) as file:
        file.write(step=1, loss=2.0)
        assert read_metrics(tmp_path) == [{"step": 1, "loss": 2.0}]


def test_run_without_metrics_has_no_rows(tmp_path):
    assert read_metrics(tmp_path) == []


def test_torn_last_line_is_skipped(tmp_path):
    write(tmp_path, {"step": 1, "loss": 3.0})
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 2, "lo')
    assert read_metrics(tmp_path) == [{"step": 1, "loss": 3.0}]


def test_resumed_run_does_not_write_into_a_torn_line(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "loss": 3.0}\n{"step": 2, "lo')
    write(tmp_path, {"step": 2, "loss": 2.0})
    assert read_metrics(tmp_path) == [{"step": 1, "loss": 3.0}, {"step": 2, "loss": 2.0}]


def test_later_line_of_a_step_wins_and_rows_are_in_order_of_steps(tmp_path):
    write(tmp_path, {"step": 1, "loss": 5.0}, {"step": 2, "loss": 4.0}, {"step": 3, "loss": 3.0})
    write(tmp_path, {"step": 2, "loss": 4.5}, {"step": 4, "loss": 2.0})
    assert [(row["step"], row["loss"]) for row in read_metrics(tmp_path)] == [(1, 5.0), (2, 4.5), (3, 3.0), (4, 2.0)]


def test_training_and_validation_loss_of_one_step_are_two_rows(tmp_path):
    write(tmp_path, {"step": 4, "loss": 1.0}, {"step": 4, "valid_loss": 2.0}, {"step": 4, "valid_loss": 3.0})
    assert read_metrics(tmp_path) == [{"step": 4, "loss": 1.0}, {"step": 4, "valid_loss": 3.0}]
