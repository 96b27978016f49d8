"""What came back: ``read_report(data)`` tells what a mail is, whom it names, and why.

The ladder is in ``ladder``; its rungs are ``statuses`` (RFC 3464), ``sns`` and ``people`` with
``families`` and ``layout``; the reason of a refusal comes from ``classify`` and its tables.
"""

from digest.mail.bounce.ladder import read_report
from digest.mail.bounce.reason import Reason
from digest.mail.bounce.report import Kind, Recipient, Report

__all__ = ["Kind", "Reason", "Recipient", "Report", "read_report"]
