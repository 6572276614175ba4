"""Random scenes and the sentences that describe them.

`sample_scene(rng)` gives the attributes (see vocabulary.COLUMNS); `caption(attributes, rng)` gives one of many ways to
say them, lowercased as the text side of IF sees it.
"""
import random

from vocabulary import COLOURS, COLUMN, COLUMNS, LETTERS, SHAPES, STYLES

WHITE, BLACK, BLUE, GRAY = (COLOURS.index(c) for c in ("white", "black", "blue", "gray"))
WORDS = (
    "cat dog sun sea sky red tea art map bus car key egg ice fox owl bee ant pig cow hen bat rat jam pie box cup hat bed"
    " one two six ten yes no go up in on off out new old big hot top fun run win sale open exit stop taxi wifi cafe bar"
    " pub zoo gym spa love hope home food fish cake milk wine beer book film jazz rock news park road bank shop star moon"
    " rain snow wind fire king echo zero five four nine hello jump play quiz vote work xray yoga zone help info left"
    " menu next okay push pull quit room slow turn wait warm cold free 7up 24h 3d 4k 5g a4 b2 k9 u2 100 200 365 404 2024"
    " 1984 2026 42 99 007 360 hi ok tv pc usa nyc lax eu uk ai ml"
).split()
WORDS = [w.upper() for w in WORDS if len(w) <= 4]


def random_letters(rng: random.Random) -> str:
    """1 to 4 letters or digits: a third common words, the rest without sense, so that no word is learnt as a whole."""
    kind = rng.random()
    if kind < 0.3:
        return rng.choice(WORDS)
    n = rng.choices([1, 2, 3, 4], [0.15, 0.2, 0.3, 0.35])[0]
    alphabet = LETTERS[:26] if kind < 0.78 else LETTERS[26:] if kind < 0.88 else LETTERS
    return "".join(rng.choice(alphabet) for _ in range(n))


def sample_scene(rng: random.Random, lettering: float = 0.45, one: float = 0.17) -> list[int]:
    """Attributes of a random scene; `lettering` and `one` are the shares of signs and of single objects."""
    row = dict.fromkeys(COLUMNS, -1)
    style = rng.choices([0, 1, 2], [0.6, 0.22, 0.18])[0]
    u = rng.random()
    kind = 2 if u < lettering else 0 if u < lettering + one else 1
    row.update(style=style, kind=kind, relation_told=0, background_told=0)
    colours = [c for c in range(len(COLOURS)) if not (style == 1 and c == BLACK)]
    if kind == 2:
        row["sign"] = WHITE if rng.random() < 0.25 else rng.choice(colours)
        word = random_letters(rng)
        row["letters"] = len(word)
        for i, letter in enumerate(word):
            row[f"letter_{i}"] = LETTERS.index(letter)
        used = {row["sign"]}
    else:
        for slot in "ab"[: kind + 1]:
            row[f"shape_{slot}"] = rng.randrange(len(SHAPES))
            row[f"colour_{slot}"] = rng.choice(colours)
            row[f"size_{slot}"] = rng.choices([0, 1, 2], [0.46, 0.27, 0.27])[0]
        used = {row["colour_a"], row["colour_b"]}
        if kind == 1:
            row["relation_told"] = int(rng.random() < 0.93)
            row["relation"] = rng.randrange(4) if row["relation_told"] else 0  # "a and b": read from left to right
    row["background"] = WHITE
    if style == 0:
        row["background_told"] = int(rng.random() < 0.72)
        if row["background_told"]:
            free = [c for c in range(len(COLOURS)) if c not in used]
            row["background"] = WHITE if WHITE in free and rng.random() < 0.35 else rng.choice(free)
        elif kind != 2 and WHITE in used:  # a white thing on a ground nobody named
            row["background"] = GRAY if BLUE in used else BLUE
    else:  # the look brings its own ground; naming the usual one changes nothing
        row["background"] = BLACK if style == 1 else WHITE
        row["background_told"] = int(rng.random() < 0.15)
    return [row[name] for name in COLUMNS]


def article(words: str, rng: random.Random) -> str:
    if rng.random() < 0.08:
        return words
    if rng.random() < 0.06:
        return f"the {words}" if rng.random() < 0.5 else f"one {words}"
    return ("an " if words[0] in "aeiou" else "a ") + words


def colour_word(index: int, rng: random.Random) -> str:
    return "grey" if index == GRAY and rng.random() < 0.35 else COLOURS[index]


