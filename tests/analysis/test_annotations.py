"""Sources of annotated text, and which word each token belongs to."""

import numpy as np
import pytest

from analysis.texts.annotations import APART, OUTSIDE, align, encode, fitting, grammar, sentence_pairs, silver
from analysis.texts.conllu import conllu
from analysis.texts.python_source import annotate, python_source
from jattn.config import ModelConfig
from jattn.errors import InputError
from train.corpora.annotated import Annotated
from train.tokenizers import Tokenizer

SAMPLE = """\
# sent_id = 1
# text = I don't, he au lait.
1\tI\tI\tPRON\t_\t_\t4\tnsubj\t_\t_
2-3\tdon't\t_\t_\t_\t_\t_\t_\t_\tSpaceAfter=No
2\tdo\tdo\tAUX\t_\t_\t4\taux\t_\t_
3\tn't\tnot\tPART\t_\t_\t2\tadvmod\t_\t_
4\t,\t,\tPUNCT\t_\t_\t0\troot\t_\t_
4.1\tdrink\tdrink\tVERB\t_\t_\t_\t_\t0:root\t_
5\the\the\tPRON\t_\t_\t4\tnsubj\t_\t_
6-7\tau\t_\t_\t_\t_\t_\t_\t_\t_
6\tà\tà\tADP\t_\t_\t8\tcase\t_\t_
7\tle\tle\tDET\t_\t_\t6\tdet\t_\t_
8\tlait\tlait\tNOUN\t_\t_\t4\tobl\t_\tSpaceAfter=No
9\t.\t.\tPUNCT\t_\t_\t7\tpunct\t_\t_

1\tYes\tyes\tINTJ\t_\t_\t_\t_\t_\t_
"""


@pytest.fixture
def sample(tmp_path):
    path = tmp_path / "sample.conllu"
    path.write_text(SAMPLE, encoding="utf-8")
    return path


def forms(sentence):
    return [sentence.text[a:b] for a, b in sentence.spans]


def test_conllu_rebuilds_the_text_from_forms_and_space_after(sample):
    first, second = conllu(sample)
    assert first.text == "I don't, he au lait."
    assert second.text == "Yes" and second.heads == (-1,)  # no head is told


def test_a_multiword_token_is_its_words_where_they_spell_it_and_one_word_where_not(sample):
    first, _ = conllu(sample)
    assert forms(first) == ["I", "do", "n't", ",", "he", "au", "lait", "."]
    assert first.classes == ("PRON", "AUX", "PART", "PUNCT", "PRON", "ADP", "NOUN", "PUNCT")


def test_heads_and_relations_follow_the_merged_words_and_empty_nodes_are_left_out(sample):
    first, _ = conllu(sample)
    # "." hangs on word 7, "le", which is part of "au" (index 5); "le" itself is gone
    assert first.heads == (3, 3, 1, -1, 3, 6, 3, 5)
    assert first.links["nsubj"] == ((0, 3), (4, 3))
    assert "det" not in first.links and "root" not in first.links


@pytest.mark.parametrize(
    ("line", "wrong", "message"),
    [
        (3, "1\tI\tI\tPRON", "line 3: 4 columns instead of 10"),
        (3, "2\tI\tI\tPRON\t_\t_\t4\tnsubj\t_\t_", "line 3: word '2' where 1 is due"),
        (3, "1\t\tI\tPRON\t_\t_\t4\tnsubj\t_\t_", "line 3: the form is empty"),
        (3, "1\tI\tI\tPRON\t_\t_\t12\tnsubj\t_\t_", "line 3: head '12' is no other word"),
        (3, "1\tI\tI\tPRON\t_\t_\t1\tnsubj\t_\t_", "line 3: head '1' is no other word"),
        (3, "1\tI\tI\tPRON\t_\t_\tx\tnsubj\t_\t_", "line 3: head 'x' is no other word"),
        (3, "1\tYou\tI\tPRON\t_\t_\t4\tnsubj\t_\t_", "line 2: # text is not what the forms spell"),
        (4, "3-4\tdon't\t_\t_\t_\t_\t_\t_\t_\t_", "line 4: multiword token '3-4' does not start at the next word, 2"),
    ],
)
def test_a_malformed_conllu_file_is_one_line_that_names_the_line(tmp_path, line, wrong, message):
    lines = SAMPLE.split("\n")
    lines[line - 1] = wrong
    path = tmp_path / "bad.conllu"
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(InputError, match=message) as caught:
        conllu(path)
    assert "\n" not in str(caught.value)


def test_a_multiword_token_that_runs_past_the_sentence_and_an_empty_file_are_refused(tmp_path):
    path = tmp_path / "bad.conllu"
    path.write_text("1-2\tab\t_\t_\t_\t_\t_\t_\t_\t_\n1\ta\t_\tX\t_\t_\t0\troot\t_\t_\n\n")
    with pytest.raises(InputError, match="ends at word 2, the sentence at 1"):
        conllu(path)
    path.write_text("# nothing\n")
    with pytest.raises(InputError, match="holds no sentence"):
        conllu(path)


def test_python_tokens_hang_on_the_token_that_stands_for_their_node():
    found = annotate("x = f(a, b + 1)")
    assert forms(found) == ["x", "=", "f", "(", "a", ",", "b", "+", "1", ")"]
    heads = [None if h < 0 else forms(found)[h] for h in found.heads]
    #        x    =     f    (    a    ,    b    +    1    )
    assert heads == ["=", None, "(", "=", "(", "(", "+", "(", "+", "("]
    assert found.classes == ("name", "operator", "name", "operator", "name", "operator", "name", "operator", "number",
                             "operator")  # fmt: skip
    assert found.links == {"bracket": ((9, 3),)}


