"""Productivity and cash in continuous time, in small steps: crossings of zero and of c* between two times are drawn, not missed.

Shares nothing with the package. Between two times scaled cash is close to a Brownian bridge, whose maximum and chance of having
touched zero have closed forms; so barriers that are watched all the time are met to first order in the step.
"""

import numpy as np


def simulate(model, start, target_cash, entry, years, step=0.002, seed=0, record=()):
    """Firms with scaled cash ``start`` (N,), paying out above ``target_cash``; when cash runs out they go on with ``entry``.

    Without ``entry`` they stop there. Returns the time at which cash first ran out, (N,), infinite where it did not, and scaled
    cash at the times ``record``, (len(record), N).
    """
    generator = np.random.default_rng(seed)
    productivity, cash = (
        np.ones(start.size),
        start.astype(float).copy(),
    )  # over productivity at the beginning of each step
    ran_out, recorded, wanted = np.full(start.size, np.inf), [], [round(time / step) for time in record]
    for now in range(round(years / step) + 1):
        if now in wanted:
            recorded.append(cash.copy())
        to_a, other = generator.standard_normal((2, start.size)) * np.sqrt(step)
        to_x = model.rho * to_a + np.sqrt(1 - model.rho**2) * other
        growth = np.exp((model.mu - model.sigma_a**2 / 2) * step + model.sigma_a * to_a)
        following = (
            cash + model.alpha * step + model.sigma_x * to_x + (model.r - model.carry_cost) * cash * step
        ) / growth
        spread = step * (
            model.sigma_x**2 - 2 * model.rho * model.sigma_x * model.sigma_a * cash + (model.sigma_a * cash) ** 2
        )
        touch, top = generator.uniform(size=(2, start.size))
        with np.errstate(over="ignore"):
            out = (following <= 0) | (touch < np.exp(-2 * cash * np.maximum(following, 0.0) / spread))
        highest = (cash + following + np.sqrt((following - cash) ** 2 - 2 * spread * np.log(top))) / 2
        following = following - np.maximum(highest - target_cash, 0.0)
        ran_out[out & np.isinf(ran_out)] = (now + 1) * step
        cash = np.where(out, 0.0 if entry is None else entry, following)
        if entry is None:
            cash[np.isfinite(ran_out)] = target_cash  # kept somewhere harmless: they are not looked at again
        productivity *= growth
    return ran_out, np.array(recorded)
