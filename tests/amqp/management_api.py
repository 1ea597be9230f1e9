"""One request to the management API of a broker, as `guest`."""
import base64
import json
import urllib.error
import urllib.request

GUEST = "Basic " + base64.b64encode(b"guest:guest").decode()


def call(port, method, path, body=None):
    """The status, and what the answer says, if anything."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"content-type": "application/json", "authorization": GUEST}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/api/{path}", data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            status, text = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read()
    return status, json.loads(text) if text else None
