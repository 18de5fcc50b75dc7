"""accounts: passwords and tokens in the form in which parleyd stores them.

Knows nothing of: the other columns of users.
"""

import base64
import hashlib
import os
import secrets


def stored_password(password, n=2, r=1, p=1):
    """The stored form of a password. The default is the least cost that parleyd accepts."""
    salt = os.urandom(16)
    digest = hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=1 << 26, dklen=32)
    texts = [base64.b64encode(part).decode() for part in (salt, digest)]
    return "$".join(["scrypt", str(n), str(r), str(p), *texts])


def new_token(daemon, user_id, lifetime="1 day"):
    """A valid token for the user, without the cost of hashing a password."""
    token = base64.urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode()
    daemon.sql(
        "insert into tokens (hash, user_id, expires_at) values (%s, %s, now() + %s::interval)",
        hashlib.sha256(token.encode()).digest(),
        user_id,
        lifetime,
    )
    return token
