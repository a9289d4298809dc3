"""A real OpenID provider on loopback, and in front of it a forwarder that can tell lies with the provider's own key."""

import base64
import contextlib
import http.client
import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.programs import free_port, missing, need

FOLDER = Path(__file__).resolve().parent / "oidc"
CLIENT_ID, CLIENT_SECRET = "omniviewer", "a secret of the client's, long enough"
Claims = dict[str, Any]


def new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _jwk(key: rsa.RSAPrivateKey | rsa.RSAPublicKey) -> dict[str, str]:
    whole: dict[str, str] = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key))
    return {name: value for name, value in whole.items() if name != "key_ops"} | {
        "kid": "of-the-provider",
        "use": "sig",
        "alg": "RS256",
    }


class OpenIDProvider:
    """A running provider. `issuer`: its address for browsers and the site. `accounts`: the claims by login name."""

    def __init__(self, issuer: str, key: rsa.RSAPrivateKey, accounts: dict[str, Claims]) -> None:
        self.issuer = issuer
        self.key = key
        self.accounts = accounts
        # By path: the change to the provider's JSON reply there.
        self.lies: dict[str, Callable[[Claims], Claims]] = {}
        # Paths at which nothing answers.
        self.silent: set[str] = set()
        self.asked: list[str] = []
        # The nonce of the last sign-in.
        self.nonce = ""

    def sign(
        self,
        claims: Claims,
        *,
        key: Any = None,
        algorithm: str = "RS256",
        kid: str = "of-the-provider",
        further: dict[str, Any] | None = None,
    ) -> str:
        """Sign claims by PyJWT, so that the site's own library is not checked with itself. `further`: header fields."""
        return jwt.encode(claims, key or self.key, algorithm=algorithm, headers={"kid": kid, **(further or {})})

    def change_id_token(self, change: Callable[[Claims], Claims], **how: Any) -> None:
        """Change the ID token from now on; `how` as for `sign`."""

        def lie(reply: Claims) -> Claims:
            if "id_token" not in reply:
                return reply
            claims = jwt.decode(reply["id_token"], options={"verify_signature": False})
            return {**reply, "id_token": self.sign(change(claims), **how)}

        self.lies["/token"] = lie

    def be_honest(self) -> None:
        self.lies.clear()
        self.silent.clear()
        self.asked.clear()


@contextlib.contextmanager
def run(accounts: dict[str, Claims], sites: list[str]) -> Iterator[OpenIDProvider]:
    """Run a provider until the block ends. `sites`: addresses of the sites that people may sign in to."""
    node = need("Node.js", "node", "nodejs")
    if not (FOLDER / "node_modules" / "oidc-provider").is_dir():
        missing("oidc-provider (npm install --prefix tests/oidc)")
    behind, key = free_port(), new_key()
    forwarder = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    provider = OpenIDProvider(f"http://127.0.0.1:{forwarder.server_port}", key, accounts)
    forwarder.RequestHandlerClass = _forwarding_to(behind, provider)
    configuration = {
        "port": behind,
        "issuer": provider.issuer,
        "jwks": {"keys": [_jwk(key)]},
        "clients": [
            {
                "client_id": CLIENT_ID,
                "client_secret": CLIENT_SECRET,
                "redirect_uris": [f"{site}/sign-in/oidc/callback/" for site in sites],
                "post_logout_redirect_uris": [f"{site}/signed-out/" for site in sites],
                "grant_types": ["authorization_code"],
                "response_types": ["code"],
            }
        ],
        "accounts": accounts,
    }
    process = subprocess.Popen(
        [node, "provider.mjs"], cwd=FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin
    assert process.stdout
    process.stdin.write(json.dumps(configuration).encode() + b"\n")
    process.stdin.flush()
    threading.Thread(target=forwarder.serve_forever, daemon=True).start()
    try:
        assert process.stdout.readline() == b"ready\n", process.stderr and process.stderr.read().decode()
        yield provider
    finally:
        process.stdin.close()
        process.wait(timeout=10)
        process.stdout.close()
        assert process.stderr
        process.stderr.close()
        forwarder.shutdown()
        forwarder.server_close()


def _forwarding_to(port: int, provider: OpenIDProvider) -> type[BaseHTTPRequestHandler]:
    class Forwarding(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            provider.asked.append(path)
            provider.nonce = dict(parse_qsl(self.path.partition("?")[2])).get("nonce", provider.nonce)
            if path in provider.silent:
                return self.send_error(503)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            onward = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            with contextlib.closing(onward):
                headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
                onward.request(self.command, self.path, body or None, headers)
                reply = onward.getresponse()
                content = reply.read()
                if path in provider.lies:
                    content = json.dumps(provider.lies[path](json.loads(content))).encode()
                self.send_response(reply.status)
                for name, value in reply.getheaders():
                    if name.lower() not in ("content-length", "connection", "transfer-encoding", "keep-alive"):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
            return None

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_args: Any) -> None:
            """Log nothing: a failing test says why."""

    return Forwarding


def unsigned(claims: Claims) -> str:
    """Return the claims as a JWT whose algorithm is "none"."""
    parts = ({"alg": "none", "typ": "JWT"}, claims)
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts) + "."
