"""The kinds of sentence of the synthetic grammar: each says one sentence into a sketch, of words that it draws."""

from collections.abc import Callable
from dataclasses import replace

from train.corpora import grammar_words as words
from train.corpora.grammar_parts import (
    Act,
    Draw,
    Sketch,
    Thing,
    say_act,
    say_agreement,
    say_be,
    say_place,
    say_stop,
    say_thing,
    say_verb,
)


def _plain(sketch: Sketch, draw: Draw) -> None:
    say_stop(sketch, say_act(sketch, draw.act()))


def _place(sketch: Sketch, draw: Draw) -> None:
    verb = say_act(sketch, draw.act())
    sketch.hang(say_place(sketch, draw.pick(words.PREPOSITIONS[1:]), draw.thing()), verb)
    say_stop(sketch, verb)


def _attractor(sketch: Sketch, draw: Draw) -> None:
    """A noun of the other number stands between subject and verb: in a phrase, or in a relative clause."""
    many = draw.chance(0.5)
    between = draw.thing(many=not many) if draw.chance(0.5) else draw.person(many=not many)
    subject = draw.thing(many=many)
    while subject.noun == between.noun:
        subject = draw.thing(many=many)
    adjective, past = draw.pick(words.ADJECTIVES), draw.chance(0.4)
    if between.noun.person:
        noun = say_thing(sketch, subject)
        that = sketch.add("that", "PRON")
        other = say_thing(sketch, between)
        said = Act(between, draw.pick(words.TRANSITIVE), past=True, adverb=draw.pick(("", "", *words.ADVERBS[:2])))
        inner = say_verb(sketch, said, between.many)
        sketch.hang(inner, noun)
        sketch.hang(that, inner)
        sketch.hang(other, inner, "verb-subject")
        subject = replace(subject, near=("", between))  # the attractor, for the name of the link
    else:
        subject = replace(subject, near=(draw.pick(words.PREPOSITIONS), between))
        noun = say_thing(sketch, subject)
    say_stop(sketch, _quality(sketch, subject, noun, adjective, past))


def _quality(sketch: Sketch, subject: Thing, noun: int, adjective: str, past: bool) -> int:
    """ "... are old": the index of the adjective, the root."""
    be = say_be(sketch, subject, noun, past)
    root = sketch.add(adjective, "ADJ")
    sketch.hang(be, root)
    sketch.hang(noun, root)
    return root


def _list(sketch: Sketch, draw: Draw) -> None:
    """Three colours of one thing, or three things."""
    act = draw.act()
    subject = say_thing(sketch, act.subject)
    verb = say_verb(sketch, replace(act, verb=draw.pick(words.TRANSITIVE)), act.subject.many)
    sketch.hang(subject, verb, "verb-subject")
    if not act.past:
        say_agreement(sketch, act.subject, subject, verb)
    if draw.chance(0.5):
        first, second = draw.two(words.COLOURS)
        third = draw.pick([colour for colour in words.COLOURS if colour not in (first, second)])
        items = _items(sketch, [lambda form=form: sketch.add(form, "ADJ") for form in (first, second, third)])
        noun = sketch.add(draw.noun(words.OBJECTS).many, "NOUN")
        sketch.hang(items[0], noun, "adjective")
    else:
        nouns = words.OBJECTS[draw.topic]
        first, second = draw.two(nouns)
        third = draw.pick([noun for noun in nouns if noun not in (first, second)])
        things = [draw.thing(noun, plain=True) for noun in (first, second, third)]
        items = _items(sketch, [lambda thing=thing: say_thing(sketch, thing) for thing in things])
        noun = items[0]
    sketch.hang(noun, verb, "object-verb")
    for i, item in enumerate(items):
        for before in items[:i]:
            sketch.link("list", item, before)
    say_stop(sketch, verb)


def _items(sketch: Sketch, say: list[Callable[[], int]]) -> list[int]:
    """ "red, green and blue": commas and "and" hang on the item after them, items on the first."""
    first = say[0]()
    comma = sketch.add(",", "PUNCT")
    second = say[1]()
    conjunction = sketch.add("and", "CCONJ")
    third = say[2]()
    for child, head in ((comma, second), (conjunction, third), (second, first), (third, first)):
        sketch.hang(child, head)
    return [first, second, third]


def _acronym(sketch: Sketch, draw: Draw) -> None:
    """An organisation by its name, then twice by its letters."""
    parts = [draw.pick(options) for options in words.NAMES]
    letters = "".join(part[0] for part in parts)
    the = sketch.add("the", "DET")
    name = [sketch.add(part, "PROPN") for part in parts]
    head = name[-1]
    sketch.hang(the, head, "determiner")
    for part in name[:-1]:
        sketch.hang(part, head)
    opening = sketch.add("(", "PUNCT")
    defined = sketch.add(letters, "PROPN", head)
    for child in (opening, sketch.add(")", "PUNCT")):
        sketch.hang(child, defined)
    first = draw.act(past=True)
    verb = say_verb(sketch, first, False)
    sketch.hang(head, verb, "verb-subject")
    if first.object:
        sketch.hang(say_thing(sketch, first.object), verb, "object-verb")
    conjunction = sketch.add("and", "CCONJ")
    again_the = sketch.add("the", "DET")
    again = sketch.add(letters, "PROPN")
    sketch.hang(again_the, again, "determiner")
    second = draw.act(past=True)
    other = say_verb(sketch, second, False)
    sketch.hang(again, other, "verb-subject")
    if second.object:
        sketch.hang(say_thing(sketch, second.object), other, "object-verb")
    sketch.hang(conjunction, other)
    sketch.hang(other, verb)
    for later in (defined, again):
        for part in name:
            sketch.link("acronym-expansion", later, part)
    sketch.link("acronym-repeat", again, defined)
    say_stop(sketch, verb)


