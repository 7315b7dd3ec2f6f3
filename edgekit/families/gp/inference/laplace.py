"""What the uncertainty of hyper-parameters adds to a prediction, by Laplace's approximation.

The posterior of theta is taken as normal at its maximum, with the curvature of the log likelihood
and a wide prior of its logarithms; the mean moves with theta as its slope says:
var = var at theta + J C J' (Zimmerman and Cressie 1992; for a linear trend alone that is universal
kriging, R&W eq. 2.42). How the variance itself depends on theta is left out.
"""

from __future__ import annotations

import numpy as np

from edgekit.families.gp.inference.likelihood import Model, log_likelihood
from edgekit.families.gp.inference.posterior import Posterior, condition_on
from edgekit.families.gp.inference.search import SPREAD
from edgekit.families.gp.prior.kernel import Array

_STEP = 1e-4  # of central differences


def curvature(gp: Model, theta: Array, x: Array, y: Array) -> Array:
    """Return minus the second derivatives of the log likelihood at `theta`, `[P, P]`.

    Raises:
        InputError: S is not positive definite a step beside `theta`.
    """
    rows = [
        (log_likelihood(gp, theta - h, x, y)[1] - log_likelihood(gp, theta + h, x, y)[1])
        / (2.0 * _STEP)
        for h in _STEP * np.eye(len(theta))
    ]
    return 0.5 * (np.array(rows) + np.transpose(rows))


def parameter_covariance(gp: Model, theta: Array, x: Array, y: Array) -> Array:
    """Return the covariance of theta, `[P, P]`, whose logarithms a priori spread as restarts do.

    Where the likelihood is curved upwards, as beside a bound, the prior alone counts.
    """
    logs = np.array([parameter.log for parameter in gp.parameters(x.shape[1])])
    values, vectors = np.linalg.eigh(curvature(gp, theta, x, y))
    known = (vectors * np.maximum(values, 0.0)) @ vectors.T
    covariance: Array = np.linalg.inv(known + np.diag(logs / SPREAD**2))
    return covariance


def added_variance(posterior: Posterior, covariance: Array, x: Array) -> Array:
    """Return what `covariance` of the parameters adds to the variance at inputs `[N, D]`, `[N]`."""
    gp, theta = posterior.gp, posterior.theta
    slopes = [
        (condition_on(gp, theta + h, posterior.x, posterior.y).mean(x)
         - condition_on(gp, theta - h, posterior.x, posterior.y).mean(x)) / (2.0 * _STEP)
        for h in _STEP * np.eye(len(theta))
    ]  # fmt: skip
    added: Array = np.einsum("pn,pq,qn->n", slopes, covariance, slopes)
    return added
