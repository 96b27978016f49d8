"""Each class of hole that others have had, and the test that shows it is none of ours.

The numbers are those of our list of advisories. The tests below stand here because they ask every
route at once.
"""

from __future__ import annotations

import ast
import io
import itertools
import logging
from urllib.parse import quote

import httpx2
import pytest

from digest.access.sessions import form_token_of
from digest.logs import configure_logs
from digest.mail.tokens import TokenKind
from digest.rules.rights import Role
from tests.repo.tree import named, parsed
from tests.web.api import Program, a_key
from tests.web.conftest import Installation
from tests.web.desk import at_the_desk
from tests.web.test_routes import DESK, SECRET, TOKEN, UNKNOWN, entries, everything, filled

CLASSES: dict[int, tuple[str, tuple[str, ...]]] = {
    1: ("SMTP command injection", ("test_no_address_ever_yields_another_command",)),
    2: (
        "header injection",
        (
            "test_no_control_reaches_a_header",
            "test_a_content_type_cannot_bring_a_header_into_the_parser",
            "test_what_cannot_be_used_is_a_problem_and_changes_nothing",
        ),
    ),
    3: ("address parse conflict", ("test_a_display_name_is_read_back_and_adds_no_recipient",)),
    4: ("STARTTLS injection", ("test_a_required_tls_that_is_not_offered_sends_nothing_in_clear",)),
    5: ("smuggling", ("test_a_message_arrives_byte_for_byte",)),
    6: (
        "templates that run what they are given",
        (
            "test_a_template_cannot_leave_its_sandbox",
            "test_a_name_is_never_a_template",
            "test_template_syntax_is_shown_as_written",
        ),
    ),
    7: ("file include", ("test_nothing_is_taken_in_from_elsewhere",)),
    8: (
        "SQL injection",
        ("test_no_word_of_a_request_is_sql", "test_no_word_of_a_request_is_sql_at_the_desk"),
    ),
    9: (
        "private fields by a filter",
        (
            "test_what_cannot_be_used_is_a_problem_and_changes_nothing",
            "test_suppressions_say_why_and_not_who",
        ),
    ),
    10: (
        "stored XSS",
        (
            "test_nothing_hostile_runs_on_any_page",
            "test_nothing_hostile_runs_on_any_page_of_the_desk",
            "test_nothing_hostile_runs_where_one_writes",
            "test_what_others_wrote_is_text_wherever_the_desk_shows_it",
            "test_an_issue_can_run_nothing",
            "test_every_answer_carries_the_policy",
        ),
    ),
    11: (
        "CSRF",
        (
            "test_looking_at_anything_with_every_right_changes_nothing",
            "test_a_change_needs_the_token_of_that_very_subscription",
            "test_no_answer_sets_a_cookie_or_leads_elsewhere",
            "test_a_form_of_another_page_session_or_site_changes_nothing",
            "test_no_form_but_ones_own_opens_a_door_of_the_desk",
            "test_no_page_of_others_signs_a_browser_in",
        ),
    ),
    12: (
        "acting for others",
        (
            "test_a_token_of_another_purpose_or_key_opens_no_page",
            "test_every_wrong_token_gets_the_same_answer_and_does_nothing",
            "test_an_address_moves_by_the_button_behind_the_link",
        ),
    ),
    13: (
        "enumeration",
        (
            "test_every_address_gets_the_same_answer_by_the_same_statements",
            "test_a_sign_up_takes_the_way_of_the_form",
            "test_every_bad_key_gets_the_same_answer",
            "test_an_address_nobody_has_is_answered_as_a_wrong_password",
            "test_an_address_nobody_has_costs_what_a_wrong_password_costs",
        ),
    ),
    14: ("timing of secrets", ("test_secrets_are_compared_in_constant_time",)),
    15: (
        "subscription bombing",
        (
            "test_sixty_sign_ups_of_one_mailbox_from_everywhere_are_three_mails",
            "test_a_network_and_a_domain_get_so_many_an_hour",
            "test_who_fills_the_trap_is_told_the_same_and_forgotten",
        ),
    ),
    16: (
        "scanners that open every link",
        (
            "test_looking_at_the_links_changes_nothing",
            "test_looking_at_a_confirmation_never_confirms",
            "test_a_scanner_that_opens_every_link_of_every_mail_changes_nothing",
            "test_looking_at_anything_with_every_right_changes_nothing",
        ),
    ),
    17: (
        "forged bounces",
        (
            "test_a_forged_bounce_changes_nothing_and_is_shown",
            "test_a_relays_own_id_counts_from_a_webhook_only",
            "test_what_proves_nothing_is_401_and_writes_nothing",
            "test_a_provider_that_is_not_set_up_is_404",
            "test_a_topic_to_confirm_is_never_followed_by_itself",
        ),
    ),
    18: ("SSRF", ("test_a_webhook_leads_into_no_private_network",)),
    19: ("open redirect", ("test_no_answer_sets_a_cookie_or_leads_elsewhere",)),
    20: (
        "imports",
        (
            "test_a_zip_file_is_refused",
            "test_utf_16_is_named_and_refused",
            "test_a_suppressed_address_is_not_even_stored",
        ),
    ),
    21: (
        "formulas in exports",
        ("test_an_export_runs_nothing_in_a_spreadsheet_and_is_read_back",),
    ),
    22: (
        "sessions and keys that live on",
        (
            "test_a_key_opens_what_its_scope_says_and_nothing_else",
            "test_a_session_is_never_one_that_the_browser_brought",
            "test_whoever_is_changed_is_signed_out",
            "test_who_tries_too_often_is_held_back_also_with_the_right_password",
        ),
    ),
    23: (
        "gaps between roles",
        (
            "test_every_route_has_an_entry_and_every_entry_a_route",
            "test_a_door_of_the_desk_opens_to_a_role_that_has_its_right_and_to_no_other",
            "test_a_key_opens_what_its_scope_says_and_nothing_else",
            "test_a_method_that_has_no_entry_is_refused_everywhere",
        ),
    ),
    24: ("path traversal", ("test_no_path_leads_out_of_the_media_or_the_assets",)),
    25: (
        "leaks by referrer, log and process",
        (
            "test_no_log_names_a_reader_a_token_or_a_key",
            "test_no_log_and_no_list_of_processes_shows_a_secret_or_a_reader",
            "test_nothing_of_a_readers_page_is_kept_or_passed_on",
            "test_behind_nginx_readers_leave_by_one_click_and_are_told_apart",
        ),
    ),
    26: ("supply chain", ("test_every_file_in_the_lock_has_a_hash",)),
}

