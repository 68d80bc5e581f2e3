import pytest

from curate.train import log
from curate.train.log import EVALUATIONS, LOG, RunLog, forget_after, open_tracker, read_log


def test_lines_that_no_checkpoint_holds_are_forgotten(tmp_path):
    (tmp_path / LOG).write_text('{"step": 0}\n{"step": 1}\n{"step": 2}\n{"st')
    (tmp_path / EVALUATIONS).write_text('{"step": 2}\n{"step": 4}\n')
    for name in (LOG, EVALUATIONS):
        forget_after(tmp_path / name, 2)  # two steps are done: those numbered 0 and 1
    assert (tmp_path / LOG).read_text() == '{"step": 0}\n{"step": 1}\n'
    assert (tmp_path / EVALUATIONS).read_text() == '{"step": 2}\n'  # measured after two steps


def test_the_log_of_a_run_that_goes_on_is_read_up_to_the_line_that_is_being_written(tmp_path):
    (tmp_path / LOG).write_text('{"step": 0, "loss": 4.0}\n{"step": 1, "loss": 3.5}\n{"step": 2, "lo')
    assert [line["step"] for line in read_log(tmp_path)] == [0, 1]


def test_a_tracker_that_is_not_installed_is_named():
    with pytest.raises(ImportError, match="wandb is not installed; pip install wandb"):
        open_tracker("wandb", "run", {})


def test_a_line_on_the_terminal_says_how_far_how_fast_and_in_how_much_memory(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(log, "PROGRESS_SECONDS", -1.0)
    values = {"step": 1, "loss": 3.5, "lr": 3e-3, "grad_norm": 0.5, "tokens_per_s": 2500.4, "mfu": 0.5}
    told = RunLog(tmp_path, 0, {}, None, False)
    told.step({**values, "unix": 1.0, "peak_bytes": 2 * 10**9}, 2)
    told.step({**values, "unix": 1.0, "peak_bytes": 2 * 10**9, "gpu_peak_bytes": 5 * 10**9}, 2)
    told.close()
    here, on_gpu = capsys.readouterr().out.splitlines()
    assert "step 2 of 2  loss 3.500" in here
    assert "2,500 tokens/s  MFU 50%  2 GB of memory  0s left" in here
    assert "5 GB of memory" in on_gpu
    assert [line["unix"] for line in read_log(tmp_path)] == [1.0, 1.0]
