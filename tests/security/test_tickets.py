"""Tickets for a browser's WebSocket; how long one is good is shown where the clock is not the machine's (tickets.rs)."""

import pytest
import websocket


def test_a_ticket_of_who_is_not_known_any_more_is_worth_nothing(broker, names):
    name = names("gone")
    broker.user(name)
    opened = lambda ticket: websocket.create_connection(
        f"ws://{broker.ports['http']}/v1/ws?ticket={ticket}", subprotocols=["sluice.v1.json"], suppress_origin=True)
    for change in [lambda: broker.user(name, "new"), lambda: broker.must("DELETE", f"/v1/users/{name}")]:
        password = "pw" if broker.ask("GET", "/v1/me", login=f"{name}:pw")[0] == 200 else "new"
        ticket = broker.must("POST", "/v1/tickets", login=f"{name}:{password}")["ticket"]
        change()
        with pytest.raises(websocket.WebSocketBadStatusException) as refused:
            opened(ticket)
        assert refused.value.status_code == 401
