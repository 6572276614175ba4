"""Random scenes of things, shapes and signs, and the sentences that describe them.

`sample(rng, things)` gives a row (see COLUMNS); `caption(row, rng, things)` gives marked text, which `unmark` turns into the
lowercased sentence and the spans of characters that belong to an object or to a letter of a sign.
"""
import json
import os
import random
import re
from collections import Counter

from vocabulary import COLOURS, LETTERS, SHAPES

STYLES = ["flat", "neon", "pencil", "cartoon", "line"]
LONGEST, LONG, SHORT = 8, 7, 4
SIGN, FIRST_THING = len(SHAPES), len(SHAPES) + 1  # object numbers: shapes, the sign, then things
COLUMNS = (["style", "ground", "ground_told", "kind", "relation", "count",
            "object_a", "colour_a", "size_a", "object_b", "colour_b", "size_b", "length_0", "length_1"]
           + [f"letter_{i}" for i in range(2 * LONGEST)])
# What to begin with: mostly one thing, seldom a small one.
EASY = {"signs": 0.15, "shapes": 0.12, "kinds": (64, 27, 9), "sizes": (62, 10, 28)}
COLUMN = {name: i for i, name in enumerate(COLUMNS)}
ONE, TWO, MANY = range(3)  # kinds
NUMBERS = ["zero", "one", "two", "three", "four", "five", "six"]
WHITE, BLACK, BLUE, GRAY = (COLOURS.index(c) for c in ("white", "black", "blue", "gray"))
WORDS = (
    "cat dog sun sea sky red tea art map bus car key egg ice fox owl bee ant pig cow hen bat rat jam pie box cup hat bed"
    " one two six ten yes no go up in on off out new old big hot top fun run win sale open exit stop taxi wifi cafe bar"
    " pub zoo gym spa love hope home food fish cake milk wine beer book film jazz rock news park road bank shop star moon"
    " rain snow wind fire king echo zero five four nine hello jump play quiz vote work xray yoga zone help info left"
    " menu next okay push pull quit room slow turn wait warm cold free 7up 24h 3d 4k 5g a4 b2 k9 u2 100 200 365 404 2024"
    " 1984 2026 42 99 007 360 hi ok tv pc usa nyc lax eu uk ai ml"
).upper().split()
LONG_WORDS = ("hello world happy birthday welcome coffee pizza garden closed danger library museum summer winter school market"
              " bakery family flower monday sunday friday please thanks party music dream ocean forest planet rocket travel"
              " magic sweet dogs cats books fresh fruit no entry keep out good luck big sale ice cream exit here").upper().split()
RELATION_WORDS = [
    ["left of", "left of", "left of", "to the left of", "on the left of", "on the left side of"],
    ["right of", "right of", "right of", "to the right of", "on the right of", "on the right side of"],
    ["above", "above", "above", "over", "on top of"],
    ["below", "below", "below", "under", "beneath", "underneath"],
]
UNTOLD_WORDS = ["and", "next to", "beside", "with"]
ABSOLUTE = [("on the left", "on the right"), ("on the right", "on the left"),
            ("at the top", "at the bottom"), ("at the bottom", "at the top")]
# Words that change nothing, as far as this cascade knows.
EPITHETS = ("nice cute beautiful pretty lovely happy funny fluffy shiny simple single new old young fresh sweet cool plain little"
            " wooden bright colorful colourful modern classic tasty delicious cosy round").split()
IRREGULAR = {"mouse": "mice", "computer mouse": "computer mice", "fish": "fish", "goose": "geese", "sheep": "sheep", "deer": "deer",
             "bison": "bison", "leaf": "leaves", "wolf": "wolves", "shelf": "shelves", "tooth": "teeth", "foot": "feet", "ox": "oxen",
             "loaf": "loaves", "die": "dice", "buffalo": "buffaloes", "potato": "potatoes", "tomato": "tomatoes", "shrimp": "shrimps"}


def colour_word(index, rng):
    return "grey" if COLOURS[index] == "gray" and rng.random() < 0.35 else COLOURS[index]


def load_things(path):
    with open(os.path.join(path, "things.json")) as file:
        return json.load(file)["things"]


def plural(name):
    for preposition in (" of ", " with ", " on ", " in ", " behind ", " from "):
        if preposition in name:
            head, rest = name.split(preposition, 1)
            return plural(head) + preposition + rest
    *before, last = name.split(" ")
    if last in IRREGULAR:
        last = IRREGULAR[last]
    elif re.search(r"(s|x|z|ch|sh)$", last):
        last = last if last.endswith("s") and not last.endswith("ss") and not last.endswith("us") else last + "es"
    elif re.search(r"[^aeiou]y$", last):
        last = last[:-1] + "ies"
    else:
        last += "s"
    return " ".join([*before, last])


def known_to_tokenizer(things):
    """Words of at most LONGEST letters that are one token behind a space: as the second word of a sign they are not spelt."""
    if not hasattr(known_to_tokenizer, "words"):
        names = [name for thing in things for name in thing["names"] + thing["more"]] + SHAPES + COLOURS + STYLES
        words = {w.upper() for name in names for w in name.split() + plural(name).split()}
        known_to_tokenizer.words = sorted(w for w in words if len(w) <= LONGEST and set(w) <= set(LETTERS))
    return known_to_tokenizer.words