def test_python_links_a_name_to_all_its_earlier_places():
    found = annotate("a = b\nif a:\n    b = a")
    at = forms(found)
    assert [(at[i], i, j) for i, j in found.links["name-repeat"]] == [
        ("a", 4, 0),
        ("b", 6, 2),
        ("a", 8, 0),
        ("a", 8, 4),
    ]
    assert found.classes[3] == "keyword"


def test_python_that_does_not_stand_alone_or_depends_on_the_version_is_left_out():
    assert annotate("else:") is None
    assert annotate("x = f'{y}'") is None


def test_python_source_takes_statements_of_the_documents_and_refuses_prose():
    documents = ["def first(value):\n    return value + 1\n", "No Python at all, but prose.", "other = [1, 2, 3, 4]\n"]
    found = python_source(10, documents=documents)
    assert {s.text for s in found} == {"def first(value):\n    return value + 1", "other = [1, 2, 3, 4]"}
    with pytest.raises(InputError, match="no Python statement of 20 to 160 characters"):
        python_source(10, documents=documents[1:2])


def test_silver_says_that_it_is_silver_and_takes_a_tagger():
    (found,) = silver(["The 3 cats of London sat quickly."])
    assert found.classes == ("DET", "NUM", "NOUN", "ADP", "PROPN", "NOUN", "ADV", "PUNCT")  # "sat": only guessed
    assert not found.gold and set(found.heads) == {-1}
    (found,) = silver(["a b"], lambda words: [f"<{word}>" for word in words])
    assert found.classes == ("<a>", "<b>") and not found.gold
    with pytest.raises(InputError, match="gave 1 classes for 2 words"):
        silver(["a b"], lambda words: ["X"])


WORDS = Annotated("ab c, déf", ((0, 2), (3, 4), (4, 5), (6, 9)), ("X",) * 4, (-1,) * 4)


def test_characters_belong_to_their_word_and_spaces_to_none():
    tokenizer = Tokenizer.symbols("abc ,défx")
    assert align(WORDS, tokenizer).tolist() == [0, 0, OUTSIDE, 1, 2, OUTSIDE, 3, 3, 3]


def test_bytes_of_one_character_belong_to_its_word():
    assert align(WORDS, Tokenizer.train("byte", [])).tolist() == [0, 0, OUTSIDE, 1, 2, OUTSIDE, 3, 3, 3, 3]


def test_a_token_that_carries_a_space_or_crosses_a_border_belongs_to_what_it_shares_most_with():
    texts = ["the key fits. " * 50, "the keys fit. " * 50]
    tokenizer = Tokenizer.train("bpe", texts, 266)
    sentence = Annotated("the keys fit.", ((0, 3), (4, 8), (9, 12), (12, 13)), ("X",) * 4, (-1,) * 4)
    shown = [tokenizer.token(int(i)) for i in tokenizer.encode(sentence.text)]
    found = align(sentence, tokenizer)
    assert "".join(shown) == sentence.text and any(len(token) > 1 and token[0] == " " for token in shown)
    for token, word in zip(shown, found, strict=True):
        assert token == " " if word == OUTSIDE else token.strip() in forms(sentence)[word]


def test_something_that_is_no_word_stands_before_every_sentence():
    config = ModelConfig(context=64)
    (sentence,) = grammar(1)
    for tokenizer, first in (
        (Tokenizer.train("char", [sentence.text + "\n"]), "\n"),
        (Tokenizer.train("char", [sentence.text]), " "),
        (Tokenizer.train("char", [sentence.text], bos=True), "<bos>"),
    ):
        found = encode(sentence, tokenizer, config)
        assert tokenizer.token(int(found.ids[0])) == first
        assert found.word_of[0] == APART and (found.word_of[1:] != APART).all()
        assert len(found.ids) == 1 + len(sentence.text)


def test_a_character_that_the_tokenizer_lacks_is_named():
    with pytest.raises(InputError, match="is not among the 3 of the char tokenizer"):
        encode(grammar(1)[0], Tokenizer.symbols("ab "), ModelConfig())


def test_sentences_longer_than_the_context_are_left_out():
    tokenizer = Tokenizer.train("byte", [])
    sentences = grammar(18)
    short = fitting(sentences, tokenizer, ModelConfig(context=48))
    assert [e.annotated for e in short] == [s for s in sentences if len(s.text) < 48]


def test_sentences_with_characters_that_the_tokenizer_lacks_are_left_out_unless_all_are():
    sentences = grammar(18)
    letters = sorted(set("".join(s.text for s in sentences)) - set("()"))
    found = fitting(sentences, Tokenizer.symbols("".join(letters)), ModelConfig(context=999))
    assert [e.annotated for e in found] == [s for s in sentences if "(" not in s.text] != sentences
    with pytest.raises(InputError, match="is not among the 4"):
        fitting(sentences, Tokenizer.symbols("ab c"), ModelConfig())


def test_sentences_are_the_same_for_every_run_and_others_with_another_seed():
    assert grammar(9) == grammar(9) and grammar(9) != grammar(9, seed=1)
    assert all(pair.second for pair in sentence_pairs(4))
    assert np.mean([s.gold for s in grammar(9)]) == 1
