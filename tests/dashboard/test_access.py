"""Owner tokens, sessions and view links."""

from __future__ import annotations

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.errors import BadInput
from dashboard.access import DAY, Access, Link, Viewer


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def access(tmp_path: Path, clock: Clock) -> Access:
    return Access(tmp_path, clock=clock)


def owner_cookies(access: Access) -> dict[str, str]:
    session = access.redeem(access.one_time_token())
    assert session is not None
    return {access.owner_cookie: session}


def test_a_token_signs_in_once(access: Access) -> None:
    token = access.one_time_token()
    session = access.redeem(token)
    assert session is not None
    assert access.viewer_of({access.owner_cookie: session}).owner
    assert access.redeem(token) is None


def test_a_token_ends_after_a_day(access: Access, clock: Clock) -> None:
    token = access.one_time_token()
    clock.now += DAY + 1
    assert access.redeem(token) is None


def test_nothing_but_a_session_makes_an_owner(access: Access) -> None:
    for value in ("", "0", "None", access.one_time_token(), "~", "." * 50):
        assert access.viewer_of({access.owner_cookie: value}) == Viewer()


def test_sessions_and_links_survive_a_restart(access: Access, tmp_path: Path, clock: Clock) -> None:
    cookies = owner_cookies(access)
    link = access.create_link("0123456789ab")
    again = Access(tmp_path, clock=clock)
    assert again.viewer_of(cookies).owner
    assert again.check_link(link.id, access.path(link).rsplit("/", 1)[1]) == link


def test_the_file_holds_no_token_and_nobody_else_may_read_it(access: Access, tmp_path: Path) -> None:
    cookies = owner_cookies(access)
    token = access.one_time_token()
    file = tmp_path / "access.json"
    text = file.read_text()
    assert cookies[access.owner_cookie] not in text
    assert token not in text
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_signing_out_ends_every_session(access: Access) -> None:
    cookies = owner_cookies(access)
    access.end_sessions()
    assert not access.viewer_of(cookies).owner


def test_a_link_shows_its_run_and_no_other(access: Access) -> None:
    link = access.create_link("0123456789ab")
    viewer = access.viewer_of({access.view_cookie: access.view_cookie_value(link)})
    assert viewer.runs == frozenset({"0123456789ab"})
    assert not viewer.owner


def test_a_workspace_link_shows_all_runs(access: Access) -> None:
    viewer = access.viewer_of({access.view_cookie: access.view_cookie_value(access.create_link())})
    assert viewer.runs is None
    assert not viewer.owner


def test_several_links_add_up(access: Access) -> None:
    first = access.view_cookie_value(access.create_link("0" * 12))
    both = access.view_cookie_value(access.create_link("1" * 12), first)
    assert access.viewer_of({access.view_cookie: both}).runs == {"0" * 12, "1" * 12}


def test_a_revoked_link_locks_out_those_who_opened_it(access: Access) -> None:
    link = access.create_link("0123456789ab")
    cookies = {access.view_cookie: access.view_cookie_value(link)}
    assert access.viewer_of(cookies).anybody
    assert access.revoke(link.id)
    assert not access.viewer_of(cookies).anybody
    assert not access.revoke(link.id)


def test_a_link_expires(access: Access, clock: Clock) -> None:
    link = access.create_link("0123456789ab", days=1)
    cookies = {access.view_cookie: access.view_cookie_value(link)}
    clock.now += DAY - 1
    assert access.viewer_of(cookies).anybody
    clock.now += 2
    assert not access.viewer_of(cookies).anybody
    assert access.links() == []


def test_a_link_without_end_stays(access: Access, clock: Clock) -> None:
    link = access.create_link("0123456789ab", days=None)
    clock.now += 5000 * DAY
    assert access.viewer_of({access.view_cookie: access.view_cookie_value(link)}).anybody


def test_a_forged_signature_is_refused(access: Access, tmp_path: Path) -> None:
    link = access.create_link("0123456789ab")
    signature = access.path(link).rsplit("/", 1)[1]
    forged = [signature[:-1] + ("0" if signature[-1] != "0" else "1"), "", signature.upper() + "x", "ä" * 32]
    assert [access.check_link(link.id, value) for value in forged] == [None] * 4
    other = Access(tmp_path / "elsewhere")
    assert other.check_link(link.id, signature) is None


