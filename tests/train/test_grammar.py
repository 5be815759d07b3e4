"""The synthetic grammar: its truth is well formed, says what it claims, and does not depend on a run."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from train import corpora
from train.corpora import grammar
from train.corpora import grammar_words as words

SENTENCES = grammar.sample(360, np.random.default_rng(1))
PAIRS = grammar.pairs(120, np.random.default_rng(2))
PARAPHRASES = grammar.paraphrases(120, np.random.default_rng(3))
ALL = [*SENTENCES, *PAIRS, *(sentence for both in PARAPHRASES for sentence in both)]


def form(sentence, i):
    return sentence.text[slice(*sentence.spans[i])]


def linked(name, sentences=SENTENCES):
    """(later word, earlier word, sentence) of every link of that name."""
    return [(form(s, a), form(s, b), s) for s in sentences for a, b in s.links.get(name, ())]


def test_words_are_the_text_in_order_with_one_space_at_most_between_them():
    for sentence in ALL:
        spans = sentence.spans
        assert spans[0][0] == 0 and spans[-1][1] == len(sentence.text)
        between = [sentence.text[a[1] : b[0]] for a, b in pairwise(spans)]
        assert set(between) <= {"", " "}
        assert not any(" " in form(sentence, i) for i in range(len(spans)))
        assert sentence.text.isascii()


def test_heads_are_trees_with_one_root_per_sentence():
    for sentence in ALL:
        assert sentence.heads.count(-1) == sentence.text.count(".")
        for start in range(len(sentence.heads)):
            word, steps = start, 0
            while word >= 0:
                word, steps = sentence.heads[word], steps + 1
                assert steps <= len(sentence.heads), sentence.text


def test_classes_and_heads_have_one_entry_per_word():
    assert all(len(s.spans) == len(s.classes) == len(s.heads) for s in ALL)


def test_links_point_from_the_later_word_to_the_earlier():
    assert all(a > b >= 0 for s in ALL for pairs in s.links.values() for a, b in pairs)


def test_verbs_agree_with_the_subject_they_are_linked_to():
    many = {noun.many for table in (words.PEOPLE, words.OBJECTS) for nouns in table.values() for noun in nouns}
    found = [*linked("agreement"), *linked("agreement across attractor")]
    plural_verbs = {"are", "were", *(verb.base for verb in words.VERBS.values())}
    assert len(found) > 100
    for verb, subject, sentence in found:
        if subject in ("they", "it", "he", "she"):
            assert (verb in plural_verbs) == (subject == "they")
        else:
            assert (verb in plural_verbs) == (subject.lower() in many), sentence.text


def test_an_attractor_of_the_other_number_stands_between_subject_and_verb():
    kinds = {
        form_: number
        for table in (words.PEOPLE, words.OBJECTS)
        for nouns in table.values()
        for noun in nouns
        for form_, number in ((noun.one, "one"), (noun.many, "many"))
    }
    for sentence in SENTENCES:
        for verb, subject in sentence.links.get("agreement across attractor", ()):
            between = {kinds.get(form(sentence, i)) for i in range(subject + 1, verb)} - {None}
            assert between == {"one", "many"} - {kinds[form(sentence, subject).lower()]}, sentence.text


def test_an_acronym_is_the_first_letters_of_the_words_it_is_linked_to():
    for sentence in SENTENCES:
        expansions = sentence.links.get("acronym-expansion", ())
        for acronym in {a for a, _ in expansions}:
            assert "".join(form(sentence, b)[0] for a, b in expansions if a == acronym) == form(sentence, acronym)
    repeats = linked("acronym-repeat")
    assert repeats and all(a == b for a, b, _ in repeats)


def test_a_pronoun_fits_its_antecedent_and_no_other_noun_before_it():
    fits = {"she": set(words.FEMALE), "he": set(words.MALE)}
    found = linked("pronoun-antecedent")
    assert {pronoun for pronoun, _, _ in found} == {"she", "he", "it", "they"}
    for pronoun, noun, sentence in found:
        if pronoun in fits:
            assert noun in fits[pronoun]
            assert sum(form(sentence, i) in fits[pronoun] for i in range(len(sentence.spans))) == 1
        else:
            assert noun not in {*words.FEMALE, *words.MALE}


def test_a_list_links_each_item_to_all_before_it():
    for sentence in SENTENCES:
        if pairs := sentence.links.get("list"):
            items = sorted({i for pair in pairs for i in pair})
            assert sorted(pairs) == sorted((b, a) for a in items for b in items if a < b)
            assert len({sentence.classes[i] for i in items}) == 1 and len(items) == 3


def test_a_homonym_has_a_sense_and_its_topic_stands_before_it():
    seen = Counter()
    for sentence in grammar.sample(900, np.random.default_rng(4)):
        for word, sense in sentence.senses.items():
            name, _, topic = sense.partition(".")
            assert form(sentence, word) in (words.HOMONYMS[name].one, words.HOMONYMS[name].many)
            before = {grammar.topic_of(form(sentence, i)) for i in range(word)} - {None}
            assert before == {topic}
            seen[sense] += 1
    assert set(seen) == {f"{word}.{topic}" for word, topics in words.SENSES.items() for topic in topics}


@pytest.mark.parametrize(
    ("word", "topic"), [("river", "water"), ("Keys", "office"), ("bank", None), ("mice", None), ("the", None)]
)
def test_a_noun_has_one_topic_and_a_homonym_none(word, topic):
    assert grammar.topic_of(word) == topic


def test_every_link_and_kind_of_the_docstring_is_there():
    names = {name for sentence in SENTENCES for name in sentence.links}
    assert names == {
        *("determiner", "adjective", "verb-subject", "object-verb", "agreement", "agreement across attractor"),
        *("preposition-object", "list", "acronym-expansion", "acronym-repeat", "pronoun-antecedent"),
    }


def test_paraphrases_say_the_same_content_words_in_another_way():
    twin = {b: a for pair in words.SYNONYMS for a, b in (pair, pair[::-1])}
    base = {form: verb.base for verb in words.VERBS.values() for form in (verb.third, verb.past, verb.participle)}
    for first, second in PARAPHRASES:
        content = [
            {
                min(word, twin.get(word, word))
                for i in range(len(s.spans))
                if s.classes[i] in ("NOUN", "VERB", "ADJ", "ADV")
                for word in [base.get(form(s, i).lower(), form(s, i).lower())]
            }
            for s in (first, second)
        ]
        assert content[0] == content[1], (first.text, second.text)
        assert first.text != second.text


def test_pairs_link_equal_words_and_twins_across_the_border():
    twins = {frozenset(pair) for pair in words.TWINS}
    for sentence in PAIRS:
        assert sentence.second is not None
        assert sentence.text[: sentence.spans[sentence.second][0]].endswith(". ")
        ((later, earlier),) = sentence.links["equal"]
        assert later >= sentence.second > earlier
        assert form(sentence, later) == form(sentence, earlier)
        verbs, places = sentence.links["substitutable"]
        assert frozenset(form(sentence, i) for i in places) in twins
        assert {sentence.classes[i] for i in verbs} == {"VERB"}
    distances = {s.links["equal"][0][0] - s.links["equal"][0][1] for s in PAIRS}
    assert len(distances) > 4  # no fixed distance finds them


def test_sentences_follow_from_the_seed_alone():
    again = grammar.sample(360, np.random.default_rng(1))
    assert again == SENTENCES
    assert grammar.sample(9, np.random.default_rng(9)) != SENTENCES[:9]


def test_the_corpus_is_a_few_megabytes_of_plain_text_that_reads_the_same_every_time(monkeypatch):
    share = 40  # of the documents: enough to see, and quick
    monkeypatch.setattr(grammar, "DOCUMENTS", grammar.DOCUMENTS // share)
    corpus = corpora.load("grammar", context=64)
    assert 2_000_000 < share * corpus.size < 5_000_000
    assert corpus.sha256 == corpora.load("grammar", context=8).sha256
    assert not set(corpus.train) & set(corpus.valid)
    text = "".join(corpus.train)
    assert text.isascii()
    assert set("".join(s.text for s in ALL)) <= set(text)  # a char tokenizer of it reads every sample
