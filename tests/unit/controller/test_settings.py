"""The controller's settings: every one documented, defaults that follow from others."""

import pytest

from baremetal_lb.options import attribute_docstrings, parse_options
from controller.settings import CHOICES, Settings


def parsed(*argv, **environ):
    return parse_options(Settings, argv, environ, prog="p", description="d", choices=CHOICES)


def test_every_setting_has_a_docstring_that_the_help_shows(capsys):
    assert attribute_docstrings(Settings).keys() == set(Settings.__dataclass_fields__)
    with pytest.raises(SystemExit) as ended:
        parsed("--help")
    assert ended.value.code == 0
    assert "BMLB_WRITE_CONCURRENCY" in capsys.readouterr().out


def test_defaults_follow_the_identity():
    assert (parsed().home, parsed().install) == ("baremetal-lb-system", "baremetal-lb/baremetal-lb-system")
    metallb = parsed("--identity", "metallb", "--namespace", "m")
    assert (metallb.home, metallb.install, metallb.names.group) == ("m", "metallb/m", "metallb.io")