def test_the_signature_covers_run_and_end(access: Access, tmp_path: Path, clock: Clock) -> None:
    link = access.create_link("0123456789ab", days=1)
    signature = access.path(link).rsplit("/", 1)[1]
    file = tmp_path / "access.json"
    book = json.loads(file.read_text())
    book["links"][0]["run"] = ""
    file.write_text(json.dumps(book))
    assert Access(tmp_path, clock=clock).check_link(link.id, signature) is None


def test_two_servers_on_one_folder_share_sessions_links_and_revocations(access: Access, tmp_path: Path) -> None:
    second = Access(tmp_path, clock=access._clock)
    cookies = owner_cookies(second)
    assert access.viewer_of(cookies).owner
    link = access.create_link("0123456789ab")
    viewing = {second.view_cookie: second.view_cookie_value(link)}
    assert second.viewer_of(viewing).anybody
    assert second.revoke(link.id)
    assert not access.viewer_of(viewing).anybody
    assert access.viewer_of(cookies).owner


@pytest.mark.slow
@pytest.mark.parametrize("each", [20, pytest.param(100, marks=pytest.mark.nightly)])
def test_links_of_two_servers_at_once_are_all_kept_and_what_is_revoked_stays_revoked(tmp_path: Path, each: int) -> None:
    servers = [Access(tmp_path), Access(tmp_path)]
    gone = [servers[0].create_link() for _ in range(10)]

    def make(server: Access) -> list[Link]:
        return [server.create_link() for _ in range(each)]

    def revoke(server: Access) -> None:
        for link in gone:
            server.revoke(link.id)

    with ThreadPoolExecutor(3) as pool:
        revoked, made = pool.submit(revoke, servers[1]), [*pool.map(make, servers)]
        revoked.result()
    kept = {link.id for link in Access(tmp_path).links()}
    assert kept == {link.id for links in made for link in links}
    assert len(kept) == 2 * each
    signed = [(link.id, servers[0].path(link).rsplit("/", 1)[1]) for link in gone]
    assert all(server.check_link(*one) is None for server in servers for one in signed)


LINK = '{"id": "a", "run": "", "created": "x", "expires": 0, "label": ""}'
DAMAGE = ["", "{", "[]", '{"key": "k"}', '{"key": "k", "sessions": [], "links": 3}', "\xff", "[" * 100_000]


@pytest.mark.parametrize("damage", [*DAMAGE, f'{{"key": "k", "sessions": {{}}, "links": [{LINK}]}}'])
def test_a_damaged_file_is_set_aside_and_said_and_nobody_is_trusted(
    access: Access, tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    cookies = owner_cookies(access)
    (tmp_path / "access.json").write_text(damage, "latin-1")
    again = Access(tmp_path)
    assert not again.viewer_of({again.owner_cookie: cookies[access.owner_cookie]}).owner
    [kept] = tmp_path.glob("access-damaged-*.json")
    assert kept.read_text("latin-1") == damage
    assert str(kept) in caplog.text


def test_a_file_that_cannot_be_read_now_is_not_overwritten(
    access: Access, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, before = access.create_link(), (tmp_path / "access.json").read_bytes()

    def refuse(*_: object, **__: object) -> str:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_text", refuse)
        Access(tmp_path).create_link()
    assert (tmp_path / "access.json").read_bytes() == before
    assert Access(tmp_path, clock=access._clock).links() == [link]


def test_a_folder_that_cannot_be_written_keeps_sessions_in_memory(tmp_path: Path) -> None:
    access = Access(tmp_path / "missing")
    assert access.viewer_of(owner_cookies(access)).owner


def test_the_number_of_links_and_their_days_are_bounded(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match="days"):
        access.create_link(days=0)
    with pytest.raises(BadInput, match="days"):
        access.create_link(days=1e9)
    monkeypatch.setattr("dashboard.access.MAX_LINKS", 2)
    access.create_link()
    access.create_link()
    with pytest.raises(BadInput, match="Revoke"):
        access.create_link()


def test_a_read_only_server_shows_everything_and_knows_no_owner(tmp_path: Path) -> None:
    viewer = Access(tmp_path, open_view=True).viewer_of({})
    assert viewer.runs is None
    assert not viewer.owner
