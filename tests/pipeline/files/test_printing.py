"""What programs print: text of others is shown, and moves no cursor."""

import sys

import pytest

from pipeline.files import InputError, add_command, cursor_stream, make_parser, one_line, run_command
from pipeline.files.printing import PlainText


def a_program(body):
    class Go:
        @staticmethod
        def add(commands):
            add_command(commands, "go", body, "go")

    return make_parser("program", "Does nothing.", "", [Go])


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("P1_L_DM_CC\n", "P1_L_DM_CC\n"),
        ("é 猫 ²\tx", "é 猫 ²\tx"),
        ("\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07"),
        ("done\rerror", "done\\rerror"),
        ("\x9b31m", "\\x9b31m"),
        ("a\u202ejpg.exe", "a\\u202ejpg.exe"),
        ("M\udcfcller", "M\\udcfcller"),
        ("\x00\x08\x7f", "\\x00\\x08\\x7f"),
    ],
)
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_control_characters_of_others_are_printed_as_escapes(capsys, stream, text, printed):
    def body(_):
        print(text, end="", file=getattr(sys, stream))
        return 0

    assert run_command(a_program(body), ["go"]) == 0
    assert getattr(capsys.readouterr(), stream.removeprefix("std")) == printed


def test_errors_and_misspelt_commands_are_escaped_too(capsys):
    def body(_):
        raise InputError("a\nb\x1b[2Jc")

    assert run_command(a_program(body), ["go"]) == 2
    assert capsys.readouterr().err == "error: a b\\x1b[2Jc\n"
    with pytest.raises(SystemExit):
        run_command(a_program(body), ["\x1b[2J"])
    assert "unknown command \\x1b[2J" in capsys.readouterr().err


def test_the_streams_are_as_before_afterwards():
    before = sys.stdout, sys.stderr
    assert run_command(a_program(lambda _: 0), ["go"]) == 0
    assert (sys.stdout, sys.stderr) == before


def test_a_bar_gets_the_stream_itself(monkeypatch):
    monkeypatch.setattr(sys, "stderr", PlainText(stream := sys.stderr))
    assert cursor_stream() is stream
    assert sys.stderr.isatty() == stream.isatty()


def test_names_within_a_line_cannot_begin_another():
    assert one_line("a\nerror: b\u2028c\x85") == "a\\nerror: b\\u2028c\\x85"
