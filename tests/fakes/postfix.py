"""A real Postfix on loopback, in a folder of its own: it queues, tries, warns, forwards, bounces.

Debian's programs with a configuration of the test's: what is for the newsletter's bounce domain
goes to an LMTP port, everything else to one SMTP port, whose answers the test scripts. It never
asks a DNS. Its master has to be started as root, and gives that up at once.
"""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.conftest import missing
from tests.fakes.ports import free_port, is_open

PATIENCE = 20.0  # seconds
_MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
mail_owner = postfix
setgid_group = postdrop
maillog_file = {folder}/log/mail.log
maillog_file_prefixes = {folder}/log
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtp_dns_support_level = disabled
myhostname = mx.example.org
mydestination =
local_recipient_maps =
mynetworks = 127.0.0.0/8
smtpd_recipient_restrictions = permit_mynetworks, reject
relayhost = [127.0.0.1]:{to}
transport_maps = inline:{{ {{ bounces.news.example.org = lmtp:inet:127.0.0.1:{lmtp} }} }}
virtual_alias_maps = inline:{{ {aliases} }}
virtual_alias_domains =
lmtp_destination_recipient_limit = 1
smtp_tls_security_level = none
smtputf8_enable = no
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 1s
maximal_queue_lifetime = {lifetime}
bounce_queue_lifetime = 60s
delay_warning_time = 1s
"""
_SERVICES = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 1 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
lmtp unix - - n - - lmtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
showq unix n - n - - showq
flush unix n - n 1000? 0 flush
postlog unix-dgram n - n - 1 postlogd
"""
_QUEUES = """active bounce corrupt defer deferred flush hold incoming maildrop pid private public
saved trace""".split()


class Postfix:
    """Starts Postfix in ``folder``: mail for readers goes to port ``to``, bounces to ``lmtp``.

    ``aliases`` are addresses it forwards; ``lifetime`` is how long it tries.
    """

    def __init__(
        self,
        folder: Path,
        *,
        to: int,
        lmtp: int,
        aliases: Mapping[str, str] | None = None,
        lifetime: str = "60s",
    ) -> None:
        self._master = Path("/usr/lib/postfix/sbin/master")
        if not self._master.exists() or shutil.which("postconf") is None:
            missing("no Postfix is installed")
        if os.geteuid() != 0:
            missing("Postfix is started as root, and this is somebody else")
        self.folder = folder
        self.port = free_port()
        named = ", ".join(f"{{ {name} = {other} }}" for name, other in (aliases or {}).items())
        values = {"folder": folder, "to": to, "lmtp": lmtp, "aliases": named, "lifetime": lifetime}
        self._main = _MAIN.format(**values)
        self._process: subprocess.Popen[bytes] | None = None

    def url(self) -> str:
        """What ``DIGEST_RELAY_URL`` would be."""
        return f"smtp://127.0.0.1:{self.port}?tls=none&connections=2&profile=postfix"

    def __enter__(self) -> Self:
        self._prepare()
        self._process = subprocess.Popen(
            [self._master, "-c", str(self.folder / "etc"), "-d"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        until = time.monotonic() + PATIENCE
        while not is_open(self.port):
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"Postfix did not start: {self.log()}")
            time.sleep(0.05)
        return self

    def _prepare(self) -> None:
        owner = pwd.getpwnam("postfix")
        drop = grp.getgrnam("postdrop").gr_gid
        for name in ("etc", "queue", "data", "log"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "etc" / "main.cf").write_text(self._main)
        services = _SERVICES.format(port=self.port)
        (self.folder / "etc" / "master.cf").write_text(services)
        for path in (self.folder / "data", self.folder / "log"):
            os.chown(path, owner.pw_uid, owner.pw_gid)
        for name in _QUEUES:
            path = self.folder / "queue" / name
            path.mkdir()
            os.chown(path, owner.pw_uid if name != "pid" else 0, owner.pw_gid)
            path.chmod(0o700)
        for name, mode in (("maildrop", 0o730), ("public", 0o710)):
            path = self.folder / "queue" / name
            os.chown(path, owner.pw_uid, drop)
            path.chmod(mode)
        (self.folder / "queue" / "pid").chmod(0o755)
        self.folder.chmod(0o711)  # to be passed through, not to be read

    def log(self) -> str:
        """What Postfix wrote, for whoever wonders."""
        path = self.folder / "log" / "mail.log"
        return path.read_text(errors="replace")[-4_000:] if path.exists() else "no log"

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(timeout=PATIENCE)
