"""big_data: many users, chats and messages in seconds, inserted by SQL.

Owns: nothing. Knows nothing of: the daemon, which must not serve any of these users yet.

db is a connection in autocommit whose search_path has the schema parley. The rows are what the
functions of the schema would have made, apart from joins: these have no messages.
"""

TOKEN_CHARS = 43


def token_of(user_id):
    """The token that users() gives to this user."""
    return str(user_id).zfill(TOKEN_CHARS)


def users(db, n, prefix, full_name="Person"):
    """Inserts users with a token each; returns their ids in ascending order."""
    rows = db.execute(
        "insert into users (username, full_name, folded_name)"
        " select %s || i, %s || ' ' || i, lower(%s || ' ' || i) from generate_series(1, %s) i"
        " returning user_id",
        (prefix, full_name, full_name, n),
    )
    ids = sorted(row[0] for row in rows.fetchall())
    db.execute(
        "insert into tokens (hash, user_id, expires_at)"
        " select sha256(convert_to(lpad(u::text, %s, '0'), 'UTF8')), u, now() + interval '1 day'"
        " from unnest(%s::int8[]) u",
        (TOKEN_CHARS, ids),
    )
    return ids


def groups(db, n, members, texts=1, content="text", sender=None):
    """Inserts n groups of all these members, with texts from the sender, who is the owner if there
    is none. The first member is the owner; returns the ids of the groups."""
    rows = db.execute(
        "insert into conversations"
        " (kind, name, owner_id, last_seq, last_mod, activity, member_count)"
        " select 'g', 'Group ' || i, %s, %s, %s, nextval('activities'), %s"
        " from generate_series(1, %s) i returning conv_id",
        (members[0], texts, texts, len(members), n),
    )
    ids = [row[0] for row in rows.fetchall()]
    _members(db, ids, members, join_seq=1)
    _texts(db, ids, texts, content, sender or members[0])
    return ids


def directs(db, user, peers, texts=1):
    """Inserts a direct chat with each peer, with texts from the user; returns their conv_ids."""
    rows = db.execute(
        "insert into conversations"
        " (kind, user_lo, user_hi, last_seq, last_mod, activity, member_count)"
        " select 'd', least(%s, p), greatest(%s, p), %s, %s, nextval('activities'), 2"
        " from unnest(%s::int8[]) p"
        " returning conv_id, user_lo + user_hi - %s",
        (user, user, texts, texts, peers, user),
    ).fetchall()
    ids = [row[0] for row in rows]
    _members(db, ids, [user], join_seq=0)
    db.execute(
        "insert into members (conv_id, user_id)"
        " select c, u from unnest(%s::int8[], %s::int8[]) x (c, u)",
        (ids, [row[1] for row in rows]),
    )
    _texts(db, ids, texts, "text", user)
    return ids


def _members(db, convs, members, join_seq):
    db.execute(
        "insert into members (conv_id, user_id, join_seq)"
        " select c, u, %s from unnest(%s::int8[]) c, unnest(%s::int8[]) u",
        (join_seq, convs, members),
    )


def _texts(db, convs, texts, content, sender):
    db.execute(
        "insert into messages (conv_id, seq, mod, sender_id, content, sent_at)"
        " select c, i, i, %s, %s, now() from unnest(%s::int8[]) c, generate_series(1, %s) i",
        (sender, content, convs, texts),
    )


def analyze(db):
    """Gathers the statistics for the planner, as autovacuum does in a database that has grown."""
    db.execute("analyze")
