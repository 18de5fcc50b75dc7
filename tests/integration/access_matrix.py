"""access_matrix: the tables of docs/security.md, and a scenario with their users and messages.

Owns: the sockets of a scenario. Knows nothing of: routes and frames.

A scenario is created in one transaction, directly in the database, so that each test can have its
own: a group with an owner, admins, members, two former members and a banned one, a closed group, a
direct chat, messages, and a deleted account. The user `oneself` of the tables is the `target` of the others' requests.
"""

import functools
import itertools
import os
import re
import secrets

import conftest
from accounts import stored_password
from client import Person

DOC = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/security.md")
GROUP_ROLES = ["nobody", "stranger", "former", "banned", "member", "admin", "owner", "deleted"]
ROLES = ["nobody", "stranger", "former", "member", "owner", "sender", "oneself", "deleted"]
PASSWORD = "correct horse"  # the target's
_numbers = itertools.count(1)


@functools.lru_cache(maxsize=None)
def stored_target_password():
    """The stored form of PASSWORD, computed once, at the cost of the daemon's own."""
    return stored_password(PASSWORD, n=32768, r=8, p=3)


def table(kind, what, roles=None):
    """The table whose columns have these names: {(first, second): {role: cell}}."""
    roles = roles or ROLES
    head = [kind, what, *roles]
    rows, inside = {}, False
    with open(DOC, encoding="utf-8") as file:
        for line in file:
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            if not line.startswith("|"):
                inside = False
            elif inside and not re.fullmatch(r"-+", cells[0]):
                assert len(cells) == len(head), f"wrong number of cells: {line}"
                key = (cells[0], cells[1])
                assert key not in rows, f"duplicate row: {key}"
                rows[key] = dict(zip(roles, cells[2:]))
            elif cells == head:
                inside = True
    assert rows, f"{DOC} has no table of {head}"
    return rows


def cells(rows):
    """The cells that apply, by name, for pytest.mark.parametrize."""
    return {
        f"{first}, {second or 'any'}, {who}": (first, second, who, cell)
        for (first, second), row in rows.items()
        for who, cell in row.items()
        if cell != "·"
    }


