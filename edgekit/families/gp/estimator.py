"""The process as scikit-learn spells an estimator."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from edgekit.families.gp.inference.condensed import condense
from edgekit.families.gp.inference.laplace import added_variance, parameter_covariance
from edgekit.families.gp.inference.likelihood import model, warn_if_ill_conditioned
from edgekit.families.gp.inference.posterior import Posterior, condition_on
from edgekit.families.gp.inference.search import maximize
from edgekit.families.gp.prior.kernel import Array


class GaussianProcess(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Exact Gaussian process regression; hyper-parameters maximize the marginal likelihood.

    Inputs and target are taken in their own units. Fitted attributes: `posterior_`,
    `log_marginal_likelihood_value_`, `parameters_` by name, `jitter_` that the factorization took.

    Args:
        kernel: an expression, as "se + periodic(period=1)*se + white".
        mean: zero, constant, linear or quadratic; its coefficients are learned.
        restarts: of the search, beside the first start.
        min_noise: variance of the noise at the least.
        random_state: seed of the restarts.
        marginalize: whether deviations hold what hyper-parameters leave uncertain (see `laplace`).
    """

    def __init__(
        self,
        kernel: str = "se + white",
        mean: str = "constant",
        restarts: int = 0,
        min_noise: float = 1e-8,
        random_state: int = 0,
        marginalize: bool = False,
    ) -> None:
        self.kernel = kernel
        self.mean = mean
        self.restarts = restarts
        self.min_noise = min_noise
        self.random_state = random_state
        self.marginalize = marginalize

    def fit(self, X: Any, y: Any) -> GaussianProcess:  # noqa: N803  scikit-learn's names
        """Learn from inputs `[N, D]` and observations `[N]`."""
        x, target = validate_data(self, X, y, y_numeric=True, dtype=np.float64)
        gp = model(self.kernel, self.mean, self.min_noise)
        target = target.astype(np.float64)
        found = maximize(gp, x, target, restarts=self.restarts, seed=self.random_state)
        self.posterior_: Posterior = condition_on(gp, found.theta, x, target)
        self._condensed = condense(self.posterior_)
        if self.marginalize:
            self._covariance = parameter_covariance(gp, found.theta, x, target)
        warn_if_ill_conditioned(self.posterior_.lower, self.posterior_.jitter)
        self.log_marginal_likelihood_value_ = found.log_likelihood
        self.jitter_ = self.posterior_.jitter
        self.parameters_ = {
            parameter.name: float(np.exp(value) if parameter.log else value)
            for parameter, value in zip(gp.parameters(x.shape[1]), found.theta, strict=True)
        }
        return self

    def predict(self, X: Any, return_std: bool = False) -> Array | tuple[Array, Array]:  # noqa: N803
        """Return means `[N]`, with the deviations of observations if asked for."""
        check_is_fitted(self)
        x = validate_data(self, X, reset=False, dtype=np.float64)
        if not return_std:
            return self._condensed.mean(x)
        told = self._condensed.predict(x)
        variance = told.variance_y
        if self.marginalize:
            variance = variance + added_variance(self.posterior_, self._covariance, x)
        return told.mean, np.sqrt(variance)

    def sample_y(self, X: Any, n_samples: int = 1, random_state: int = 0) -> Array:  # noqa: N803
        """Return draws of f, `[N, n_samples]`."""
        check_is_fitted(self)
        x = validate_data(self, X, reset=False, dtype=np.float64)
        return self.posterior_.sample(x, n_samples, seed=random_state).T
