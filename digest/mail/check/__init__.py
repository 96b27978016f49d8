"""The byte linter: ``check_message(data)`` says what is wrong with a message before it is sent.

``rules`` is the table of codes; ``source`` reads fields and parts with their lines; ``wire``,
``fields``, ``lists``, ``bodies`` and ``signature`` look at them.
"""

from digest.mail.check.linter import check_message
from digest.mail.check.rules import RULES, Finding, Rule, Severity

__all__ = ["RULES", "Finding", "Rule", "Severity", "check_message"]
