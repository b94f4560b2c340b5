"""Options and environment variables made from a dataclass: what wins, what cannot be meant, what the help shows."""

from dataclasses import dataclass

import pytest

from baremetal_lb.options import attribute_docstrings, environment_name, parse_options


@dataclass(frozen=True, slots=True)
class Settings:
    port: int = 9120
    """TCP port, 100 %
    of the time."""
    pause_s: float = 1.5
    """Seconds."""
    level: str = "info"
    """How much."""
    name: str = ""
    is_loud: bool = False
    """Loudly."""


def parsed(*argv, required=(), **environ):
    return parse_options(Settings, argv, environ, prog="p", description="d", choices={"level": ("info", "debug")}, required=required)


def test_docstrings_of_attributes_come_on_one_line_each():
    texts = {"port": "TCP port, 100 % of the time.", "pause_s": "Seconds.", "level": "How much.", "is_loud": "Loudly."}
    assert attribute_docstrings(Settings) == texts


def test_the_help_names_each_option_its_text_its_default_and_its_variable(capsys):
    with pytest.raises(SystemExit) as ended:
        parsed("--help")
    assert ended.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "--port INT TCP port, 100 % of the time. (default: 9120; BMLB_PORT)" in shown
    assert "--is-loud, --no-is-loud" in shown
    assert environment_name("pause_s") == "BMLB_PAUSE_S"


def test_an_option_goes_before_the_environment_and_that_before_the_default():
    assert parsed() == Settings()
    assert parsed(BMLB_PORT="1", BMLB_PAUSE_S="2", BMLB_IS_LOUD="yes") == Settings(port=1, pause_s=2.0, is_loud=True)
    assert parsed("--port", "2", "--no-is-loud", BMLB_PORT="1", BMLB_IS_LOUD="true") == Settings(port=2)
    assert parsed(BMLB_PORT="", BMLB_IS_LOUD="") == Settings()


@pytest.mark.parametrize(
    ("argv", "environ", "complaint"),
    [
        (["--port", "x"], {}, "invalid int value"),
        ([], {"BMLB_PORT": "x"}, "BMLB_PORT='x' is no int"),
        (["--level", "x"], {}, "invalid choice"),
        ([], {"BMLB_LEVEL": "x"}, "BMLB_LEVEL='x' is none of info, debug"),
        ([], {"BMLB_IS_LOUD": "maybe"}, "BMLB_IS_LOUD='maybe' is neither true nor false"),
        (["--por", "1"], {}, "unrecognized arguments"),
        (["--name", ""], {}, "--name (or BMLB_NAME) is required"),
    ],
    ids=["number", "number-in-environment", "choice", "choice-in-environment", "boolean-in-environment", "abbreviated", "required"],
)
def test_what_cannot_be_meant_is_a_usage_error(argv, environ, complaint, capsys):
    with pytest.raises(SystemExit) as ended:
        parsed(*argv, required=("name",), **environ)
    assert ended.value.code == 2
    shown = capsys.readouterr().err
    assert "usage" in shown
    assert complaint in shown