def _pronoun(sketch: Sketch, draw: Draw) -> None:
    """Two that differ in their pronoun, and a pronoun for one of them; or one person, and "they" or "it" for it."""
    subject = draw.named() if draw.chance(0.6) else draw.person(many=True)
    others = [name for name in words.PROPER if name.pronoun != subject.pronoun]
    if draw.chance(0.4):
        other = Thing(draw.pick(others), determiner="")
    else:
        other = draw.thing(many=False if subject.many else None)
    act = replace(draw.act(subject, past=True), verb=draw.pick(words.TRANSITIVE), object=other)
    verb = say_act(sketch, act)
    nouns = sketch.links["verb-subject"][-1][1], sketch.links["object-verb"][-1][0]
    which = int(draw.chance(0.5))
    meant = (subject, other)[which]
    mark = sketch.add(draw.pick(words.CONJUNCTIONS), "SCONJ")
    pronoun = sketch.add(meant.pronoun, "PRON")
    sketch.link("pronoun-antecedent", pronoun, nouns[which])
    inner = _quality(sketch, replace(meant, near=None), pronoun, draw.pick(words.ADJECTIVES), True)
    sketch.hang(mark, inner)
    sketch.hang(inner, verb)
    say_stop(sketch, verb)


def _homonym(sketch: Sketch, draw: Draw) -> None:
    """A place and a person of one topic, then the homonym in the sense of that topic."""
    word = draw.pick(tuple(words.SENSES))
    topic = draw.pick(words.SENSES[word])
    inside = Draw(draw.rng, topic)
    place = inside.thing(inside.pick(words.OBJECTS[topic]), many=False)
    person = inside.thing(inside.pick(words.PEOPLE[topic]))
    meant = replace(inside.thing(words.HOMONYMS[word], plain=inside.chance(0.7)), sense=f"{word}.{topic}")
    spot = say_place(sketch, inside.pick(("near", "behind", "beside")), place)
    act = replace(inside.act(person), verb=inside.pick(words.TRANSITIVE), object=meant)
    verb = say_act(sketch, act)
    sketch.hang(spot, verb)
    say_stop(sketch, verb)


def _giving(sketch: Sketch, draw: Draw) -> None:
    say_stop(sketch, say_act(sketch, gift(draw), shifted=draw.chance(0.5)))


def gift(draw: Draw) -> Act:
    """Somebody gives something to somebody."""
    return replace(draw.act(), verb=draw.pick(words.DATIVE), object=draw.thing(), to=draw.person())


def _clauses(sketch: Sketch, draw: Draw) -> None:
    say_clauses(sketch, draw.pick(words.CONJUNCTIONS), draw.act(), draw.act(), first=draw.chance(0.5))


def say_clauses(sketch: Sketch, conjunction: str, inner: Act, outer: Act, *, first: bool) -> None:
    """ "When A, B." or "B when A."."""
    if first:
        mark = sketch.add(conjunction, "SCONJ")
        dependent = say_act(sketch, inner)
        comma = sketch.add(",", "PUNCT", dependent)
        main = say_act(sketch, outer)
    else:
        main = say_act(sketch, outer)
        mark, comma = sketch.add(conjunction, "SCONJ"), None
        dependent = say_act(sketch, inner)
    sketch.hang(mark, dependent)
    sketch.hang(dependent, main)
    if comma is not None:
        sketch.heads[comma] = dependent
    say_stop(sketch, main)


def pair(sketch: Sketch, draw: Draw) -> None:
    """Two sentences about one noun: what it does and where it does it differ, by words that could change places.

    Adjectives, adverbs and the place at the front come and go, so that no fixed distance finds the words that match.
    """
    noun = draw.pick((*words.PEOPLE[draw.topic], *words.OBJECTS["home"][-2:]))
    places = draw.two([words.OF[word] for word in draw.pick(words.TWINS)])
    many, preposition = draw.chance(0.3), draw.pick(("on", "near", "behind"))
    clauses = []
    for verb, place in zip(draw.two(words.POSTURE), places, strict=True):
        if clauses:
            sketch.second = len(sketch.forms)
        who, where = (
            Thing(of, number, adjectives=(draw.pick(words.ADJECTIVES),) if draw.chance(0.4) else ())
            for of, number in ((noun, many), (place, False))
        )
        front = say_place(sketch, preposition, where) if draw.chance(0.3) else None
        subject = say_thing(sketch, who)
        act = say_verb(sketch, Act(who, verb, past=True, adverb=draw.pick(("", "", *words.ADVERBS[:2]))), many)
        sketch.hang(subject, act, "verb-subject")
        end = say_place(sketch, preposition, where) if front is None else front
        sketch.hang(end, act)
        say_stop(sketch, act)
        clauses.append((subject, act, end))
    (subject, act, end), (subject_b, act_b, end_b) = clauses
    sketch.link("equal", subject_b, subject)
    sketch.link("substitutable", act_b, act)
    sketch.link("substitutable", end_b, end)


KINDS = (_plain, _place, _attractor, _list, _acronym, _pronoun, _homonym, _giving, _clauses)
