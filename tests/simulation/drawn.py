"""All draws of an iteration at once, made as the simulator makes them, a pair of steps after the other."""

import numpy as np

from ghm.io.compiled import compiled
from ghm.simulation.draws import TRAINING, Floats, draw_pair, key_words


@compiled()
def _draw(key_0, key_1, stream, iteration, first_path, uniform, shock, noise) -> None:
    words = np.empty((4, noise.shape[1]), np.uint32)
    for t in range(0, noise.shape[0], 2):
        u, s, z = uniform[t : t + 2], shock[t : t + 2], noise[t : t + 2]
        draw_pair(key_0, key_1, stream, iteration, t // 2, first_path, words, u, s, z)


def draws(
    seed: int, iteration: int, n_paths: int, n_steps: int, stream: int = TRAINING, first_path: int = 0
) -> tuple[Floats, Floats, Floats]:
    """Mode uniforms, cash shocks and level noise, each (n_steps, n_paths)."""
    even = n_steps + n_steps % 2
    uniform, shock, noise = (np.empty((even, n_paths), np.float32) for _ in range(3))
    _draw(*key_words(seed), stream, iteration, first_path, uniform, shock, noise)
    return uniform[:n_steps], shock[:n_steps], noise[:n_steps]
