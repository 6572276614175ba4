"""What the demo cascade can draw: shapes, colours, looks, letters.  Everything else derives from these tables."""

SHAPES = ["circle", "square", "triangle", "star", "ring", "cross", "diamond", "heart"]
COLOURS = ["red", "green", "blue", "yellow", "purple", "orange", "pink", "gray", "black", "white"]
STYLES = ["flat", "neon", "pencil"]
SIZES = ["medium", "small", "large"]  # "medium" is what a caption without a size word gets
RELATIONS = ["left", "right", "above", "below"]  # where the first object is, seen from the second
KINDS = ["one", "two", "sign"]
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
MAX_LETTERS = 4

# sRGB, 0..255, in the order of COLOURS
FLAT = [
    (226, 54, 54), (52, 168, 83), (45, 98, 222), (250, 204, 30), (136, 62, 190),
    (245, 130, 32), (245, 130, 180), (140, 144, 150), (28, 28, 32), (255, 255, 255),
]
NEON = [
    (255, 60, 70), (60, 255, 120), (60, 130, 255), (255, 235, 60), (190, 80, 255),
    (255, 150, 40), (255, 110, 200), (165, 170, 180), (90, 92, 110), (255, 255, 255),
]
NEON_GROUND = (18, 18, 30)
PAPER = (247, 244, 236)
PENCIL_LINE = (84, 86, 92)
PENCIL_TEXT = (44, 46, 52)
PENCIL_WASH = 0.5  # how much of the object's colour tints the paper inside its outline
DARK_TEXT_ON = {"yellow", "pink", "white"}  # sign colours that carry dark letters; the rest carry white ones

# Columns of the integer tensor that describes a scene ("attributes").
COLUMNS = [
    "style", "background", "kind",
    "shape_a", "colour_a", "size_a", "shape_b", "colour_b", "size_b", "relation",
    "sign", "letters", "letter_0", "letter_1", "letter_2", "letter_3",
    "relation_told", "background_told",
]
COLUMN = {name: i for i, name in enumerate(COLUMNS)}
CLASSES = {
    "style": 3, "background": 10, "kind": 3,
    "shape_a": 8, "colour_a": 10, "size_a": 3, "shape_b": 8, "colour_b": 10, "size_b": 3, "relation": 4,
    "sign": 10, "letters": 5, "letter_0": 36, "letter_1": 36, "letter_2": 36, "letter_3": 36,
}
