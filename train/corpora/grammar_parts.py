"""How the synthetic grammar makes phrases: what is meant is drawn first (Thing, Act), then said (Sketch).

One meaning can so be said in several ways, which is what a paraphrase is. Heads follow Universal Dependencies: content
words carry, function words hang from them. Links point from the later word to the earlier, so that a model that reads
from left to right can see them.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from train.corpora import grammar_words as words
from train.corpora.annotated import Annotated
from train.corpora.grammar_words import Noun

T = TypeVar("T")


class Sketch:
    """Words added from left to right, with their classes, heads and links; `done` makes the text of them."""

    def __init__(self):
        self.forms: list[str] = []
        self.classes: list[str] = []
        self.heads: list[int] = []
        self.links: dict[str, list[tuple[int, int]]] = defaultdict(list)
        self.senses: dict[int, str] = {}
        self.second: int | None = None

    def add(self, form: str, word_class: str, head: int = -1) -> int:
        """Append a word; its index. A head that comes later is set by `hang`."""
        self.forms.append(form)
        self.classes.append(word_class)
        self.heads.append(head)
        return len(self.forms) - 1

    def hang(self, child: int, head: int, link: str | None = None) -> None:
        """Make `head` the head of `child`, and name the link between the two if it has a name."""
        self.heads[child] = head
        if link:
            self.links[link].append((max(child, head), min(child, head)))

    def link(self, name: str, later: int, earlier: int) -> None:
        self.links[name].append((later, earlier))

    def done(self) -> Annotated:
        """The text: one space between words, none before , . ) and after (; a capital at the start of a sentence."""
        text, spans, start = "", [], True
        for form in self.forms:
            glued = form in ",.)" or text.endswith("(") or not text
            text += "" if glued else " "
            spans.append((len(text), len(text) + len(form)))
            text += form[0].upper() + form[1:] if start else form
            start = form == "."
        links = {name: tuple(pairs) for name, pairs in self.links.items()}
        return Annotated(
            text, tuple(spans), tuple(self.classes), tuple(self.heads), links, dict(self.senses), self.second
        )


@dataclass(frozen=True)
class Thing:
    """What a noun phrase means. near: a preposition and what it leads to ("the keys to the cabinet")."""

    noun: Noun
    many: bool = False
    determiner: str = "the"
    adjectives: tuple[str, ...] = ()
    near: "tuple[str, Thing] | None" = None
    sense: str | None = None

    @property
    def pronoun(self) -> str:
        """The subject pronoun; empty where the grammar leaves the gender open (a farmer)."""
        return "they" if self.many else self.noun.pronoun


@dataclass(frozen=True)
class Act:
    """What a clause means: who does what to whom. past: tense. to: who gets the object ("give")."""

    subject: Thing
    verb: str
    object: Thing | None = None
    to: Thing | None = None
    past: bool = False
    adverb: str = ""


class Draw:
    """Random choices about one topic; every draw is one number of the generator."""

    def __init__(self, rng: np.random.Generator, topic: str | None = None):
        self.rng = rng
        self.topic = topic or self.pick(words.TOPICS)

    def chance(self, p: float) -> bool:
        return self.rng.random() < p

    def pick(self, options: Sequence[T]) -> T:
        return options[int(self.rng.random() * len(options))]

    def two(self, options: Sequence[T]) -> tuple[T, T]:
        """Two different ones."""
        first = int(self.rng.random() * len(options))
        step = 1 + int(self.rng.random() * (len(options) - 1))
        return options[first], options[(first + step) % len(options)]

    def noun(self, table: dict[str, tuple[Noun, ...]]) -> Noun:
        """Three of four nouns are of the topic."""
        return self.pick(table[self.topic if self.chance(0.75) else self.pick(tuple(table))])

    def thing(self, noun: Noun | None = None, *, many: bool | None = None, plain: bool = False) -> Thing:
        """A noun phrase about an object, or about `noun`; plain: no adjective."""
        many = self.chance(0.4) if many is None else many
        noun = noun or self.noun(words.OBJECTS)
        determiners = ("the", "the", "the", "some", self.pick(words.NUMBERS)) if many else ("the", "the", "the", "a")
        adjectives = () if plain or self.chance(0.6) else (self.pick(words.ADJECTIVES),)
        return Thing(noun, many, self.pick(determiners), adjectives)

    def person(self, *, many: bool | None = None) -> Thing:
        return self.thing(self.noun(words.PEOPLE), many=many)

    def named(self) -> Thing:
        return Thing(self.pick(words.PROPER), determiner="")

    def act(self, subject: Thing | None = None, *, past: bool | None = None) -> Act:
        """Somebody does something, to something in two of three."""
        past = self.chance(0.4) if past is None else past
        subject = subject or self.person()
        adverb = self.pick(words.ADVERBS) if self.chance(0.2) else ""
        if self.chance(0.33):
            return Act(subject, self.pick(words.INTRANSITIVE), past=past, adverb=adverb)
        return Act(subject, self.pick(words.TRANSITIVE), self.thing(), past=past, adverb=adverb)


def say_thing(sketch: Sketch, thing: Thing) -> int:
    """The noun phrase; the index of its noun."""
    noun = thing.noun.many if thing.many else thing.noun.one
    if not thing.determiner:
        return sketch.add(noun, "PROPN")
    following = (*thing.adjectives, noun)[0]
    determiner = "an" if thing.determiner == "a" and following[0] in "aeiou" else thing.determiner
    before = [(sketch.add(determiner, "NUM" if determiner in words.NUMBERS else "DET"), "determiner")]
    before += [(sketch.add(adjective, "ADJ"), "adjective") for adjective in thing.adjectives]
    head = sketch.add(noun, "NOUN")
    for child, link in before:
        sketch.hang(child, head, link)
    if thing.sense:
        sketch.senses[head] = thing.sense
    if thing.near:
        sketch.hang(say_place(sketch, *thing.near), head)
    return head


def say_place(sketch: Sketch, preposition: str, thing: Thing) -> int:
    """ "to the cabinet": the index of the noun, on which the preposition hangs."""
    case = sketch.add(preposition, "ADP")
    head = say_thing(sketch, thing)
    sketch.hang(case, head, "preposition-object")
    return head


def say_agreement(sketch: Sketch, subject: Thing, noun: int, verb: int) -> None:
    """Link a verb that shows number to its subject; across a noun of the other number it is the harder link."""
    attractor = subject.near is not None and subject.near[1].many != subject.many
    sketch.link("agreement across attractor" if attractor else "agreement", verb, noun)


def say_verb(sketch: Sketch, act: Act, many: bool) -> int:
    """Adverb and verb; the index of the verb."""
    adverb = sketch.add(act.adverb, "ADV") if act.adverb else None
    forms = words.VERBS[act.verb]
    verb = sketch.add(forms.past if act.past else forms.base if many else forms.third, "VERB")
    if adverb is not None:
        sketch.hang(adverb, verb)
    return verb


def say_act(sketch: Sketch, act: Act, *, shifted: bool = False) -> int:
    """Subject, verb, object; the index of the verb. shifted: "gave a coin to the cook", not "gave the cook a coin"."""
    subject = say_thing(sketch, act.subject)
    verb = say_verb(sketch, act, act.subject.many)
    sketch.hang(subject, verb, "verb-subject")
    if not act.past:
        say_agreement(sketch, act.subject, subject, verb)
    if act.to and not shifted:
        sketch.hang(say_thing(sketch, act.to), verb)
    if act.object:
        sketch.hang(say_thing(sketch, act.object), verb, "object-verb")
    if act.to and shifted:
        sketch.hang(say_place(sketch, "to", act.to), verb)
    return verb


def say_passive(sketch: Sketch, act: Act) -> int:
    """ "The bowl was washed by the cook": the index of the participle."""
    assert act.object, "only what has an object can be said so"
    patient = say_thing(sketch, act.object)
    auxiliary = say_be(sketch, act.object, patient, act.past)
    adverb = sketch.add(act.adverb, "ADV") if act.adverb else None
    verb = sketch.add(words.VERBS[act.verb].participle, "VERB")
    for child in (auxiliary, adverb):
        if child is not None:
            sketch.hang(child, verb)
    sketch.hang(patient, verb, "verb-subject")
    sketch.hang(say_place(sketch, "by", act.subject), verb)
    return verb


def say_be(sketch: Sketch, subject: Thing, noun: int, past: bool) -> int:
    """is, are, was or were, linked to the subject; it hangs on what follows."""
    be = sketch.add({(0, 0): "is", (1, 0): "are", (0, 1): "was", (1, 1): "were"}[subject.many, past], "AUX")
    say_agreement(sketch, subject, noun, be)
    return be


def say_stop(sketch: Sketch, root: int) -> None:
    """The full stop; it hangs on the root."""
    sketch.add(".", "PUNCT", root)
