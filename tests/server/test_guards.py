"""Hostile requests, each refused or made harmless."""

from __future__ import annotations

import time

import pytest

from hybridge.errors import InvalidInputError
from hybridge.server import Guards, Keys
from hybridge.server.guards import LOOPBACK, keys_from_environment
from hybridge.server.serving import checked

KEY = "correct-horse-battery-staple"
BREAD = {"query": "bread"}


def test_every_answer_has_the_headers_that_browsers_obey(client):
    for path in ("/", "/api/info", "/unknown", "/static/style.css"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "same-origin"
    assert client.get("/api/info").headers["cache-control"] == "no-store"


def test_an_answer_to_a_failure_has_them_too(client, index, monkeypatch):
    def fail():
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(index, "fields", fail)
    answer = client.get("/api/fields")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "content-security-policy" in answer.headers


def test_a_failure_is_one_line_in_the_log_whatever_the_path(client, monkeypatch, caplog):
    def fail(_id):
        raise ZeroDivisionError

    monkeypatch.setattr(client.app.state.service.jobs, "get", fail)
    client.get("/api/jobs/a%0aCRITICAL forged")
    [record] = [record for record in caplog.records if "failed" in record.message]
    assert "forged" in record.message
    assert "\n" not in record.message


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:8000", "localhost:9", "LOCALHOST", "[::1]:8000"]
)
def test_this_machine_is_asked_by_its_names(client, host):
    assert client.get("/api/info", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "127.0.0.1@evil.example",
        "evil.example/@localhost",
        "[::1",
        "",
    ],
)
def test_another_name_for_this_machine_is_refused(client, host):
    for method, path in (("GET", "/"), ("GET", "/api/info"), ("POST", "/api/search")):
        answer = client.request(method, path, json=BREAD, headers={"host": host})
        assert answer.status_code == 421


def test_a_name_that_is_allowed_is_no_matter_of_case(client_of):
    client = client_of(guards=Guards(hosts=frozenset({"Search.Example"})))
    for host, status in (("search.example", 200), ("SEARCH.example:80", 200), ("example", 421)):
        assert client.get("/api/info", headers={"host": host}).status_code == status


def test_health_is_told_by_any_name(client):
    assert client.get("/health/live", headers={"host": "10.0.0.7"}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "http://127.0.0.1:8000.evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site", "origin": "http://127.0.0.1:8000"},
    ],
)
def test_another_sites_page_may_not_post(writing, index, headers):
    for method, path in (("POST", "/api/search"), ("DELETE", "/api/passages/a")):
        answer = writing.request(method, path, json=BREAD, headers=headers)
        assert answer.status_code == 403
        assert "another site" in answer.json()["detail"]
    assert len(index) == 4


@pytest.mark.parametrize(
    "headers",
    [{}, {"origin": "http://127.0.0.1:8000"}, {"sec-fetch-site": "same-origin"}],
)
def test_an_own_page_and_a_program_may_post(client, headers):
    assert client.post("/api/search", json=BREAD, headers=headers).status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_sites_page_links_here_and_no_more(client, site):
    for to, status in (("document", 200), ("image", 403), ("iframe", 403), ("empty", 403)):
        headers = {"sec-fetch-site": site, "sec-fetch-dest": to}
        for path in ("/?q=bread", "/api/info"):
            assert client.get(path, headers=headers).status_code == status


