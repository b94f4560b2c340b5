"""Settings: option, environment variable, default; every one documented."""

from dataclasses import fields

import pytest

from controller.options import attribute_docstrings, environment_name, parse, parser_for
from controller.settings import CHOICES, Settings


def parsed(*argv, **environ):
    return parse(Settings, argv, environ, prog="p", description="d", choices=CHOICES)


def test_every_setting_has_a_docstring_that_the_help_shows():
    texts = attribute_docstrings(Settings)
    assert texts.keys() == {setting.name for setting in fields(Settings)}
    shown = parser_for(Settings, prog="p", description="d", choices=CHOICES, with_help=True).format_help()
    for name in texts:
        assert environment_name(name) in shown.replace("\n", "").replace(" ", "")


def test_an_option_goes_before_the_environment_and_that_before_the_default():
    assert parsed().metrics_port == 9120
    assert parsed(BMLB_METRICS_PORT="1").metrics_port == 1
    assert parsed("--metrics-port", "2", BMLB_METRICS_PORT="1").metrics_port == 2
    assert parsed(BMLB_METRICS_PORT="").metrics_port == 9120


@pytest.mark.parametrize(
    ("argv", "environ"),
    [
        (["--metrics-port", "x"], {}),
        ([], {"BMLB_METRICS_PORT": "x"}),
        (["--identity", "x"], {}),
        ([], {"BMLB_IDENTITY": "x"}),
        (["--nope"], {}),
    ],
    ids=["number", "number-in-environment", "choice", "choice-in-environment", "unknown"],
)
def test_what_cannot_be_meant_is_a_usage_error(argv, environ, capsys):
    with pytest.raises(SystemExit) as caught:
        parsed(*argv, **environ)
    assert caught.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_defaults_follow_the_identity():
    assert (parsed().home, parsed().install) == ("baremetal-lb-system", "baremetal-lb/baremetal-lb-system")
    metallb = parsed("--identity", "metallb", "--namespace", "m")
    assert (metallb.home, metallb.install, metallb.names.group) == ("m", "metallb/m", "metallb.io")
