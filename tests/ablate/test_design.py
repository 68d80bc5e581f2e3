import pytest

from curate.ablate.design import Arm, Design, named, read_arms, read_mixture


def test_arms_are_names_with_folders_or_mixtures():
    raw, mix = read_arms(["raw=runs/clean", "mix=runs/clean:0.7,runs/edu:0.3"])
    assert raw == Arm("raw", {"runs/clean": 1.0})
    assert mix == Arm("mix", {"runs/clean": 0.7, "runs/edu": 0.3})


def test_a_bucket_is_a_path_and_no_weight():
    assert read_mixture("s3://bucket/clean") == {"s3://bucket/clean": 1.0}
    assert read_mixture("s3://bucket/clean:2") == {"s3://bucket/clean": 2.0}


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (["runs/clean"], "a name and a path, such as raw=clean"),
        (["raw="], "a name and a path"),
        (["../raw=clean"], "becomes a folder"),
        (["=clean"], "becomes a folder"),
        ([".hidden=clean"], "becomes a folder"),
        (["raw=a", "Raw=b"], "two have the name 'Raw'"),  # one folder on a disk that does not tell capitals
        (["mix=a,b"], "needs a positive weight"),
        (["mix=a:1,b:-1"], "needs a positive weight"),
        (["mix=a:1,a:2"], "twice in one mixture"),
    ],
)
def test_slips_in_arms_are_named(said, message):
    with pytest.raises(ValueError, match=message):
        read_arms(said)


def test_a_design_wants_two_arms_a_known_baseline_and_a_whole_step():
    a, b = Arm("a", {"x": 1.0}), Arm("b", {"y": 1.0})
    with pytest.raises(ValueError, match="two arms or more"):
        Design((a,), "a", 10_000)
    with pytest.raises(ValueError, match="'c' is no arm; there are a, b"):
        Design((a, b), "c", 10_000)
    with pytest.raises(ValueError, match="less than one step of 8,192"):
        Design((a, b), "a", 5000)
    with pytest.raises(ValueError, match="8,192 tokens is no whole number of windows of 500"):
        Design((a, b), "a", 10_000, seq_len=500)


def test_steps_cover_the_tokens_and_a_folder_of_two_arms_is_one_source():
    design = Design((Arm("a", {"x": 1.0}), Arm("b", {"x": 1.0, "y": 1.0})), "a", 10_000)
    assert design.steps == 2
    assert design.sources == ("x", "y")
    assert design.vocabulary == 8192


def test_held_out_sets_have_names_too():
    assert named(["wiki=held/wiki"], "held-out set", "wiki=held") == {"wiki": "held/wiki"}
    with pytest.raises(ValueError, match="such as wiki=held"):
        named(["held/wiki"], "held-out set", "wiki=held")
