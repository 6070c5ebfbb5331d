from __future__ import annotations

import hmac
import os
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from hub import tokens
from hub.errors import BadName, BadValue, Forbidden, HubbubError, NotFound, StorageFailed, TooMany, Unauthorized
from hub.paths import ensure_token, new_token, write_private
from hub.tables import TokenRow
from hub.tokens import SCOPES, Identity, Keyring, OwnerToken

NOW = 1_800_000_000.0


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Rows:
    """A store in memory that can be told to fail."""

    def __init__(self) -> None:
        self.rows: dict[str, TokenRow] = {}
        self.fails = False
        self.saves = 0

    async def save_token(self, token: TokenRow) -> None:
        self._work()
        self.saves += 1
        self.rows[token.id] = token

    async def tokens(self) -> list[TokenRow]:
        return list(self.rows.values())

    async def delete_token(self, token_id: str) -> bool:
        self._work()
        return self.rows.pop(token_id, None) is not None

    def _work(self) -> None:
        if self.fails:
            raise StorageFailed("The disk is full.")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    ensure_token(tmp_path / "token")
    return tmp_path / "token"


@pytest.fixture
def rows() -> Rows:
    return Rows()


@pytest.fixture
def keyring(token_file: Path, clock: Clock, rows: Rows) -> Keyring:
    return Keyring(OwnerToken(token_file, clock), rows)


def secret_of(token_file: Path) -> str:
    return token_file.read_text().strip()


def owner(keyring: Keyring) -> Identity:
    return keyring.check(secret_of(keyring.owner.path), NOW)


# Checking


def test_the_owner_may_do_everything_under_any_name(keyring: Keyring) -> None:
    identity = owner(keyring)
    for scope in SCOPES:
        identity.require(scope)
    identity.require_owner()
    identity.may_act_as("anybody")


@pytest.mark.parametrize("secret", [None, ""])
def test_a_missing_token_is_said_to_be_missing(keyring: Keyring, secret: str | None) -> None:
    with pytest.raises(Unauthorized, match="none was sent") as why:
        keyring.check(secret, NOW)
    assert "hubbub token show" in str(why.value)


@pytest.mark.parametrize("secret", ["hub_wrong", "owner", "\udcff", "ключ", "x" * 100_000, "hub_" + "A" * 43])
def test_an_unknown_token_is_not_let_in_nor_repeated(keyring: Keyring, secret: str) -> None:
    with pytest.raises(Unauthorized, match="does not know") as why:
        keyring.check(secret, NOW)
    assert "HUBBUB_TOKEN" in str(why.value)
    assert secret not in str(why.value).replace("owner's", "")


@pytest.mark.parametrize("change", [str.lower, str.upper, lambda s: s[:-1], lambda s: s + "=", lambda s: s + " "])
def test_almost_the_token_is_not_the_token(keyring: Keyring, token_file: Path, change: object) -> None:
    assert callable(change)
    with pytest.raises(Unauthorized):
        keyring.check(change(secret_of(token_file)), NOW)