SQL = (
    *("' OR 1=1 --", "')) UNION SELECT address FROM subscribers--", "\\"),
    *("'", "';--", "1 OR 1=1", "%", "_", '"'),
)
FORM = {"List-Unsubscribe": "One-Click", "next": "https://evil.example", "confirm": "yes"}


def test_every_class_has_tests_that_exist() -> None:
    assert CLASSES.keys() == set(range(1, 27))
    written = {
        node.name
        for path in named(".py", under="tests")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    for number, (name, tests) in CLASSES.items():
        assert tests, name
        assert set(tests) <= written, (number, set(tests) - written)


async def test_no_answer_sets_a_cookie_or_leads_elsewhere(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    """Whatever a request says of where to go on, and whatever host it is for."""
    site = installation.site
    hostile = {
        "host": "evil.example",
        "origin": "https://evil.example",
        "x-forwarded-host": "evil.example",
        "cookie": "session=x",
    }
    for path, allowed in entries().items():
        kind = TOKEN[path][1] if path in TOKEN else TokenKind.LEAVE
        place = filled(path, token=site.keys.sign(kind, installation.anne))
        for method in sorted(allowed):
            answer = await client.request(
                method,
                f"{place}?next=https://evil.example&url=//evil.example",
                headers=hostile,
                data=FORM if method == "POST" else None,
            )
            assert "set-cookie" not in answer.headers, (method, path)
            leads = answer.headers.get("location", "/")
            assert leads.startswith("/"), (method, path)
            assert not leads.startswith("//"), (method, path)
            assert "evil" not in leads, (method, path)
            assert "evil.example" not in answer.text, (method, path)


async def test_no_word_of_a_request_is_sql(
    installation: Installation, client: httpx2.AsyncClient
) -> None:
    """Every parameter that is free text, with what would end or widen a statement."""
    _, key = await a_key(installation.site)
    program = Program(client, key)
    before = await everything(installation.site.db)
    for word in SQL:
        found = await client.get("/n/weekly/archive", params={"q": word, "page": word})
        assert found.status_code in (200, 404), word
        assert "@example.org" not in found.text
        for path in ("/n/{}", "/i/{}/182", "/i/weekly/{}", "/n/{}/feed.atom"):
            answer = await client.get(path.format(word.replace("%", "%25")))
            assert answer.status_code == 404, (path, word)
        assert (await program.get("/readers", newsletter=word)).status_code == 422
        assert (await program.get("/readers", after=word)).status_code == 422
        assert (await program.get("/readers", state=word)).status_code == 422
        nobody = await program.post("/readers/find", {"address": f"{word}@example.org"})
        assert nobody.status_code in (404, 422)
    assert await everything(installation.site.db) == before


async def test_no_word_of_a_request_is_sql_at_the_desk(installation: Installation) -> None:
    """In what its addresses ask for, and in each part of their paths: nobody is found by it."""
    site, weekly = installation.site, "/desk/n/weekly"
    receipt = f"{weekly}/i/182/receipt"
    unknown = (
        *(f"{receipt}/all?{name}={{}}" for name in ("version", "after", "verdict", "blame")),
        *(
            f"{receipt}/after/left?before={{}}",
            "/desk/feedback?show={}",
            "/desk/feedback?before={}",
        ),
        *("/desk/suppressions?before={}", "/desk/log?before={}", f"{weekly}/readers?state={{}}"),
        *(f"{weekly}/readers?after={{}}", "/desk/n/{}", "/desk/n/{}/readers", f"{weekly}/i/{{}}"),
        *(f"{receipt}/{{}}", f"{receipt}/skipped/{{}}", f"{receipt}/after/{{}}"),
        *("/desk/readers/{}", "/desk/n/{}/i/182/receipt", f"{weekly}/themes/{{}}"),
    )
    nobody = (f"{receipt}/all?destination={{}}", f"{weekly}/readers?q={{}}&tag={{}}")
    async with at_the_desk(site) as owner:
        before = await everything(site.db)
        for word, path in itertools.product(SQL[:3], unknown):
            answer = await owner.get(path.format(quote(word, safe="")))
            assert answer.status_code == 404, (path, word)
        for word, path in itertools.product(SQL, nobody):
            answer = await owner.get(path.format(*[quote(word, safe="")] * 2))
            assert answer.status_code == 200, (path, word)
            assert "anne@example.org" not in answer.text, (path, word)
        assert await everything(site.db) == before


@pytest.mark.parametrize("dialect", ["sqlite"])
async def test_no_form_but_ones_own_opens_a_door_of_the_desk(installation: Installation) -> None:
    """Of an owner, at every door: without the session's token, with that of another, and with the
    right one from a page of others.
    """
    site = installation.site
    async with at_the_desk(site) as owner, at_the_desk(site, Role.EDITOR) as editor:
        mine = {"form_token": form_token_of(owner.token)}
        forged: tuple[tuple[dict[str, str], dict[str, str]], ...] = (
            ({}, {}),
            ({"form_token": form_token_of(editor.token)}, {}),
            (mine, {"sec-fetch-site": "cross-site"}),
            (mine, {"origin": "https://evil.example"}),
        )
        before = await everything(site.db)
        for door, (token, headers) in itertools.product(DESK, forged):
            method, _, path = door.partition(" ")
            if method == "POST":
                sent = FORM | token
                answer = await owner.client.post(filled(path), data=sent, headers=headers)
                assert answer.status_code == 403, (door, token, headers)
        assert await everything(site.db) == before


@pytest.mark.parametrize("form", ["json", "text"])
async def test_no_log_names_a_reader_a_token_or_a_key(
    installation: Installation, client: httpx2.AsyncClient, form: str
) -> None:
    """Also where something fails, at the most talkative level, and one line stays one line."""
    site, stream = installation.site, io.StringIO()
    _, key = await a_key(site)
    leave = site.keys.sign(TokenKind.LEAVE, installation.anne)
    configure_logs("debug", form, stream=stream)
    logging.getLogger("httpx2").setLevel("WARNING")  # the client is the test's own
    try:
        headers = {
            "authorization": f"Bearer {key}",
            "user-agent": 'planted"\\x0a{"level":"critical"}',
            "content-type": "application/json",
        }
        program = Program(client, key)
        await program.post("/newsletters/weekly/signups", {"address": "cris@example.org"})
        await program.post("/subscriptions/1/leave")
        await program.patch("/readers/1", {"name": "Annabel"})
        for path, method in itertools.product([*TOKEN, *SECRET], ("GET", "POST")):
            place = filled(path, token=leave, secret=UNKNOWN)
            await client.request(method, place, headers=headers, content=b"{broken")
        await site.desk.settled()
        await site.db.close()
        await client.post(f"/u/{leave}", data={"List-Unsubscribe": "One-Click"})
    finally:
        configure_logs()
    logged = stream.getvalue()
    assert "api" in logged
    for secret in (key, key.split("_", 2)[2], leave, UNKNOWN, "cris@", "anne@", "Annabel"):
        assert secret not in logged
    assert "planted" not in logged
