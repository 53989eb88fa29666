"""The tree that the module draws is the tree that exists."""

import re

from scorerec.core import errors


def test_the_drawn_tree_names_every_error():
    drawn = set(re.findall(r"[├└]── (\w+)", errors.__doc__))
    above = [errors.ScorerecError]
    for error in above:
        above += error.__subclasses__()
    assert drawn == {error.__name__ for error in above[1:] if error.__module__ == errors.__name__}
