"""How pixels become the input of a recogniser: 112x112 RGB, each pixel p fed as (p - 127.5) / 128."""

IMAGE_SIZE = 112
PIXEL_MEAN = 127.5
PIXEL_SCALE = 1 / 128
