"""Whole Hugging Face classifiers give what transformers' own pipeline gives, in the documented columns."""

import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertForSequenceClassification, BertModel, PreTrainedTokenizerFast, pipeline

from curate.classify.external import open_classifier
from curate.classify.huggingface import grades, open_huggingface

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "a",
    "the",
    "cell",
    "of",
    "leaf",
    "light",
    "into",
    "sugar",
    "buy",
    "now",
    "cheap",
    ".",
]
TEXTS = ["The cells of a leaf", "", "buy cheap watches now , now", "light into sugar . " * 200, "a", "lesson " * 40]
BATCH = pa.RecordBatch.from_pydict({"id": list("abcdefg"), "text": [*TEXTS, None]})


def save(folder: Path, *, num_labels: int = 1, seed: int = 0, positions: int = 64) -> Path:
    """Write a small classifier with random weights in FineWeb-Edu's format: a BERT with a regression on its pooler."""
    words = Tokenizer(models.WordPiece({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    words.normalizer, words.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.BertPreTokenizer()
    words.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=words, model_max_length=positions, **names).save_pretrained(folder)
    torch.manual_seed(seed)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    kind = {"num_labels": num_labels} | ({"problem_type": "regression"} if num_labels == 1 else {})
    config = BertConfig(
        vocab_size=len(WORDS), max_position_embeddings=positions, initializer_range=0.3, **sizes, **kind
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("hub") / "Tiny-Edu.classifier")


def test_a_regression_scores_as_transformers_own_pipeline_does(folder: Path) -> None:
    theirs = pipeline("text-classification", str(folder), function_to_apply="none", device="cpu")
    expected = [theirs(text, truncation=True)[0]["score"] for text in TEXTS]
    found = open_huggingface(str(folder)).score(BATCH)
    np.testing.assert_allclose(found, [*expected, expected[1]], atol=1e-5)  # a null is an empty text
    assert np.ptp(expected) > 0.1  # the texts do differ


def test_the_columns_are_those_of_the_model_card(folder: Path) -> None:
    scored = open_classifier(f"hf:{folder}")(BATCH)
    assert scored.schema.names == ["id", "text", "tiny_edu_classifier.score", "score", "int_score"]
    assert [scored.schema.field(i).type for i in (2, 3, 4)] == [pa.float32(), pa.float32(), pa.int64()]
    scores = scored["score"].to_pylist()
    assert scored["int_score"].to_pylist() == [round(max(0, min(score, 5))) for score in scores]
    assert scored["tiny_edu_classifier.score"].equals(scored["score"])


def test_text_beyond_the_models_positions_changes_nothing(folder: Path) -> None:
    longer = pa.RecordBatch.from_pydict({"text": [TEXTS[3], TEXTS[3] + "buy now " * 50]})
    first, second = open_huggingface(str(folder)).score(longer)
    assert first == pytest.approx(second, abs=1e-6)


def test_order_and_company_change_a_score_by_rounding_alone(folder: Path) -> None:
    stage = open_huggingface(str(folder))
    together = stage.score(BATCH)
    alone = np.concatenate([stage.score(BATCH.slice(row, 1)) for row in range(BATCH.num_rows)])
    order = np.arange(BATCH.num_rows)[::-1]
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(stage.score(BATCH.take(pa.array(order))), together[order], atol=1e-5)


def test_several_logits_are_grades_and_the_score_is_the_expected_one(tmp_path: Path) -> None:
    six = save(tmp_path / "six", num_labels=6)
    theirs = pipeline("text-classification", str(six), top_k=None, device="cpu")
    for text, found in zip(TEXTS, open_huggingface(str(six)).score(BATCH), strict=False):
        shares = {row["label"]: row["score"] for row in theirs(text, truncation=True)[0]}
        assert found == pytest.approx(
            sum(int(label.removeprefix("LABEL_")) * p for label, p in shares.items()), abs=1e-5
        )


def test_expected_grades_by_hand() -> None:
    assert grades(np.log(np.array([[0.5, 0.25, 0.25]], np.float32)))[0] == pytest.approx(0.75)
    assert grades(np.array([[2.75], [-1]], np.float32)).tolist() == [2.75, -1]
    assert grades(np.array([[1000, 0]], np.float32)).tolist() == [0]  # no overflow


def test_the_stage_is_small_names_its_weights_and_survives_pickling(folder: Path, tmp_path: Path) -> None:
    stage = open_huggingface(str(folder))
    assert len(pickle.dumps(stage)) < 500
    assert pickle.loads(pickle.dumps(stage))(BATCH).equals(stage(BATCH))
    assert repr(stage) == f"HuggingFace(name='tiny_edu_classifier', digest='{stage.digest}')"
    assert open_huggingface(str(save(tmp_path / "Tiny-Edu.classifier", seed=1))).digest != stage.digest
    assert open_huggingface(str(save(tmp_path / "again" / "Tiny-Edu.classifier"))).digest == stage.digest


def test_an_empty_batch_has_the_columns_of_a_full_one(folder: Path) -> None:
    stage = open_huggingface(str(folder))
    assert stage(BATCH.slice(0, 0)).schema == stage(BATCH).schema


def test_a_model_that_is_not_here_is_an_error_with_the_way_out() -> None:
    with pytest.raises(ValueError, match=r"'HuggingFaceFW/no-such-classifier' cannot be loaded: .*hf download"):
        open_classifier("hf:HuggingFaceFW/no-such-classifier")


def test_a_folder_without_a_model_and_a_model_of_another_kind_are_errors(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be loaded"):
        open_classifier(f"hf:{tmp_path}")
    encoder = save(tmp_path / "encoder")
    BertModel(BertConfig.from_pretrained(encoder)).save_pretrained(encoder)
    with pytest.raises(ValueError, match=r"it is a \['BertModel'\], not a model ForSequenceClassification"):
        open_classifier(f"hf:{encoder}")


def test_an_address_of_neither_form_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"give hf:NAME, hf:FOLDER or fasttext:FILE\.bin"):
        open_classifier("web_edu")


def test_a_batch_without_text_is_an_error(folder: Path) -> None:
    with pytest.raises(ValueError, match="no column 'text' to score"):
        open_huggingface(str(folder))(BATCH.select(["id"]))
