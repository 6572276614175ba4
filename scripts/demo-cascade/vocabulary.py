"""What the demo cascade can draw: shapes, colours, looks, letters.  Everything else derives from these tables."""

SHAPES = ["circle", "square", "triangle", "star", "ring", "cross", "diamond", "heart"]
COLOURS = ["red", "green", "blue", "yellow", "purple", "orange", "pink", "gray", "black", "white"]
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

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
DARK_TEXT_ON = {"yellow", "pink", "white"}  # sign colours that carry dark letters; the rest carry white ones
