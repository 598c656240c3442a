# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep licences: types, what they include, when they end.

Sources: the recorded ``GET /_license`` (http:313), the documentation of the licensing APIs, the server's public source;
the refusal of machine learning from the ``errors`` records (``license_ml``).
"""

from __future__ import annotations

import dataclasses
import datetime
import uuid
from typing import TYPE_CHECKING, Any, Final

from ..wire import errors

if TYPE_CHECKING:
    from .cluster import Cluster

TYPES: Final = ("basic", "standard", "gold", "platinum", "enterprise", "trial")
"""Each includes what those before it include."""
EXPIRED: Final = "expired"
"""As a value of the option or the setting: a platinum licence whose time is over."""
CHOICES: Final = (*TYPES, EXPIRED)
DEFAULT: Final = "trial"
ML_NEEDS: Final = "platinum"
INFERENCE_NEEDS: Final = "enterprise"
_EIS: Final = "elastic"
_DAY: Final = 86_400_000
_TRIAL_DAYS: Final = 30
_PAID_DAYS: Final = 365
_SELF_GENERATED: Final = ("basic", "trial")


def date(milliseconds: int) -> str:
    """Return a point in time as the server writes it."""
    found = datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.UTC)
    return found.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclasses.dataclass(frozen=True)
class Licence:
    """One licence; without ``expiry`` it never ends."""

    type: str
    issued_to: str
    issue: int
    expiry: int | None = None
    uid: str = dataclasses.field(default_factory=lambda: str(uuid.uuid4()))
    issuer: str = "elasticsearch"
    start: int = -1

    def active(self, now: int) -> bool:
        """Return whether it has not ended."""
        return self.expiry is None or self.expiry > now

    def includes(self, needed: str, now: int) -> bool:
        """Return whether the licence includes something that takes at least a type of licence."""
        return self.active(now) and TYPES.index(self.type) >= TYPES.index(needed)

    def as_json(self, now: int) -> dict[str, Any]:
        """Return it as ``GET /_license`` shows it."""
        body: dict[str, Any] = {
            "status": "active" if self.active(now) else EXPIRED,
            "uid": self.uid,
            "type": self.type,
            "issue_date": date(self.issue),
            "issue_date_in_millis": self.issue,
        }
        if self.expiry is not None:
            body |= {"expiry_date": date(self.expiry), "expiry_date_in_millis": self.expiry}
        units = self.type == "enterprise"
        return body | {
            "max_nodes": None if units else 1000,
            "max_resource_units": 1000 if units else None,
            "issued_to": self.issued_to,
            "issuer": self.issuer,
            "start_date_in_millis": self.start,
        }


def new(kind: str, issued_to: str, now: int) -> Licence:
    """Return a licence that begins now, or one that ended yesterday."""
    if kind == EXPIRED:
        return Licence(ML_NEEDS, issued_to, now - _PAID_DAYS * _DAY, now - _DAY, issuer="API")
    if kind not in TYPES:
        raise ValueError(f"no licence {kind!r}; there are {', '.join(CHOICES)}")
    if kind == "basic":
        return Licence(kind, issued_to, now)
    days = _TRIAL_DAYS if kind in _SELF_GENERATED else _PAID_DAYS
    return Licence(kind, issued_to, now, now + days * _DAY, issuer=_issuer(kind))


def _issuer(kind: str) -> str:
    return "elasticsearch" if kind in _SELF_GENERATED else "API"


def current(cluster: Cluster) -> Licence:
    """Return the licence that counts: that of the setting ``license``, if it is set."""
    chosen = cluster.settings.get("license")
    return cluster.licence if chosen is None else new(str(chosen), cluster.name, cluster.milliseconds())


def non_compliant(feature: str) -> errors.ApiError:
    """Return the error of a feature that the licence does not include."""
    reason = f"current license is non-compliant for [{feature}]"
    return errors.ApiError(403, "security_exception", reason, extra={"license.expired.feature": feature})


def includes_ml(cluster: Cluster) -> bool:
    """Return whether machine learning is included."""
    return current(cluster).includes(ML_NEEDS, cluster.milliseconds())


def check_ml(cluster: Cluster) -> None:
    """Raise 403 unless the licence includes machine learning (server-behaviour.md 3.1 row 3).

    As in the public actions: to start, to create a model, to put its parts and vocabulary, an alias of a platinum
    model, to infer with one. Reading, update, stop, deletion and clearing a cache do not ask.
    """
    if not includes_ml(cluster):
        raise non_compliant("ml")


def check_inference(cluster: Cluster, service: str) -> None:
    """Raise 403 unless the licence includes inference endpoints: enterprise, but for Elastic's own service.

    As in the public actions: to create and update one, and to infer with one. Since when is [U].
    """
    included = current(cluster).includes(INFERENCE_NEEDS, cluster.milliseconds())
    if cluster.version.endpoint_licence and service != _EIS and not included:
        raise non_compliant("inference")