def thing(row, slot: str, rng: random.Random) -> str:
    size = row[COLUMN[f"size_{slot}"]]
    size = [rng.choice(["", "", "", "medium"]),
            rng.choices(["small", "little", "tiny"], [6, 1, 1])[0],
            rng.choices(["large", "big", "huge"], [6, 2, 1])[0]][size]
    words = [size, colour_word(row[COLUMN[f"colour_{slot}"]], rng), SHAPES[row[COLUMN[f"shape_{slot}"]]]]
    return article(" ".join(w for w in words if w), rng)


RELATION_WORDS = [
    ["left of", "left of", "left of", "to the left of", "on the left of", "on the left side of"],
    ["right of", "right of", "right of", "to the right of", "on the right of", "on the right side of"],
    ["above", "above", "above", "over", "on top of"],
    ["below", "below", "below", "under", "beneath", "underneath"],
]
UNTOLD_WORDS = ["and", "next to", "beside", "with"]
ABSOLUTE = [("on the left", "on the right"), ("on the right", "on the left"),
            ("at the top", "at the bottom"), ("at the bottom", "at the top")]


def objects_phrase(row, rng: random.Random) -> str:
    first = thing(row, "a", rng)
    if row[COLUMN["kind"]] == 0:
        return first
    second, relation = thing(row, "b", rng), row[COLUMN["relation"]]
    if not row[COLUMN["relation_told"]]:
        return f"{first} {rng.choice(UNTOLD_WORDS)} {second}"
    u = rng.random()
    if u < 0.05:
        here, there = ABSOLUTE[relation]
        return f"{first} {here} and {second} {there}"
    verb = "is " if rng.random() < 0.05 else ""
    return f"{first} {verb}{rng.choice(RELATION_WORDS[relation])} {second}"


def sign_phrase(row, rng: random.Random) -> str:
    letters = "".join(LETTERS[row[COLUMN[f"letter_{i}"]]] for i in range(row[COLUMN["letters"]])).lower()
    colour = row[COLUMN["sign"]]
    board = "sign" if rng.random() < 0.94 else rng.choice(["board", "plate", "label"])
    board = article(board if colour == WHITE and rng.random() < 0.3 else f"{colour_word(colour, rng)} {board}", rng)
    quote = rng.choices(['"', "'", ""], [88, 8, 4])[0]
    text = f"{quote}{letters}{quote}"
    u = rng.random()
    if u < 0.62:
        return f"{board} that says {text}"
    if u < 0.7:
        return f"the word {text} on {board}"
    if u < 0.74:
        return f"{text} written on {board}"
    how = ["saying", "with the text", "with the word", "with the letters", "that reads", "reading", "with", "which says"]
    return f"{board} {rng.choice(how)} {text}"


def caption(row, rng: random.Random) -> str:
    """One description of the scene, lowercased."""
    kind, style = row[COLUMN["kind"]], row[COLUMN["style"]]
    what = sign_phrase(row, rng) if kind == 2 else objects_phrase(row, rng)
    ground = ""
    if row[COLUMN["background_told"]]:
        word = colour_word(row[COLUMN["background"]], rng)
        ground = rng.choices(
            [f"on a {word} background", f"on {word}", f"against a {word} background", f"with a {word} background",
             f"in front of a {word} background", f"on a {word} ground", f"on {word} background"],
            [70, 6, 6, 6, 3, 3, 6])[0]
        if word[0] in "aeiou":
            ground = ground.replace(" a ", " an ")
    front = rng.random()
    if ground and front < 0.06:
        what = f"{ground}, {what}" if front < 0.04 else f"{ground} {what}"
    elif ground:
        what = f"{what} {ground}"
    name = STYLES[style]
    look = ""
    if style or rng.random() < 0.2:
        look = rng.choices(["tail", "comma", "style", "of"], [70, 14, 8, 8])[0]
    u = rng.random()
    if look == "of":
        medium = rng.choice([f"{name} drawing", f"{name} picture", f"{name} style drawing"])
        text = f"{rng.choice(['a ', 'a ', ''])}{medium} of {what}"
    else:
        prefix = ""
        if u < 0.14:
            prefix = rng.choice(["a photo of ", "a picture of ", "a drawing of ", "an image of ", "an illustration of ",
                                 "photo of ", "picture of ", "drawing of ", "a painting of ", "draw ", "there is "])
        tail = {"": "", "tail": f" in {name} style", "comma": f", {name} style", "style": f" in the {name} style"}[look]
        text = f"{prefix}{what}{tail}"
    if rng.random() < 0.03:
        text += "."
    return text