async def test_secrets_are_compared_as_hashes_and_in_constant_time(
    keyring: Keyring, token_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await keyring.issue(owner(keyring), scopes=["observe"], now=NOW)
    compared: list[tuple[bytes, bytes]] = []

    def compare(a: bytes, b: bytes) -> bool:
        compared.append((a, b))
        return hmac.compare_digest(a, b)

    monkeypatch.setattr(tokens, "compare_digest", compare)
    owners = sha256(secret_of(token_file).encode()).digest()
    for secret in (secret_of(token_file), made.secret, "hub_wrong"):
        compared.clear()
        try:
            keyring.check(secret, NOW)
        except Unauthorized:
            assert secret == "hub_wrong"
        assert compared, "no constant-time comparison was made"
        assert set(compared) == {(sha256(secret.encode()).digest(), owners)}


async def test_only_the_hash_of_a_made_token_is_kept(keyring: Keyring, rows: Rows) -> None:
    made = await keyring.issue(owner(keyring), scopes=["publish"], now=NOW, note="ci")
    (row,) = rows.rows.values()
    assert row.hash == sha256(made.secret.encode()).hexdigest()
    assert made.secret not in repr(row) + repr(keyring.__dict__) + repr(keyring.owner.__dict__)
    assert made.secret.startswith("hub_")
    assert len(made.secret) == len("hub_") + 43


async def test_a_made_token_outlives_the_hub(keyring: Keyring, rows: Rows, token_file: Path) -> None:
    made = await keyring.issue(owner(keyring), scopes=["publish"], name="Ci-Bot", now=NOW, expires_at=NOW + 10)
    again = Keyring(OwnerToken(token_file), rows)
    with pytest.raises(Unauthorized):
        again.check(made.secret, NOW)
    await again.load()
    grant = again.check(made.secret, NOW).grant
    assert (grant.name, sorted(grant.scopes), grant.expires_at) == ("Ci-Bot", ["publish"], NOW + 10)


async def test_a_token_holds_until_its_end_and_says_when_that_was(keyring: Keyring) -> None:
    made = await keyring.issue(owner(keyring), scopes=["observe"], now=NOW, expires_at=NOW + 60)
    identity = keyring.check(made.secret, NOW + 59.9)
    assert keyring.holds(identity, NOW + 59.9)
    with pytest.raises(Unauthorized, match=r"expired at 2027-01-15 08:01 UTC"):
        keyring.check(made.secret, NOW + 60)
    assert not keyring.holds(identity, NOW + 60)


@pytest.mark.parametrize("has", [["publish"], ["subscribe"], ["observe"], ["admin"], ["publish", "observe"]])
async def test_a_scope_is_no_other_scope(keyring: Keyring, has: list[str]) -> None:
    made = await keyring.issue(owner(keyring), scopes=has, now=NOW)
    identity = keyring.check(made.secret, NOW)
    for scope in SCOPES:
        if scope in has:
            identity.require(scope)
        else:
            with pytest.raises(Forbidden, match=f"needs the scope {scope}"):
                identity.require(scope)
    with pytest.raises(Forbidden, match="owner's token"):
        identity.require_owner()


@pytest.mark.parametrize(
    ("bound", "name", "error"),
    [
        (None, "bob", None),
        ("Alice", "alice", None),
        ("alice", "ALICE", None),
        ("alice", "bob", Forbidden),
        ("alice", "alice2", Forbidden),
        ("alice", "no such name!", BadName),
        (None, "all", BadName),
    ],
)
async def test_a_bound_token_acts_for_its_name_only(
    keyring: Keyring, bound: str | None, name: str, error: type[HubbubError] | None
) -> None:
    made = await keyring.issue(owner(keyring), scopes=["publish"], name=bound, now=NOW)
    identity = keyring.check(made.secret, NOW)
    if error is None:
        identity.may_act_as(name)
    else:
        with pytest.raises(error):
            identity.may_act_as(name)


async def test_last_use_is_kept_by_the_minute(keyring: Keyring, rows: Rows) -> None:
    made = await keyring.issue(owner(keyring), scopes=["observe"], now=NOW)
    for second in range(0, 120, 5):
        keyring.check(made.secret, NOW + second)
    assert rows.saves == 1
    await keyring.save_used()
    await keyring.save_used()
    assert rows.saves == 2
    assert rows.rows[made.grant.id].last_used == NOW + 60


async def test_last_use_is_stored_later_when_it_cannot_be_now(keyring: Keyring, rows: Rows) -> None:
    made = await keyring.issue(owner(keyring), scopes=["observe"], now=NOW)
    keyring.check(made.secret, NOW)
    rows.fails = True
    with pytest.raises(StorageFailed):
        await keyring.save_used()
    rows.fails = False
    await keyring.save_used()
    assert rows.rows[made.grant.id].last_used == NOW


# Making and revoking


@pytest.mark.parametrize(
    ("wanted", "error", "says"),
    [
        ({"scopes": []}, BadValue, "some of admin, observe, publish, subscribe"),
        ({"scopes": ["publish", "root"]}, BadValue, "not root"),
        ({"scopes": ["publish"], "expires_at": NOW}, BadValue, "before it is made"),
        ({"scopes": ["publish"], "note": "x" * 201}, BadValue, "200"),
        ({"scopes": ["publish"], "name": "no name!"}, BadName, "not a name"),
    ],
)
async def test_a_token_that_makes_no_sense_is_not_made(
    keyring: Keyring, rows: Rows, wanted: dict[str, object], error: type[HubbubError], says: str
) -> None:
    with pytest.raises(error, match=says):
        await keyring.issue(owner(keyring), now=NOW, **wanted)  # type: ignore[arg-type]
    assert not rows.rows


@pytest.mark.parametrize(
    ("by", "wanted", "allowed"),
    [
        ({"scopes": ["admin", "publish"]}, {"scopes": ["publish"]}, True),
        ({"scopes": ["admin", "publish"]}, {"scopes": ["observe"]}, False),
        ({"scopes": ["publish"]}, {"scopes": ["publish"]}, False),
        ({"scopes": ["admin", "publish"], "name": "alice"}, {"scopes": ["publish"]}, False),
        ({"scopes": ["admin", "publish"], "name": "alice"}, {"scopes": ["publish"], "name": "bob"}, False),
        ({"scopes": ["admin", "publish"], "name": "alice"}, {"scopes": ["publish"], "name": "Alice"}, True),
        ({"scopes": ["admin"], "expires_at": NOW + 9}, {"scopes": ["admin"]}, False),
        ({"scopes": ["admin"], "expires_at": NOW + 9}, {"scopes": ["admin"], "expires_at": NOW + 10}, False),
        ({"scopes": ["admin"], "expires_at": NOW + 9}, {"scopes": ["admin"], "expires_at": NOW + 9}, True),
    ],
)
async def test_nobody_hands_out_more_than_they_have(
    keyring: Keyring, by: dict[str, object], wanted: dict[str, object], allowed: bool
) -> None:
    made = await keyring.issue(owner(keyring), now=NOW, **by)  # type: ignore[arg-type]
    identity = keyring.check(made.secret, NOW)
    if allowed:
        issued = await keyring.issue(identity, now=NOW, **wanted)  # type: ignore[arg-type]
        keyring.check(issued.secret, NOW)
    else:
        with pytest.raises(Forbidden):
            await keyring.issue(identity, now=NOW, **wanted)  # type: ignore[arg-type]


async def test_a_token_that_could_not_be_stored_does_not_hold(keyring: Keyring, rows: Rows) -> None:
    rows.fails = True
    with pytest.raises(StorageFailed):
        await keyring.issue(owner(keyring), scopes=["publish"], now=NOW)
    assert keyring.grants() == []


async def test_a_revoked_token_is_void_at_once(keyring: Keyring, rows: Rows) -> None:
    made = await keyring.issue(owner(keyring), scopes=["publish"], now=NOW)
    identity = keyring.check(made.secret, NOW)
    await keyring.revoke(owner(keyring), made.grant.id)
    assert not keyring.holds(identity, NOW)
    assert not rows.rows
    with pytest.raises(Unauthorized):
        keyring.check(made.secret, NOW)
    await keyring.save_used()
    assert not rows.rows, "a use that was still to be stored brought the row back"


async def test_what_could_not_be_revoked_still_holds(keyring: Keyring, rows: Rows) -> None:
    made = await keyring.issue(owner(keyring), scopes=["publish"], now=NOW)
    rows.fails = True
    with pytest.raises(StorageFailed):
        await keyring.revoke(owner(keyring), made.grant.id)
    keyring.check(made.secret, NOW)


async def test_what_cannot_be_revoked_says_why(keyring: Keyring) -> None:
    with pytest.raises(NotFound, match="hubbub token list"):
        await keyring.revoke(owner(keyring), "0123")
    with pytest.raises(BadValue, match="rotate"):
        await keyring.revoke(owner(keyring), "owner")
    made = await keyring.issue(owner(keyring), scopes=["publish"], now=NOW)
    with pytest.raises(Forbidden, match="admin"):
        await keyring.revoke(keyring.check(made.secret, NOW), made.grant.id)


async def test_the_number_of_tokens_is_bounded(keyring: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "MAX_GRANTS", 2)
    for _ in range(2):
        await keyring.issue(owner(keyring), scopes=["publish"], now=NOW)
    with pytest.raises(TooMany, match="revoke"):
        await keyring.issue(owner(keyring), scopes=["publish"], now=NOW)


# The owner's token, followed


def test_a_rotated_token_holds_at_once_and_the_old_one_no_longer(keyring: Keyring, token_file: Path) -> None:
    old = secret_of(token_file)
    before = owner(keyring)
    cookies = keyring.owner.cookie_key()
    new = keyring.rotate(before)
    assert secret_of(token_file) == new != old
    assert keyring.check(new, NOW).is_owner
    with pytest.raises(Unauthorized):
        keyring.check(old, NOW)
    assert not keyring.holds(before, NOW)
    assert keyring.owner.cookie_key() != cookies
    if sys.platform != "win32":
        assert token_file.stat().st_mode & 0o777 == 0o600


async def test_only_the_owner_rotates(keyring: Keyring) -> None:
    made = await keyring.issue(owner(keyring), scopes=SCOPES, now=NOW)
    with pytest.raises(Forbidden):
        keyring.rotate(keyring.check(made.secret, NOW))
    with pytest.raises(Forbidden):
        keyring.rotate(keyring.browser(NOW + 1))


async def test_a_rotation_leaves_made_tokens_alone(keyring: Keyring) -> None:
    made = await keyring.issue(owner(keyring), scopes=["publish"], now=NOW)
    identity = keyring.check(made.secret, NOW)
    keyring.rotate(owner(keyring))
    assert keyring.holds(identity, NOW)
    keyring.check(made.secret, NOW)


def test_a_file_changed_by_another_process_is_taken_up_within_a_second(
    keyring: Keyring, token_file: Path, clock: Clock
) -> None:
    old, new = secret_of(token_file), new_token()
    write_private(token_file, new + "\n")
    assert keyring.check(old, NOW).is_owner, "the file is not looked at again so soon"
    clock.now += 1.0
    with pytest.raises(Unauthorized):
        keyring.check(old, NOW)
    assert keyring.check(new, NOW).is_owner


def test_the_new_token_holds_even_before_that_second_is_over(keyring: Keyring, token_file: Path) -> None:
    new = new_token()
    write_private(token_file, new + "\n")
    assert keyring.check(new, NOW).is_owner


def test_the_file_is_looked_at_once_a_second_at_most(
    keyring: Keyring, token_file: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    stat = Path.stat

    def counted(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        nonlocal looks
        looks += path == token_file
        return stat(path, follow_symlinks=follow_symlinks)

    secret = secret_of(token_file)
    monkeypatch.setattr(Path, "stat", counted)
    for step in range(100):
        clock.now = 100.0 + step / 32
        keyring.check(secret, NOW)
    assert looks == 3


@pytest.mark.parametrize("text", ["", "\n", "two words\n", None])
def test_a_file_that_holds_no_token_changes_nothing_and_is_reported(
    keyring: Keyring, token_file: Path, clock: Clock, text: str | None
) -> None:
    secret = secret_of(token_file)
    token_file.unlink() if text is None else token_file.write_text(text)
    clock.now += 1
    assert keyring.check(secret, NOW).is_owner
    assert str(token_file) in str(keyring.owner.problem)
    with pytest.raises(Unauthorized):
        keyring.check(text, NOW)
    write_private(token_file, secret + "\n")
    clock.now += 1
    before = keyring.owner.generation
    keyring.check(secret, NOW)
    assert keyring.owner.problem is None
    assert keyring.owner.generation == before, "the same token in another file is no rotation"


def test_without_a_token_no_hub_starts(tmp_path: Path) -> None:
    with pytest.raises(Unauthorized, match="no token file"):
        OwnerToken(tmp_path / "token")


# A browser's identity


def test_a_browser_may_only_look(keyring: Keyring) -> None:
    browser = keyring.browser(NOW + 10)
    browser.require("observe")
    for scope in SCOPES - {"observe"}:
        with pytest.raises(Forbidden, match="browser session"):
            browser.require(scope)
    assert keyring.holds(browser, NOW)
    assert not keyring.holds(browser, NOW + 10)
    keyring.rotate(owner(keyring))
    assert not keyring.holds(browser, NOW)


def test_a_token_file_that_was_away_and_is_back_is_a_problem_no_more(
    keyring: Keyring, token_file: Path, clock: Clock
) -> None:
    secret, away = secret_of(token_file), token_file.with_name("away")
    token_file.rename(away)
    clock.now += 1
    keyring.check(secret, NOW)
    assert keyring.owner.problem is not None
    away.rename(token_file)
    clock.now += 1
    keyring.check(secret, NOW)
    assert keyring.owner.problem is None