def known_word(rng, things):
    """A word that is one token.  Half are long: all their letters come from that token, and those were the last to be right."""
    words = known_to_tokenizer(things)
    return rng.choice([w for w in words if len(w) >= LONG] if rng.random() < 0.5 else words)


def word(rng, longest=LONGEST):
    """1 to `longest` letters: half are words, the rest without sense, so that none is learnt as a whole."""
    u = rng.random()
    if u < 0.3:
        return rng.choice([w for w in WORDS if len(w) <= longest])
    if u < 0.5 and longest == LONGEST:
        return rng.choice(LONG_WORDS)
    n = rng.choices(range(1, longest + 1), [10, 14, 20, 20, 14, 9, 7, 6][:longest])[0]
    alphabet = LETTERS[:26] if u < 0.85 else LETTERS
    return "".join(rng.choice(alphabet) for _ in range(n))


def put_word(row, rng, things, second):
    """A sign beside something else is small: it has one line of at most SHORT letters. `second` as in `sample`."""
    lines = [word(rng, LONGEST if row["kind"] == ONE else SHORT)]
    share, known = second
    if row["kind"] == ONE and rng.random() < share:
        lines.append(known_word(rng, things) if rng.random() < known else word(rng))
    for j in range(2):
        text = lines[j] if j < len(lines) else ""
        row[f"length_{j}"] = len(text)
        for i, letter in enumerate(text):
            row[f"letter_{j * LONGEST + i}"] = LETTERS.index(letter)


SECOND = (0.3, 0.5)  # of lone signs those with two words, and of these the ones whose second word the tokenizer knows


def sample(rng, things, signs=0.22, shapes=0.25, kinds=(50, 40, 10), sizes=(56, 22, 22), second=SECOND):
    """Attributes of a random scene; -1 where nothing is said and nothing is to be known."""
    row = dict.fromkeys(COLUMNS, -1)
    row["style"] = rng.choices(range(5), [44, 12, 12, 20, 12])[0]
    row["kind"] = rng.choices([ONE, TWO, MANY], kinds)[0]
    row["count"], row["length_0"], row["length_1"] = 1, 0, 0
    slots = "ab" if row["kind"] == TWO else "a"
    sign_used = False
    for slot in slots:
        u = rng.random()
        if u < signs and row["kind"] != MANY and not sign_used:
            row[f"object_{slot}"], sign_used = SIGN, True
            put_word(row, rng, things, second)
        elif u < signs + shapes:
            row[f"object_{slot}"] = rng.randrange(len(SHAPES))
        else:
            row[f"object_{slot}"] = FIRST_THING + rng.randrange(len(things))
        is_thing = row[f"object_{slot}"] >= FIRST_THING
        row[f"colour_{slot}"] = rng.randrange(len(COLOURS)) if not is_thing or rng.random() < 0.25 else -1
        if row[f"object_{slot}"] == SIGN and rng.random() < 0.25:
            row[f"colour_{slot}"] = WHITE
        row[f"size_{slot}"] = rng.choices([0, 1, 2], sizes)[0] if row["kind"] != MANY else 0
    if row["kind"] == TWO and rng.random() < 0.9:
        row["relation"] = rng.randrange(4)
    if row["kind"] == MANY:
        row["count"] = rng.choices(range(2, 7), [30, 30, 20, 10, 10])[0]
    row["ground_told"] = int(rng.random() < (0.5 if row["style"] in (0, 3) else 0.3))
    used = {row["colour_a"], row["colour_b"]}
    if row["ground_told"]:
        free = [c for c in range(len(COLOURS)) if c not in used]
        row["ground"] = rng.choice(free)
    else:  # neon brings a dark ground of its own, pencil brings paper
        row["ground"] = {1: BLACK, 2: WHITE}.get(row["style"], (GRAY if BLUE in used else BLUE) if WHITE in used else WHITE)
    return [row[name] for name in COLUMNS]


def article(words, rng):
    u = rng.random()
    if u < 0.12:
        return words if u < 0.08 else f"{'the' if u < 0.1 else 'one'} {words}"
    return ("an " if words[0] in "aeiou" else "a ") + words


