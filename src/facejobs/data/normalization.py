"""How pixels become the input of a net: RGB, each pixel p fed as (p - 127.5) / 128; recognisers see 112x112 of them."""

IMAGE_SIZE = 112
PIXEL_MEAN = 127.5
PIXEL_SCALE = 1 / 128
PADDING = 127
"""What is added around a photograph: fed, it is next to the zero that convolutions see beyond the border."""
