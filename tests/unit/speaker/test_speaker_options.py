"""Options, environment variables, help."""

import pytest

from baremetal_lb.options import attribute_docstrings, parse_options
from speaker.settings import CHOICES, Settings


def parse(*argv: str, **environ: str) -> Settings:
    return parse_options(Settings, argv, environ, prog="speaker", description="d", choices=CHOICES, required=("node_name",))


def test_an_option_wins_over_the_environment_and_that_over_the_default() -> None:
    settings = parse("--node-name", "a", BMLB_NODE_NAME="b", BMLB_HEALTH_PORT="7", BMLB_IGNORE_EXCLUDE_LB="true")
    assert (settings.node_name, settings.health_port, settings.metrics_port, settings.ignore_exclude_lb) == ("a", 7, 9121, True)
    assert parse("--node-name", "a", "--ignore-exclude-lb").ignore_exclude_lb
    assert parse(BMLB_NODE_NAME="b", BMLB_NAMESPACE="").home == "baremetal-lb-system"
    assert parse(BMLB_NODE_NAME="b", BMLB_IDENTITY="metallb").home == "metallb-system"


@pytest.mark.parametrize(
    ("argv", "environ", "complaint"),
    [
        ((), {}, "--node-name (or BMLB_NODE_NAME) is required"),
        (("--node-name", "a", "--health-port", "x"), {}, "invalid int value"),
        (("--node-name", "a"), {"BMLB_HEALTH_PORT": "x"}, "BMLB_HEALTH_PORT='x' is no int"),
        (("--node-name", "a"), {"BMLB_LOG_LEVEL": "loud"}, "is none of debug, info, warning, error"),
        (("--node-name", "a"), {"BMLB_IGNORE_EXCLUDE_LB": "maybe"}, "is neither true nor false"),
        (("--node-name", "a", "--colour"), {}, "unrecognized arguments"),
    ],
)
def test_a_wrong_setting_is_a_usage_error(
    argv: tuple[str, ...], environ: dict[str, str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(*argv, **environ)
    assert ended.value.code == 2
    assert complaint in capsys.readouterr().err


def test_every_setting_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert attribute_docstrings(Settings).keys() == set(Settings.__dataclass_fields__)
    with pytest.raises(SystemExit) as ended:
        parse("--help")
    assert ended.value.code == 0
    assert "BMLB_LEASE_DURATION_S" in capsys.readouterr().out