class Scenario:
    """people[role] is the list of users with this role of the tables; for `nobody` it is empty."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.number = next(_numbers)
        # Part of everything that only members may see.
        self.private_text = f"private-{secrets.token_hex(6)}"
        with daemon.db().transaction():
            self._fill()

    def _person(self, role):
        return conftest.new_person(self.daemon, f"{role} {self.number}")

    def _call(self, function, *args):
        """Calls a function of the schema; returns message_id and conv_id of its change."""
        marks = ", ".join(["%s"] * len(args))
        rows = self.daemon.sql(f"select (message).message_id, (conv).conv_id from {function}({marks})", *args)
        return rows[0]

    def _post(self, one, receiver_id):
        return self.daemon.sql(
            "select (message).message_id, (conv).conv_id from send_messages(array[%s::bigint], array[%s::bigint], "
            "array[%s], array[null])",
            one.id,
            receiver_id,
            self.private_text,
        )[0]

    def _delete(self, one):
        """Deletes a user and all that the user leaves behind. An erasure that is left to the daemon
        changes the database during later requests."""
        for statement in (
            "select from delete_user(%s)",
            "select end_memberships(user_id, array_agg(conv_id)) from members where user_id = %s"
            " group by user_id",
            "select erase_messages(sender_id, array_agg(message_id)) from messages"
            " where sender_id = %s group by sender_id",
            "delete from erasures where party_id = %s",
        ):
            self.daemon.sql(statement, one.id)

    def _fill(self):
        names = ("stranger", "left", "removed", "banned", "member", "admin", "other admin", "owner")
        names += ("sender", "target", "deleted")
        who = {name: self._person(name) for name in names}
        self.newcomer = self._person("newcomer")
        self.target, self.deleted, self.owner = who["target"], who["deleted"], who["owner"]
        self.daemon.sql(
            "update users set password = %s where user_id = %s", stored_target_password(), self.target.id
        )
        self.join_id, self.group_id = self._call("create_group", self.owner.id, self.private_text)
        for name in names:
            if name in ("stranger", "owner"):
                continue
            self._call("add_member", self.owner.id, self.group_id, who[name].id)
        self.text_id, _ = self._post(who["sender"], self.group_id)
        self.direct_id, _ = self._post(who["sender"], self.target.id)
        self.erased_id, _ = self._post(who["sender"], self.group_id)
        self._call("delete_message", who["sender"].id, self.erased_id)
        self.former_ids = {
            who[name].id: self._post(who[name], self.group_id)[0] for name in ("left", "removed")
        }
        for pinned in (self.text_id, self.direct_id):
            self._call("pin_message", who["sender"].id, pinned, True)
        self._call("remove_member", who["left"].id, self.group_id, who["left"].id)
        self._call("remove_member", self.owner.id, self.group_id, who["removed"].id)
        self._call("ban_user", self.owner.id, self.group_id, who["banned"].id)
        self._appoint(self.group_id, who["admin"], who["other admin"])
        self.banned, self.other_admin = who["banned"], who["other admin"]
        self._fill_closed(who["member"], who["admin"])
        self.invite, self.ended, self.foreign = (self._invite(g) for g in 2 * [self.group_id] + [self.closed_id])
        self.daemon.sql("select end_invite(%s, %s, %s)", self.owner.id, self.group_id, self.ended)
        self._delete(self.deleted)
        self.last_id = self.daemon.sql(
            "select max(message_id) from messages where conv_id = %s", self.group_id
        )[0][0]
        self.people = {
            "nobody": [],
            "stranger": [who["stranger"]],
            "former": [who["left"], who["removed"]],
            "banned": [who["banned"]],
            "member": [who["member"]],
            "admin": [who["admin"]],
            "owner": [self.owner],
            "sender": [who["sender"]],
            "oneself": [self.target],
            "deleted": [self.deleted],
        }

    def _appoint(self, group_id, *admins):
        for one in admins:
            self._call("set_role", self.owner.id, group_id, one.id, "admin")

    def _fill_closed(self, member, admin):
        _, self.closed_id = self._call("create_group", self.owner.id, self.private_text)
        for one in (member, admin):
            self._call("add_member", self.owner.id, self.closed_id, one.id)
        self._appoint(self.closed_id, admin)
        self._call("change_group", self.owner.id, self.closed_id, None, None, None, True, True)

    def _invite(self, group_id):
        code = secrets.token_hex(11)
        self.daemon.sql(
            "select from create_invite(%s, %s, %s, null, null)", self.owner.id, group_id, code
        )
        return code

    def all_users(self):
        return [self.newcomer, self.other_admin, *itertools.chain.from_iterable(self.people.values())]

    def former_text(self, one):
        """A message of this former member; for any other user, of one of the two."""
        return self.former_ids.get(one and one.id, next(iter(self.former_ids.values())))

    def close(self):
        for one in self.all_users():
            Person.close(one)


def snapshot(daemon):
    """A value that is equal if no row was inserted, updated or deleted in between.

    Except last_seen_at, which is written some time after a socket is closed.
    """
    written = [
        f"select '{name}', count(*), sum(xmin::text::bigint) from {name}"
        for name in (
            "tokens",
            "conversations",
            "members",
            "messages",
            "replied",
            "thread_messages",
            "reactions",
            "reaction_counts",
            "pins",
            "user_words",
            *("group_profiles", "bans", "invites"),
        )
    ]
    users = (
        "select 'users', count(*), sum(hashtextextended(concat_ws('|', user_id, username, "
        "full_name, password, profile_picture, public_key, created_at, deleted_at), 0)) from users"
    )
    return daemon.sql(" union all ".join([users, *written]))
