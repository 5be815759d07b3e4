"""A synthetic English of our own, in plain ASCII, of which every word's class, head, links, sense and topic are known.

    sample(count, rng)        sentences, each of a kind below          links point from the later word to the earlier:
      plain                   The farmer often sees the cow.           determiner, adjective, verb-subject, object-verb,
                                                                       agreement (verb to subject)
      place                   The cook waits near the oven.            preposition-object (from the object)
      attractor               The keys to the cabinet are old.         agreement across attractor
      list                    The cook finds red, green and blue bowls.  list (each item to all before it)
      acronym                 The National Bird Trust (NBT) ... NBT.   acronym-expansion (to the words), acronym-repeat
      pronoun                 Mary sees the boats because she ...      pronoun-antecedent (number or gender decides)
      homonym                 Near the river the sailor sees the bank. senses: "bank" in the sense "bank.water"
      giving                  The clerk gives the cook a coin.
      clauses                 When the cook rests, the farmers wait.
    paraphrases(count, rng)   two sentences of one meaning: passive, dative shift, synonym, clause order
    pairs(count, rng)         "The cat sat on the mat. The cat lay on the rug.": equal (cats), substitutable (mat-rug)
    documents()               some megabytes of all of these in paragraphs of one topic each, to train on

The grammar and the corpus are fixed: seeds of runs and of `sample` do not change the language.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from train.corpora import grammar_words as words
from train.corpora.annotated import Annotated
from train.corpora.grammar_parts import Draw, Sketch, say_act, say_passive, say_stop
from train.corpora.grammar_sentences import KINDS, gift, pair, say_clauses

LANGUAGE_SEED = 1904_02679
DOCUMENTS, PARAGRAPHS, SENTENCES = 1200, 4, 10
"""Paragraphs of a document and sentences of a paragraph; 48,000 sentences in all."""


def sample(count: int, rng: np.random.Generator) -> list[Annotated]:
    """`count` sentences, the kinds in turn, each with a topic of its own."""
    return [_sentence(KINDS[i % len(KINDS)], Draw(rng)) for i in range(count)]


def topic_of(word: str) -> str | None:
    """The topic that a noun belongs to, in whatever number or case; None for other words and for homonyms."""
    noun = words.OF.get(word.lower())
    return None if noun is None else noun.topic


def paraphrases(count: int, rng: np.random.Generator) -> list[tuple[Annotated, Annotated]]:
    """`count` pairs of sentences that mean the same: passive, dative shift, synonym and clause order in turn.

    Pairs that mean different things are made by shuffling one side.
    """
    return [SAME[i % len(SAME)](Draw(rng)) for i in range(count)]


def pairs(count: int, rng: np.random.Generator) -> list[Annotated]:
    """`count` texts of two sentences about the same noun in twin places, `second` being the first word of B."""
    return [_sentence(pair, Draw(rng)) for _ in range(count)]


def documents() -> list[str]:
    """The corpus "grammar", always the same; a paragraph is about one topic and a sentence of it often, too."""
    rng = np.random.default_rng(LANGUAGE_SEED)
    return ["\n".join(_paragraph(rng) for _ in range(PARAGRAPHS)) for _ in range(DOCUMENTS)]


def _paragraph(rng: np.random.Generator) -> str:
    draw = Draw(rng)
    texts: list[str] = []
    for _ in range(SENTENCES):
        made = draw.rng.random()
        if made < 0.1:
            texts += [sentence.text for sentence in draw.pick(SAME)(draw)]
        else:
            texts.append(_sentence(pair if made < 0.2 else draw.pick(KINDS), draw).text)
    return " ".join(texts)


def _sentence(kind: Callable[[Sketch, Draw], None], draw: Draw) -> Annotated:
    sketch = Sketch()
    kind(sketch, draw)
    return sketch.done()


def _two_ways(say: Callable[[Sketch, int], None]) -> tuple[Annotated, Annotated]:
    first, second = Sketch(), Sketch()
    say(first, 0)
    say(second, 1)
    return first.done(), second.done()


def _passive(draw: Draw) -> tuple[Annotated, Annotated]:
    act = replace(draw.act(), verb=draw.pick(words.TRANSITIVE), object=draw.thing())
    return _two_ways(lambda sketch, way: say_stop(sketch, (say_act, say_passive)[way](sketch, act)))


def _dative(draw: Draw) -> tuple[Annotated, Annotated]:
    act = gift(draw)
    return _two_ways(lambda sketch, way: say_stop(sketch, say_act(sketch, act, shifted=bool(way))))


def _synonym(draw: Draw) -> tuple[Annotated, Annotated]:
    """A verb or an adjective for another of the same meaning."""
    pair = draw.pick(words.SYNONYMS)
    act = replace(draw.act(), verb=draw.pick(words.TRANSITIVE))
    thing = draw.thing(plain=True)

    def say(sketch: Sketch, way: int) -> None:
        if pair[way] in words.VERBS:
            said = replace(act, verb=pair[way], object=thing)
        else:
            said = replace(act, object=replace(thing, adjectives=(pair[way],)))
        say_stop(sketch, say_act(sketch, said))

    return _two_ways(say)


def _order(draw: Draw) -> tuple[Annotated, Annotated]:
    conjunction, inner, outer = draw.pick(words.CONJUNCTIONS), draw.act(), draw.act()
    return _two_ways(lambda sketch, way: say_clauses(sketch, conjunction, inner, outer, first=bool(way)))


SAME = (_passive, _dative, _synonym, _order)
