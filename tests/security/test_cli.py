"""`sluice user`, `acl` and `quota` against a guarded server: what they make they also take away."""

import json
import os
import subprocess

import pytest

from conftest import SECRET


def sluice(broker, *arguments, login=f"admin:{SECRET}", given=None):
    environment = {**os.environ, "SLUICE_CLI_SERVER": f"http://{broker.ports['http']}", "SLUICE_CLI_LOGIN": login}
    return subprocess.run([os.environ["SLUICE"], *arguments], env=environment, input=given, capture_output=True, text=True,
                          timeout=60)


def done(broker, *arguments, **named):
    ended = sluice(broker, *arguments, **named)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_a_user_and_its_keys_come_and_go(broker, names):
    name = names("typed")
    done(broker, "user", "add", name, "--group", "staff", "--password-file", "-", given="pw\n")
    assert broker.must("GET", f"/v1/users/{name}")["groups"] == ["staff"]
    key = done(broker, "user", "key", name, "--hours", "1").strip()
    assert broker.must("GET", "/v1/me", login=key)["user"] == name
    done(broker, "user", "revoke-key", name, broker.must("GET", f"/v1/users/{name}")["api_keys"][0]["id"])
    assert broker.ask("GET", "/v1/me", login=key)[0] == 401
    assert broker.must("GET", "/v1/me", login=f"{name}:pw")["user"] == name
    done(broker, "user", "delete", name)
    assert broker.ask("GET", "/v1/me", login=f"{name}:pw")[0] == 401
    assert name not in done(broker, "user", "list")
    again = sluice(broker, "user", "delete", name)
    assert again.returncode != 0 and name in again.stderr


def test_rules_come_and_go(broker, names):
    name = names("ruled")
    broker.user(name)
    broker.must("PUT", f"/v1/topics/{name}", {"model": "queue", "queue": {}})
    sees = lambda: broker.ask("GET", f"/v1/topics/{name}", login=f"{name}:pw")[0]
    ours = lambda: [rule for rule in json.loads(done(broker, "acl", "list"))["rules"]
                    if rule["principal"] == f"user:{name}"]
    assert sees() == 403
    done(broker, "acl", "allow", f"user:{name}", "describe", "topic", name)
    assert sees() == 200
    done(broker, "acl", "deny", f"user:{name}", "describe", "topic", name[:3], "--match", "prefix")
    assert sees() == 403
    [denial] = [rule["id"] for rule in ours() if rule["effect"] == "deny"]
    done(broker, "acl", "delete", denial)
    assert sees() == 200
    [allowance] = [rule["id"] for rule in ours()]
    done(broker, "acl", "delete", allowance)
    assert (sees(), ours()) == (403, [])
    assert sluice(broker, "acl", "delete", allowance).returncode != 0


def test_quotas_come_and_go(broker, names):
    name = names("limited")
    broker.user(name)
    ours = lambda: [quota for quota in json.loads(done(broker, "quota", "list"))["quotas"]
                    if quota["entity"] == {"user": name}]
    done(broker, "quota", "set", "--user", name, "--requests-per-s", "1")
    statuses = [broker.ask("GET", "/v1/me", login=f"{name}:pw")[0] for _ in range(2)]
    assert statuses == [200, 429]
    [quota] = ours()
    done(broker, "quota", "delete", quota["id"])
    assert (ours(), broker.ask("GET", "/v1/me", login=f"{name}:pw")[0]) == ([], 200)
    assert sluice(broker, "quota", "delete", quota["id"]).returncode != 0


@pytest.mark.parametrize("arguments", [("user", "delete", "admin"), ("acl", "delete", "x"), ("quota", "delete", "x")])
def test_who_may_not_is_told_so(broker, names, arguments):
    name = names("nobody")
    broker.user(name)
    for login, told in [(f"{name}:pw", "may not"), (f"{name}:wrong", "wrong user, password or token")]:
        ended = sluice(broker, *arguments, login=login)
        assert ended.returncode != 0 and told in ended.stderr, ended.stderr
        assert "pw" not in ended.stderr.replace(name, "")
