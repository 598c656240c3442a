# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Estimate load and duration for the adaptive allocations scaler.

Source: server-behaviour.md 6. The arithmetic (a one-dimensional Kalman filter whose process noise is a hundredth of
the measurement's variance, and larger after a jump; variances of rate and time) follows what the public source of
Elasticsearch says of its ``AdaptiveAllocationsScaler`` and ``KalmanFilter1d``; the filter is the textbook one.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Final

SCALE_UP: Final = 0.9
SCALE_DOWN: Final = 0.85
SAFEGUARD: Final = 32
"""The most the scaler asks for where no maximum is set."""
_SMOOTHING: Final = 100.0
_JUMP: Final = 100.0
"""Ten standard deviations, squared."""
_UNKNOWN_SECONDS: Final = 1.0
"""An inference time, as long as none was measured."""


@dataclasses.dataclass
class Estimator:
    """Mean and variance of a series of measurements."""

    detects_jumps: bool
    value: float | None = None
    variance: float = 0.0
    jumped: bool = False

    def add(self, measured: float, variance: float, *, changed: bool = False) -> None:
        """Add a measurement; ``changed`` if the measured value may have changed just before."""
        if self.value is None:
            self.value, self.variance, self.jumped = measured, variance, True
            return
        jump = changed or (self.detects_jumps and (measured - self.value) ** 2 / (variance + self.variance) > _JUMP)
        noise = measured**2 if jump or self.jumped else variance / _SMOOTHING
        uncertain = self.variance + noise
        total = uncertain + variance
        gain = uncertain / total if total else 0.0
        self.value += gain * (measured - self.value)
        self.variance = (1 - gain) * uncertain
        self.jumped = jump

    @property
    def lower(self) -> float:
        """Return one standard error below the mean, but not below nothing."""
        return _UNKNOWN_SECONDS if self.value is None else max(0.0, self.value - math.sqrt(self.variance))

    @property
    def upper(self) -> float:
        """Return one standard error above the mean."""
        return _UNKNOWN_SECONDS if self.value is None else self.value + math.sqrt(self.variance)


@dataclasses.dataclass(frozen=True)
class Sample:
    """Counters of one node, or the changes between two measurements."""

    done: int = 0
    pending: int = 0
    failed: int = 0
    seconds: float = 0.0
    """The time that all that were done took together."""

    @property
    def requests(self) -> int:
        """Return the number of requests, whatever their outcome."""
        return self.done + self.pending + self.failed

    def since(self, before: Sample) -> Sample:
        """Return the change since *before*; a restarted process begins at nothing."""
        done = max(0, self.done - before.done)
        return Sample(
            done,
            max(0, self.pending - before.pending),
            max(0, self.failed - before.failed),
            max(0.0, self.seconds - before.seconds) if done else 0.0,
        )

    def __add__(self, other: Sample) -> Sample:
        """Add the samples of two nodes."""
        return Sample(
            self.done + other.done,
            self.pending + other.pending,
            self.failed + other.failed,
            self.seconds + other.seconds,
        )


@dataclasses.dataclass
class DeploymentScaler:
    """Estimates of one deployment."""

    rate: Estimator = dataclasses.field(default_factory=lambda: Estimator(detects_jumps=True))
    time: Estimator = dataclasses.field(default_factory=lambda: Estimator(detects_jumps=False))
    seconds_without_requests: float = 0.0
    changed: bool = False
    """True if the last run changed the number."""

    def process(self, sample: Sample, seconds: float) -> None:
        """Take one measurement over an interval."""
        self.seconds_without_requests = 0.0 if sample.requests else self.seconds_without_requests + seconds
        measured = sample.requests / seconds
        expected = measured if self.rate.value is None else self.rate.value
        # Requests come as a Poisson process, and less than one in the interval cannot be distinguished from one.
        self.rate.add(measured, max(1.0, expected * seconds) / seconds**2)
        if sample.done:
            each = sample.seconds / sample.done
            mean = each if self.time.value is None else self.time.value
            # The deviation of a single inference is taken to be as large as its mean.
            self.time.add(each, mean**2 / sample.requests, changed=self.changed)
        self.changed = False

    def desired(self, number: int, least: int | None, most: int | None, to_zero_after: float) -> int:
        """Return the number of allocations for the load, within the bounds."""
        low, high = self.rate.lower * self.time.lower, self.rate.upper * self.time.upper
        desired = number
        while low > SCALE_UP * desired:
            desired += 1
        while desired > 1 and high < SCALE_DOWN * (desired - 1):
            desired -= 1
        if most is None:
            desired = min(desired, SAFEGUARD)
        if least is not None:
            desired = max(desired, least)
        if most is not None:
            desired = min(desired, most)
        if not least and self.seconds_without_requests > to_zero_after:
            desired = 0
        self.changed = desired != number
        return desired


@dataclasses.dataclass
class Memory:
    """The scaler's memory from one measurement to the next; times are in epoch nanoseconds."""

    scalers: dict[str, DeploymentScaler] = dataclasses.field(default_factory=dict)
    samples: dict[str, dict[str, Sample]] = dataclasses.field(default_factory=dict)
    last_look: int | None = None
    scaled_up: dict[str, int] = dataclasses.field(default_factory=dict)
    warnings: dict[str, str | None] = dataclasses.field(default_factory=dict)

    def forget(self, deployment_id: str) -> None:
        """Forget a deployment that is gone, or whose scaler is switched off."""
        self.scalers.pop(deployment_id, None)
        self.samples.pop(deployment_id, None)
