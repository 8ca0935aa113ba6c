"""The arrays that live membership is made of."""

from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Nodes = npt.NDArray[np.int32]
"""Numbers of identities, see `live.crowd.Population`."""
Places = npt.NDArray[np.intp]
"""Indices into another array."""

NOBODY: Nodes = np.empty(0, np.int32)


def grown(array: npt.NDArray[Any], room: int, fill: object) -> npt.NDArray[Any]:
    """The array with more room behind, filled."""
    return np.concatenate((array, np.full(room - len(array), fill, array.dtype)))
