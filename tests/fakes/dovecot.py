"""A real Dovecot on loopback: IMAP with IDLE, and LMTP that delivers into the same mailbox.

Its processes start as root, or all as whoever runs the tests. One user, whose name is any address
(plus addressing and all) and whose password is known.
"""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.conftest import missing
from tests.fakes.ports import free_port, is_open

PATIENCE = 20.0  # seconds
PASSWORD = "a-password"
_MAIL = 8  # the user and group mail of Debian
_CONFIG = """\
base_dir = {folder}/sockets
state_dir = {folder}/state
log_path = {folder}/dovecot.log
protocols = imap lmtp
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
default_login_user = {login}
default_internal_user = {internal}
default_internal_group = {group}
mail_location = maildir:{folder}/mail
first_valid_uid = 1
auth_mechanisms = plain
recipient_delimiter = +
lmtp_save_to_detail_mailbox = no
lmtp_hdr_delivery_address = original
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/home allow_all_users=yes
}}
namespace inbox {{
  inbox = yes
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    address = 127.0.0.1
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp}
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
protocol lmtp {{
  postmaster_address = postmaster@example.org
}}
"""


class Dovecot:
    """Starts Dovecot in ``folder``; mail for anybody lands in one mailbox."""

    def __init__(self, folder: Path) -> None:
        self._program = shutil.which("dovecot") or "/usr/sbin/dovecot"
        if not Path(self._program).exists() or not Path("/usr/lib/dovecot/imap").exists():
            missing("no Dovecot with IMAP is installed")
        if not Path("/usr/lib/dovecot/lmtp").exists():
            missing("Dovecot has no LMTP here")
        root = os.geteuid() == 0
        me = getpass.getuser()
        self.folder = folder
        self.imap_port, self.lmtp_port = free_port(), free_port()
        self._config = _CONFIG.format(
            folder=folder,
            login="dovenull" if root else me,
            internal="dovecot" if root else me,
            group="dovecot" if root else str(os.getegid()),
            uid=_MAIL if root else os.geteuid(),
            gid=_MAIL if root else os.getegid(),
            imap=self.imap_port,
            lmtp=self.lmtp_port,
            password=PASSWORD,
        )
        self._root = root
        self._process: subprocess.Popen[bytes] | None = None

    def url(self) -> str:
        """What ``DIGEST_INBOUND__IMAP`` would be."""
        return f"imap://bounces%40example.org:{PASSWORD}@127.0.0.1:{self.imap_port}/INBOX"

    def __enter__(self) -> Self:
        for name in ("state", "mail", "home"):
            (self.folder / name).mkdir(parents=True)
            if self._root and name in ("mail", "home"):
                os.chown(self.folder / name, _MAIL, _MAIL)
        self.folder.chmod(0o711)  # to be passed through, not to be read
        (self.folder / "dovecot.conf").write_text(self._config)
        command = [self._program, "-F", "-c", str(self.folder / "dovecot.conf")]
        with (self.folder / "output").open("wb") as output:
            self._process = subprocess.Popen(
                command, stdout=output, stderr=output, start_new_session=True
            )
        until = time.monotonic() + PATIENCE
        while not (is_open(self.imap_port) and is_open(self.lmtp_port)):
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"Dovecot did not start: {self.log()}")
            time.sleep(0.05)
        return self

    def log(self) -> str:
        """What Dovecot wrote, for whoever wonders."""
        paths = [self.folder / "output", self.folder / "dovecot.log"]
        return "\n".join(
            path.read_text(errors="replace")[-3_000:] for path in paths if path.exists()
        )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(timeout=PATIENCE)