def object_words(row, slot, rng, things):
    """One object with its article, between the marks 1 or 2 and 3; letters between 4 and 5."""
    number, colour = row[COLUMN[f"object_{slot}"]], row[COLUMN[f"colour_{slot}"]]
    size = [rng.choice(["", "", "", "", "medium"]), rng.choices(["small", "little", "tiny"], [6, 1, 1])[0],
            rng.choices(["large", "big", "huge"], [6, 2, 1])[0]][row[COLUMN[f"size_{slot}"]]]
    if number >= FIRST_THING:
        thing = things[number - FIRST_THING]
        names = thing["names"]
        name = names[0] if rng.random() < 0.55 else rng.choice(names + (thing["more"] if rng.random() < 0.35 else []))
    else:
        name = "sign" if number == SIGN else SHAPES[number]
    if rng.random() < 0.06:  # a word that is not known, or does not matter
        made_up = "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randint(4, 9)))
        size = f"{size} {rng.choice(EPITHETS) if rng.random() < 0.6 else made_up}".strip()
    if number == SIGN and rng.random() < 0.05:
        name = rng.choice(["board", "plate", "label"])
    hue = colour_word(colour, rng) if colour >= 0 else ""
    if number == SIGN and colour == WHITE and rng.random() < 0.3:
        hue = ""
    mark = "\x01" if slot == "a" else "\x02"
    if row[COLUMN["kind"]] == MANY:
        n = row[COLUMN["count"]]
        head = NUMBERS[n] if rng.random() < 0.85 else str(n)
        if n == 2 and rng.random() < 0.1:
            head = "a pair of"
        return f"{mark}{' '.join(w for w in (head, hue, plural(name)) if w)}\x03"
    words = article(" ".join(w for w in (size, hue, name) if w), rng)
    if number != SIGN:
        return f"{mark}{words}\x03"
    parts = ["".join(LETTERS[row[COLUMN[f"letter_{j * LONGEST + i}"]]] for i in range(row[COLUMN[f"length_{j}"]])) for j in range(2)]
    quote = rng.choices(['"', "'", ""], [90, 7, 3])[0]
    text = f"{quote}\x04{' '.join(p for p in parts if p)}\x05{quote}"
    if row[COLUMN["kind"]] == ONE and rng.random() < 0.1:
        return f"the word {text} on {mark}{words}\x03"
    how = rng.choices(["that says", "saying", "with the text", "with the word", "that reads", "reading", "with", "which says"],
                      [60, 8, 6, 6, 6, 4, 5, 5])[0]
    return f"{mark}{words}\x03 {how} {text}"


def caption(row, rng, things):
    kind, style, relation = (row[COLUMN[name]] for name in ("kind", "style", "relation"))
    what = object_words(row, "a", rng, things)
    if kind == TWO:
        second = object_words(row, "b", rng, things)
        if relation < 0:
            what = f"{what} {rng.choice(UNTOLD_WORDS)} {second}"
        elif rng.random() < 0.05:
            here, there = ABSOLUTE[relation]
            what = f"{what} {here} and {second} {there}"
        else:
            what = f"{what} {'is ' if rng.random() < 0.05 else ''}{rng.choice(RELATION_WORDS[relation])} {second}"
    if row[COLUMN["ground_told"]]:
        hue = colour_word(row[COLUMN["ground"]], rng)
        ground = rng.choices([f"on a {hue} background", f"on {hue}", f"against a {hue} background", f"with a {hue} background",
                              f"on a {hue} ground", f"on {hue} background"], [70, 7, 7, 6, 3, 7])[0]
        ground = ground.replace(" a o", " an o")
        if rng.random() < 0.05:  # nothing else is said before it
            look = f" in {STYLES[style]} style" if style else ""
            return f"{ground}, {what}{look}"
        what = f"{what} {ground}"
    name, tail = STYLES[style], ""
    if style or rng.random() < 0.2:
        u = rng.random()
        if u < 0.1:
            return f"a {name} {rng.choice(['drawing', 'picture', 'style drawing'])} of {what}"
        tail = f" in {name} style" if u < 0.8 else f", {name} style" if u < 0.92 else f" in the {name} style"
    prefix = ""
    if rng.random() < 0.14:
        prefix = rng.choice(["a photo of ", "a picture of ", "a drawing of ", "an image of ", "an illustration of ", "photo of ",
                             "picture of ", "drawing of ", "a painting of ", "draw ", "there is "])
    return f"{prefix}{what}{tail}{'.' if rng.random() < 0.03 else ''}"


def unmark(marked):
    """Marked text -> (text, objects, letters): per character 0 or 1 for the object mentioned (-1 none), and the letter's
    index in the row (-1 none)."""
    text, objects, letters = [], [], []
    mentioned, inside, letter = -1, False, 0
    for c in marked:
        if c in "\x01\x02":
            mentioned = ord(c) - 1
        elif c == "\x03":
            mentioned = -1
        elif c == "\x04":
            inside, letter = True, 0
        elif c == "\x05":
            inside = False
        else:
            text.append(c.lower())
            objects.append(mentioned)
            if inside and c == " ":
                letter = LONGEST
            letters.append(letter if inside and c != " " else -1)
            letter += inside and c != " "
    return "".join(text), objects, letters


def known_words(things):
    """Every word that training captions use outside lettering, the most frequent first."""
    rng, met = random.Random(5), Counter()
    for _ in range(120000):
        text = caption(sample(rng, things), rng, things)
        met.update(re.findall(r"[a-z0-9]+", re.sub("\x04.*?\x05", " ", text)))
    words = {word: n for word, n in met.items() if n > 3}  # made-up ones are met once
    for thing in things:
        for name in thing["names"] + thing["more"]:
            for word in name.split() + plural(name).split():
                words.setdefault(word, 0)
    return sorted((w for w in words if not w.isdigit() or len(w) == 1), key=lambda w: (-words[w], w))
