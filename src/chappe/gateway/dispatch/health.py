"""Is an endpoint fit to be asked: probes, outlier ejection, half-open trial, draining."""

from typing import Literal

from chappe.gateway.dispatch.settings import DispatchSettings

State = Literal["healthy", "ejected", "trial"]

_PROBES_DOWN = 2
_FORGET = 0.05
_RATIO_OVER_PEERS = 0.3
_ENOUGH = 20


class Health:
    """The state machine of one endpoint.

    healthy → ejected (failures in a row, failed probes, or a failure ratio far above the peers')
    → trial (its time is over and no probe fails: one request, alone) → healthy, or ejected for
    twice as long. A drained endpoint takes nothing new whatever its state.

    Attributes:
        state: where it is.
        drained: the operator took it out.
        until: when an ejection ends.
        ratio: forgetting share of failed requests.
    """

    __slots__ = (
        "_ejections",
        "_failed_probes",
        "_failures",
        "_seen",
        "_settings",
        "drained",
        "ratio",
        "state",
        "until",
    )

    def __init__(self, settings: DispatchSettings) -> None:
        self._settings = settings
        self.state: State = "healthy"
        self.drained = False
        self.until = 0.0
        self.ratio = 0.0
        self._failures = 0
        self._failed_probes = 0
        self._ejections = 0
        self._seen = 0

    def usable(self, in_flight_trial: bool) -> bool:
        """May it take a request; on trial, only when none is under way."""
        if self.state == "healthy":
            return not self.drained
        return not (self.drained or in_flight_trial or self.state == "ejected")

    def wake(self, now: float) -> bool:
        """Begin the trial of an endpoint whose ejection is over; did anything change."""
        if self.state == "ejected" and now >= self.until and not self._failed_probes:
            self.state = "trial"
            return True
        return False

    def succeeded(self) -> bool:
        """A request went well; is this the end of a trial."""
        self._failures = 0
        self._seen += 1
        self.ratio -= _FORGET * self.ratio
        if self.state != "trial":
            return False
        self.state = "healthy"
        self._ejections = max(0, self._ejections - 1)
        self._seen = 0
        self.ratio = 0.0
        return True

    def failed(self, now: float, peers_ratio: float, may_eject_outlier: bool) -> bool:
        """A request failed at this endpoint; is it ejected now.

        Args:
            peers_ratio: mean failure ratio of the other endpoints.
            may_eject_outlier: enough others are healthy to do without this one. Failures in a row
                eject even the last one, so that clients are refused at once.
        """
        self._failures += 1
        self._seen += 1
        self.ratio += _FORGET * (1 - self.ratio)
        if self.state == "ejected":
            return False
        outlier = (
            may_eject_outlier
            and self._seen >= _ENOUGH
            and self.ratio > peers_ratio + _RATIO_OVER_PEERS
        )
        if self.state == "trial" or self._failures >= self._settings.failures_to_eject or outlier:
            self._eject(now)
            return True
        return False

    def probed(self, ok: bool, now: float) -> bool:
        """The answer to a probe; did the state change."""
        if ok:
            self._failed_probes = 0
            if self.state == "ejected" and now >= self.until:
                self.state = "trial"
                return True
            return False
        self._failed_probes += 1
        if self._failed_probes >= _PROBES_DOWN and self.state != "ejected":
            self._eject(now)
            return True
        return False

    def _eject(self, now: float) -> None:
        seconds = self._settings.ejection_seconds * 2.0**self._ejections
        self.until = now + min(seconds, self._settings.ejection_limit)
        self._ejections = min(self._ejections + 1, 16)
        self._failures = 0
        self.state = "ejected"
