"""``digest``: which command was asked for, run it, and turn what comes of it into an exit code.

Groups are lazy: ``digest --help`` loads neither the database nor the web nor the renderer. Exit
codes are a contract: 0 done, 1 the answer is "no", paused or held, 2 wrong use or bad input.
"""

from __future__ import annotations

import errno
import inspect
import os
import sys
from collections.abc import Callable, Container, Sequence
from typing import Any, NoReturn

from cyclopts import App, CycloptsError, UnusedCliTokensError

from digest import __version__
from digest.cli import output
from digest.cli.asked import noted
from digest.cli.help_text import HelpText
from digest.cli.options import DEFAULTS, GROUPS
from digest.cli.service import INTERRUPTED
from digest.errors import DigestError

_UNWRITABLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
BROKEN_PIPE = 141  # 128 + SIGPIPE
FAULT = 70  # EX_SOFTWARE of sysexits(3): our own fault, not the caller's

# Groups of one command: a function instead of an App.
COMMANDS = frozenset(
    {
        *("demo", "dns", "doctor", "export", "init", "log", "run", "scheduler", "status", "web"),
        "worker",
    }
)


def build_app(asked: Container[str] = ()) -> App:
    """The command line; a new one each time, so that nothing of an earlier call stays in it.

    The commands that are ``asked`` for tell of themselves in full, for which they are imported.
    """
    app = App(
        name="digest",
        help="Delivers a curated, recurring email digest, once to every confirmed subscriber.",
        help_formatter=HelpText(),
        help_format="plaintext",
        version=__version__,
        default_parameter=DEFAULTS,
    )
    for name, text in GROUPS.items():
        target = name if name in COMMANDS else "app"
        told = None if name in COMMANDS and name in asked else text
        app.command(f"digest.cli.{name.replace('-', '_')}:{target}", name=name, help=told)
    app.register_install_completion_command(
        "--install-completion", help="Complete commands in this shell from now on."
    )
    return app


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The entry point of the ``digest`` script; ends the process."""
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    output.prepare_streams()
    code = run(tokens)
    sys.exit(_flushed(code, as_json="--json" in tokens))


def run(tokens: Sequence[str]) -> int:
    """Run one command line and return its exit code; errors are told on standard error."""
    as_json = "--json" in tokens
    try:
        app = build_app(tokens[:1])
        command, bound, _ = app.parse_args(list(tokens), print_error=False, exit_on_error=False)
        with noted(" ".join(app.parse_commands(tokens)[0]), bound):
            return _call(command, bound)
    except CycloptsError as error:
        output.tell_error(_usage(error, tokens), code="usage", as_json=as_json)
        return DigestError.exit_code
    except DigestError as error:
        output.tell_error(error, code=output.error_code(error), as_json=as_json)
        return error.exit_code
    except KeyboardInterrupt:
        output.note("Stopped.")
        return INTERRUPTED
    except BrokenPipeError:
        return _quiet_pipe()
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            output.tell_fault(error, as_json=as_json)
            return FAULT
        return _full(error, as_json=as_json)
    except Exception as error:  # noqa: BLE001 - the last door: told with its traceback, exit 70
        output.tell_fault(error, as_json=as_json)
        return FAULT


def _call(command: Callable[..., Any], bound: inspect.BoundArguments) -> int:
    if inspect.iscoroutinefunction(command):
        import uvloop

        result = uvloop.run(command(*bound.args, **bound.kwargs))
    else:
        result = command(*bound.args, **bound.kwargs)
    return result if isinstance(result, int) else 0


def _usage(error: CycloptsError, tokens: Sequence[str]) -> DigestError:
    chain = " ".join(("digest", *(error.command_chain or ())))
    message = " ".join(str(error).split())
    if isinstance(error, UnusedCliTokensError) and error.unused_tokens:
        message = f"{' '.join(error.unused_tokens)!r} is one thing too many."
    asked = " ".join(tokens[:2])
    return DigestError(message, where=chain or asked, fix=f"See `{chain} --help`.")


def _flushed(code: int, *, as_json: bool) -> int:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return _quiet_pipe()
    except OSError as error:
        return _full(error, as_json=as_json)
    return code


def _full(error: OSError, *, as_json: bool) -> int:
    """What was done is done, but its result could not be written."""
    _quiet_pipe()
    full = DigestError(f"The disk cannot take what is written: {error.strerror}.")
    output.tell_error(full, code="output", as_json=as_json)
    return full.exit_code


def _quiet_pipe() -> int:
    """The reader of our output has gone: say nothing, and keep Python from saying it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return BROKEN_PIPE
