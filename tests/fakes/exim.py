"""A real Exim on loopback, unpacked beside Postfix: Debian cannot have both installed.

``.ci/run`` puts Debian's programs into ``.cache/exim``. They want a user called Debian-exim, which
nss_wrapper makes up for this process alone.
"""

from __future__ import annotations

import os
import pwd
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.conftest import missing
from tests.fakes.ports import free_port, is_open

PATIENCE = 20.0  # seconds
_CACHE = Path(__file__).resolve().parents[2] / ".cache" / "exim"
_LIBRARIES = _CACHE / "usr/lib/x86_64-linux-gnu"
_CONFIG = """\
exim_path = {folder}/exim
exim_user = mail
deliver_drop_privilege = true
exim_group = mail
never_users =
primary_hostname = mx.example.net
spool_directory = {folder}/spool
log_file_path = {folder}/log/%slog
pid_file_path = {folder}/exim.pid
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
tls_advertise_hosts =
host_lookup =
rfc1413_query_timeout = 0s
keep_environment =
acl_smtp_rcpt = accept
acl_smtp_data = accept
prdr_enable = false
delay_warning = 1s
delay_warning_condition = yes
ignore_bounce_errors_after = 1m
timeout_frozen_after = 1m
begin routers
forward:
  driver = redirect
  data = ${{if eq{{$local_part@$domain}}{{{forwarded}}}{{{forwarded_to}}}}}
bounces:
  driver = manualroute
  domains = bounces.news.example.org
  transport = lmtp
  route_list = * 127.0.0.1 byname
  self = send
readers:
  driver = manualroute
  transport = smtp
  route_list = * 127.0.0.1 byname
  self = send
begin transports
smtp:
  driver = smtp
  port = {to}
  hosts_try_fastopen =
  allow_localhost
lmtp:
  driver = smtp
  protocol = lmtp
  port = {lmtp}
  allow_localhost
begin retry
* * F,{lifetime},1s
"""


class Exim:
    """Starts Exim in ``folder``: mail for readers goes to port ``to``, bounces to ``lmtp``.

    ``forward`` is an address that leads to another; ``lifetime`` is how long it tries.
    """

    def __init__(
        self,
        folder: Path,
        *,
        to: int,
        lmtp: int,
        forward: tuple[str, str] = ("nobody@invalid", "nobody@invalid"),
        lifetime: str = "60s",
    ) -> None:
        self._program = _CACHE / "usr/sbin/exim4"
        wrapper = next(iter(sorted(Path("/usr/lib").glob("*/libnss_wrapper.so"))), None)
        wrapper = wrapper or next(iter(sorted(_LIBRARIES.glob("libnss_wrapper.so"))), None)
        if not self._program.exists() or wrapper is None:
            missing("no Exim in .cache/exim (see .ci/run), or no libnss-wrapper")
        if os.geteuid() != 0:
            missing("Exim is started as root, and this is somebody else")
        self.folder = folder
        self.port = free_port()
        self._config = _CONFIG.format(
            folder=folder,
            port=self.port,
            to=to,
            lmtp=lmtp,
            forwarded=forward[0],
            forwarded_to=forward[1],
            lifetime=lifetime,
        )
        self._environment = {
            "PATH": os.environ["PATH"],
            "LD_LIBRARY_PATH": str(_LIBRARIES),
            "LD_PRELOAD": str(wrapper),
            "NSS_WRAPPER_PASSWD": str(folder / "passwd"),
            "NSS_WRAPPER_GROUP": str(folder / "group"),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def url(self) -> str:
        """What ``DIGEST_RELAY_URL`` would be."""
        return f"smtp://127.0.0.1:{self.port}?tls=none&connections=2"

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True)
        self._program.chmod(0o755)  # unpacked setuid, with which no library of ours is loaded
        made_up = "Debian-exim:x:{0}:{1}::/:/bin/false\n"
        mail = pwd.getpwnam("mail")
        for name, line in (
            ("passwd", made_up.format(mail.pw_uid, mail.pw_gid)),
            ("group", f"Debian-exim:x:{mail.pw_gid}:\n"),
        ):
            (self.folder / name).write_text(Path("/etc", name).read_text() + line)
        (self.folder / "exim.conf").write_text(self._config)
        # Exim starts itself again for every delivery, with an environment it has emptied.
        given = "".join(f"export {name}='{value}'\n" for name, value in self._environment.items())
        again = self.folder / "exim"
        again.write_text(f'#!/bin/sh\n{given}exec {self._program} "$@"\n')
        again.chmod(0o755)
        for name in ("spool", "log"):
            (self.folder / name).mkdir()
            os.chown(self.folder / name, mail.pw_uid, mail.pw_gid)
        self.folder.chmod(0o711)  # to be passed through, not to be read
        command = [str(again), "-C", str(self.folder / "exim.conf"), "-bdf", "-q1s"]
        with (self.folder / "output").open("wb") as output:
            self._process = subprocess.Popen(
                command,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        until = time.monotonic() + PATIENCE
        while not is_open(self.port):
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"Exim did not start: {self.log()}")
            time.sleep(0.05)
        return self

    def log(self) -> str:
        """What Exim wrote, for whoever wonders."""
        paths = [self.folder / "output", *sorted((self.folder / "log").glob("*"))]
        return "\n".join(path.read_text(errors="replace")[-3_000:] for path in paths)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(timeout=PATIENCE)
