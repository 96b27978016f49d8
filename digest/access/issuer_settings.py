"""The provider as the settings name it."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from digest.access.id_token import joserfc
from digest.access.issuer import Client, Issuer
from digest.errors import SettingsError
from digest.rules.admission import Policy
from digest.rules.rights import Role
from digest.settings import Settings
from digest.settings.groups import OidcSettings

BACK: Final = "/desk/sign-in/oidc/back"


def issuer_of(settings: Settings) -> Issuer | None:
    """None where no provider is named; SettingsError for one that is named by halves."""
    given = settings.oidc
    if not given.issuer:
        return None
    if not given.client_id:
        raise _missing("CLIENT_ID", "the name the provider has given this installation")
    joserfc()
    client = Client(
        issuer=given.issuer,
        client_id=given.client_id,
        secret=_secret(given),
        redirect_uri=settings.public_url + BACK,
        label=given.label or urlsplit(given.issuer).hostname or given.issuer,
        scopes=" ".join(dict.fromkeys(["openid", *given.scopes.split()])),
        verified_claim=given.verified_claim,
        role_claim=given.role_claim,
        allow=given.allow,
        passwords=given.passwords,
        policy=_policy(given),
    )
    return Issuer(client)


def _secret(given: OidcSettings) -> str:
    secret = given.client_secret.get_secret_value()
    if given.client_secret_file is not None:
        secret = _first_line(given.client_secret_file)
    if not secret:
        raise _missing("CLIENT_SECRET", "the secret that goes with the client id")
    return secret


def _first_line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError):
        raise SettingsError(
            f"The file {path} cannot be read.",
            where="DIGEST_OIDC__CLIENT_SECRET_FILE",
            fix="Make it readable to the user who runs digest.",
        ) from None


def _policy(given: OidcSettings) -> Policy:
    roles: dict[str, Role] = {}
    for pair in given.roles.split():
        group, _, role = pair.rpartition("=")
        if not group or role not in set(Role):
            raise SettingsError(
                f"{pair!r} gives no group a role.",
                where="DIGEST_OIDC__ROLES",
                fix=f"Write GROUP=ROLE, of the roles {', '.join(Role)}.",
            )
        roles[group] = Role(role)
    if bool(roles) != bool(given.role_claim):
        raise _missing("ROLES" if given.role_claim else "ROLE_CLAIM", "a claim and what it means")
    domains = frozenset(name.lower().lstrip("@") for name in given.domains.split())
    return Policy(domains, Role(given.role), roles)


def _missing(name: str, what: str) -> SettingsError:
    return SettingsError(
        f"Signing in by a provider needs {what}.",
        where=f"DIGEST_OIDC__{name}",
        fix="Set it, or leave DIGEST_OIDC__ISSUER empty.",
    )
