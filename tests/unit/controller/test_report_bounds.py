"""What the report remembers has a bound."""

from baremetal_lb.model.ids import BAREMETAL_LB, ObjectKey
from baremetal_lb.model.views import ServiceView
from baremetal_lb.telemetry.metrics import Metrics
from controller import report as report_module
from controller.report import Report


class Heard:
    """Counts events."""

    count = 0

    def record(self, *_about: object, **_said: object) -> None:
        """Take one."""
        self.count += 1


def test_a_contested_status_is_reported_once_and_services_that_went_are_forgotten(monkeypatch):
    monkeypatch.setattr(report_module, "CONTESTED_MAX", 3)
    heard = Heard()
    report = Report(heard, Metrics(BAREMETAL_LB, with_process=False))
    services = [ServiceView(ObjectKey("ns", f"s{number}"), "u") for number in range(5)]
    for service in services:
        report.contested(service)
        report.contested(service)
    assert heard.count == 5
    assert [key.name for key, _ in report._contested] == ["s2", "s3", "s4"]