def test_no_answer_allows_another_site_to_read_it(client):
    answer = client.get("/api/info", headers={"origin": "http://evil.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"


@pytest.fixture
def locked(client_of):
    """A client of a server with a key."""
    return client_of(guards=Guards(Keys([KEY, "another-long-enough-key"])))


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        f"Bearer {KEY[:-1]}",
        f"Bearer {KEY}x",
        f"Bearer {KEY.upper()}",
        f"Basic {KEY}",
        KEY,
        "Bearer \xff\xfe",
    ],
)
def test_without_the_key_nothing_is_told(locked, authorization):
    headers = {} if authorization is None else {"authorization": authorization.encode("latin-1")}
    paths = ("/", "/api/info", "/api/openapi.json", "/metrics", "/unknown", "/mcp", "/health")
    for path in paths:
        answer = locked.get(path, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
    assert locked.post("/api/search", json=BREAD, headers=headers).status_code == 401


def test_each_key_opens(locked):
    for key in (KEY, "another-long-enough-key"):
        answer = locked.post("/api/search", json=BREAD, headers={"authorization": f"Bearer {key}"})
        assert answer.status_code == 200


def test_health_needs_no_key(locked):
    assert locked.get("/health/live").status_code == 200
    assert locked.get("/health/ready").status_code == 200


def test_people_give_the_key_in_a_form(locked):
    sent = locked.get("/?q=bread", headers={"accept": "text/html"}, follow_redirects=False)
    assert sent.status_code == 303
    assert sent.headers["location"] == "/login?to=/%3Fq%3Dbread"
    page = locked.get(sent.headers["location"])
    assert page.status_code == 200
    assert 'value="/?q=bread"' in page.text
    wrong = locked.post("/login", data={"key": "wrong", "to": "/"})
    assert wrong.status_code == 401
    assert "set-cookie" not in wrong.headers
    right = locked.post("/login", data={"key": KEY, "to": "/?q=bread"}, follow_redirects=False)
    assert (right.status_code, right.headers["location"]) == (303, "/?q=bread")
    cookie = right.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert KEY not in right.headers["set-cookie"]
    assert locked.get("/?q=bread").status_code == 200
    assert locked.get("/api/info").status_code == 200


@pytest.mark.parametrize(
    "cookie", ["hybridge=", "hybridge=wrong", f"hybridge={KEY}", "a b=c;;=", "\xff"]
)
def test_a_cookie_that_was_not_given_opens_nothing(locked, cookie):
    headers = {"cookie": cookie.encode("latin-1")}
    assert locked.get("/api/info", headers=headers).status_code == 401


def test_cookies_of_other_programs_on_this_machine_do_not_lock_out(locked):
    answer = locked.post("/login", data={"key": KEY}, follow_redirects=False)
    own = answer.headers["set-cookie"].partition(";")[0]
    for others in ('seen={"a": 1}; ', "a b=c; ", "=; "):
        assert locked.get("/api/info", headers={"cookie": others + own}).status_code == 200


def test_a_cookie_does_not_open_another_server(locked, client_of):
    other = client_of(guards=Guards(Keys([KEY])))
    answer = other.post("/login", data={"key": KEY}, follow_redirects=False)
    value = answer.headers["set-cookie"].partition(";")[0]
    assert locked.get("/api/info", headers={"cookie": value}).status_code == 401


@pytest.mark.parametrize(
    "to",
    [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "evil",
        "javascript:alert(1)",
        "/\t/evil.example",
        "/a\r\nSet-Cookie: x=y",
    ],
)
def test_the_form_leads_to_no_other_server(locked, to):
    answer = locked.post("/login", data={"key": KEY, "to": to}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


def test_the_form_shows_text_as_text(locked):
    page = locked.get("/login", params={"to": '"><script>alert(1)</script>'})
    assert "<script>" not in page.text


def test_without_keys_there_is_no_form(client):
    assert client.get("/login").status_code == 404


def test_a_short_key_is_refused():
    with pytest.raises(InvalidInputError, match="at least 16 letters"):
        Keys(["short"])


def test_keys_come_from_the_environment():
    keys = keys_from_environment({"HYBRIDGE_API_KEYS": f" {KEY}, ,another-long-enough-key"})
    assert keys.accept(KEY)
    assert keys.accept("another-long-enough-key")
    assert not keys.accept("")
    assert not keys_from_environment({})


def test_what_others_can_reach_needs_a_key():
    for host in ("0.0.0.0", "::", "192.168.0.1", "example.org"):
        with pytest.raises(InvalidInputError, match="HYBRIDGE_API_KEYS"):
            checked(Guards(), host)
    for host in LOOPBACK:
        assert checked(Guards(), host).hosts == LOOPBACK
    keys = Keys([KEY])
    assert checked(Guards(keys), "0.0.0.0").hosts is None
    assert checked(Guards(keys, frozenset({"a.example"})), "0.0.0.0").hosts == {"a.example"}


@pytest.fixture
def small(client_of):
    """A client of a server that takes bodies of 1,000 bytes."""
    return client_of(guards=Guards(body=1000))


def test_a_body_of_the_greatest_length_is_read(small):
    content = b'{"query": "bread"}'
    for length, status in ((1000, 200), (1001, 413)):
        headers = {"content-type": "application/json"}
        answer = small.post("/api/search", content=content.ljust(length), headers=headers)
        assert answer.status_code == status


def test_a_body_without_a_length_is_counted_as_it_is_read(small):
    taken = []

    def parts():
        for number in range(100):
            taken.append(number)
            yield b" " * 100

    answer = small.post("/api/search", content=parts())
    assert answer.status_code == 413
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("length", ["-1", "x", "1e3", "9" * 30, "٣"])
def test_a_length_that_is_none_is_refused(small, length):
    headers = {"content-length": length.encode(), "content-type": "application/json"}
    assert small.post("/api/search", content=b"{}", headers=headers).status_code == 413


def test_an_answer_that_takes_too_long_is_ended(client_of, index, monkeypatch):
    monkeypatch.setattr(index, "fields", lambda: time.sleep(0.4))
    client = client_of(guards=Guards(seconds=0.1))
    answer = client.get("/api/fields")
    assert answer.status_code == 503
    assert "within 0.1 s" in answer.json()["detail"]
    assert answer.headers["retry-after"] == "5"


async def test_requests_beyond_so_many_are_told_to_come_again(index, monkeypatch):
    import asyncio
    import threading

    import httpx

    from hybridge.server import create_app

    go = threading.Event()
    fields = index.fields
    monkeypatch.setattr(index, "fields", lambda: go.wait(5) and fields())
    transport = httpx.ASGITransport(create_app(index, guards=Guards(at_once=2)))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        running = [asyncio.create_task(client.get("/api/fields")) for _ in range(2)]
        await asyncio.sleep(0.05)
        refused = await client.get("/api/fields")
        alive = await client.get("/health/live")
        go.set()
        answers = await asyncio.gather(*running)
        later = await client.get("/api/fields")
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert alive.status_code == 200
    assert [answer.status_code for answer in (*answers, later)] == [200] * 3


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/static/%2e%2e%2f%2e%2e%2f%2e%2e%2fetc/passwd",
        "/static//etc/passwd",
        "/static/....//app.py",
        "/static/..\\app.py",
        "/static/style.css%00",
        "/static/%00",
        "/static/%7f",
    ],
)
def test_only_static_files_are_given(client, path):
    answer = client.get(path)
    assert answer.status_code == 404
    assert "import" not in answer.text
    assert "root:" not in answer.text


@pytest.mark.parametrize(
    "passage_id", ["../../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd", "..%5c", "%00", "a" * 5000]
)
def test_an_id_is_no_path(client, passage_id):
    answer = client.get(f"/api/passages/{passage_id}")
    assert answer.status_code == 404


def test_script_in_passages_is_data(client):
    answer = client.post("/api/search", json={"query": "script alert bread"})
    assert answer.headers["content-type"] == "application/json"
    texts = [hit["passage"]["text"] for hit in answer.json()["results"][0]["hits"]]
    assert "<script>alert('bread')</script>" in texts
    page = client.get("/", params={"q": "bread <script>alert(1)</script>"}).text
    assert "<script>alert" not in page


async def test_web_sockets_are_refused(index):
    from hybridge.server import create_app

    sent = []

    async def send(message):
        sent.append(message)

    await create_app(index)({"type": "websocket", "path": "/"}, None, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]
