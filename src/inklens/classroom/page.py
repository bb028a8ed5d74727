"""tmp"""


def page(work, *, reader, photos):
    return "x"
