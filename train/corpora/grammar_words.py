"""The words of the synthetic grammar (`train.corpora.grammar`): nouns by topic, homonyms, verbs, adjectives, names.

A noun belongs to one topic; a homonym to two, one per sense, and so to none of its own. Twins are nouns of one topic
that stand in the same places; synonyms are verbs and adjectives of one meaning.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Noun:
    """One word for things or persons. topic: None for names and homonyms. pronoun: of one of them."""

    one: str
    many: str
    topic: str | None
    person: bool = False
    pronoun: str = "it"


@dataclass(frozen=True)
class Verb:
    """base sees one -> third; past; participle: "see", "sees", "saw", "seen"."""

    base: str
    third: str
    past: str
    participle: str


IRREGULAR = {"fisherman": "fishermen", "knife": "knives", "shelf": "shelves", "mouse": "mice", "wolf": "wolves"}

PERSONS = {
    "water": "fisherman sailor captain",
    "money": "clerk merchant banker",
    "animals": "farmer keeper rider",
    "sport": "player coach runner",
    "building": "builder mason painter",
    "office": "secretary manager lawyer",
    "kitchen": "cook baker waiter",
    "garden": "gardener florist picker",
    "music": "singer drummer composer",
    "school": "teacher student scholar",
}
THINGS = {
    "water": "river boat ship net lake harbor wave shell anchor",
    "money": "coin loan debt wallet purse price account fee market",
    "animals": "cow horse wolf goat lion rabbit cage barn stable",
    "sport": "ball team goal race trophy prize helmet stadium game",
    "building": "wall roof brick ladder tower beam tile hammer mallet",
    "office": "desk letter printer folder cabinet key drawer stamp shelf",
    "kitchen": "bowl dish spoon pan oven plate cake kettle knife",
    "garden": "rose tree shovel spade hedge seed flower lawn fence",
    "music": "song tune drum guitar violin concert melody piano choir",
    "school": "book pencil lesson exam test map essay classroom poem",
}
TWINS = (
    *(("boat", "ship"), ("wallet", "purse"), ("barn", "stable"), ("trophy", "prize"), ("hammer", "mallet")),
    *(("bowl", "dish"), ("shovel", "spade"), ("song", "tune"), ("exam", "test"), ("mat", "rug"), ("sofa", "couch")),
)
HOME = "mat rug sofa couch chair lamp pillow cat dog"  # the topic "home" has no persons

SENSES = {
    "bank": ("water", "money"),
    "bass": ("water", "music"),
    "bat": ("animals", "sport"),
    "crane": ("animals", "building"),
    "mouse": ("animals", "office"),
    "trunk": ("animals", "garden"),
    "seal": ("water", "office"),
    "pitcher": ("sport", "kitchen"),
    "note": ("music", "money"),
    "scale": ("music", "kitchen"),
    "plant": ("garden", "building"),
    "ruler": ("school", "money"),
}

FEMALE = ("Mary", "Anna", "Lucy", "Emma", "Clara", "Nina")
MALE = ("John", "Peter", "Paul", "Henry", "Oscar", "Simon")

NAMES = (  # words of organisations; their first letters make the acronym
    ("National", "Royal", "Central", "Eastern", "Modern", "United"),
    ("Bird", "River", "Garden", "Music", "Forest", "Library"),
    ("Trust", "Society", "Union", "Club", "Agency", "League"),
)

_FORMS = """
see sees saw seen|spot spots spotted spotted|repair repairs repaired repaired|mend mends mended mended
buy buys bought bought|purchase purchases purchased purchased|take takes took taken|grab grabs grabbed grabbed
clean cleans cleaned cleaned|find finds found found|carry carries carried carried|praise praises praised praised
know knows knew known|watch watches watched watched|move moves moved moved|want wants wanted wanted
give gives gave given|sell sells sold sold|send sends sent sent|show shows showed shown
sleep sleeps slept slept|wait waits waited waited|rest rests rested rested|laugh laughs laughed laughed
arrive arrives arrived arrived|leave leaves left left|sit sits sat sat|lie lies lay lain|stand stands stood stood
"""
VERBS = {
    verb.base: verb for verb in (Verb(*forms.split()) for forms in _FORMS.replace("\n", "|").strip("|").split("|"))
}
TRANSITIVE = tuple(VERBS)[:16]
DATIVE = ("give", "sell", "send", "show")
INTRANSITIVE = ("sleep", "wait", "rest", "laugh", "arrive", "leave")
POSTURE = ("sit", "lie", "stand", "rest", "wait", "sleep")

COLOURS = ("red", "green", "blue", "yellow", "white", "black", "brown")
ADJECTIVES = ("big", "large", "small", "little", "old", "ancient", "dirty", "muddy", "new", "heavy", "lost", "strange")
SYNONYMS = (
    *(("big", "large"), ("small", "little"), ("old", "ancient"), ("dirty", "muddy")),
    *(("see", "spot"), ("repair", "mend"), ("buy", "purchase"), ("take", "grab")),
)
ADVERBS = ("often", "rarely", "quietly", "gladly", "slowly", "quickly")
PREPOSITIONS = ("to", "near", "behind", "beside", "with", "from")
NUMBERS = ("two", "three", "four", "five")
CONJUNCTIONS = ("because", "when", "before", "while")


def plural(word: str) -> str:
    """The plural: "keys", "boxes", "melodies", "knives"."""
    if word in IRREGULAR:
        return IRREGULAR[word]
    if word.endswith("y") and word[-2] not in "aeiou":
        return word[:-1] + "ies"
    return word + ("es" if word.endswith(("s", "x", "ch", "sh")) else "s")


def _nouns(words: str, topic: str, person: bool) -> list[Noun]:
    return [Noun(word, plural(word), topic, person, "" if person else "it") for word in words.split()]


PEOPLE = {topic: tuple(_nouns(words, topic, True)) for topic, words in PERSONS.items()}
OBJECTS = {topic: tuple(_nouns(words, topic, False)) for topic, words in (THINGS | {"home": HOME}).items()}
TOPICS = tuple(PERSONS)
HOMONYMS = {word: Noun(word, plural(word), None) for word in SENSES}
PROPER = tuple(
    Noun(name, name, None, True, pronoun) for names, pronoun in ((FEMALE, "she"), (MALE, "he")) for name in names
)
OF = {
    form: noun
    for table in (PEOPLE, OBJECTS)
    for nouns in table.values()
    for noun in nouns
    for form in (noun.one, noun.many)
}
"""The noun behind a form; homonyms and names are not among them."""
