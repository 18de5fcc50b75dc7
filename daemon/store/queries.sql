-- The statements of the store. A block "-- name: X" becomes the statement query_X (db.h); a block "-- fragment: X" is
-- inserted where {X} stands (common/embed). store_rows.c reads the columns by their names.
--
-- Messages are selected with all columns of their table, so a new column of messages needs no change here, except in the
-- fragment last_message; what is computed is in message_view. If a result has two columns of one name, the first is read.

-- fragment: conv
c.conv_id, c.kind as conv_kind, c.user_lo, c.user_hi

-- fragment: user
u.user_id, u.username, u.full_name, u.profile_picture, u.public_key, u.created_at

-- The transaction that has changed something: see current_epoch.
-- fragment: xid
txid_current_if_assigned() as xid

-- The columns of the SQL type change.
-- fragment: change
status, (conv).conv_id, (conv).kind as conv_kind, (conv).user_lo, (conv).user_hi, (conv).revision, (message).*, view.*, {xid}

-- The viewer of a change is the sender, who sends and edits.
-- fragment: change_view
message_view((message).message_id, (message).reply_to, (message).forwarded_from, (message).mentions, (message).sender_id) as view

-- Of a change that is answered and pushed without the message.
-- fragment: no_view
message_view(null, null, null, null, null) as view

-- fragment: view
message_view(m.message_id, m.reply_to, m.forwarded_from, m.mentions, $4::int8) as view

-- Changes of conversations

-- name: send_messages
select n, {change}
from send_messages($1::int8[], $2::int8[], $3::text[], $4::text[], $5::int8[], $6::int8[], $7::bool), {change_view}

-- name: edit_message
select {change} from edit_message($1::int8, $2::int8, $3::text), {change_view}

-- name: delete_message
select {change} from delete_message($1::int8, $2::int8), {change_view}

-- name: react
select n, {change}
from react($1::int8[], $2::int8[], $3::text[], $4::bool[], $5::bool), {no_view}

-- name: pin_message
select {change} from pin_message($1::int8, $2::int8, $3::bool), {change_view}

-- name: create_group
select {change} from create_group($1::int8, $2::text), {change_view}

-- name: add_member
select {change} from add_member($1::int8, $2::int8, $3::int8), {change_view}

-- name: remove_member
select {change} from remove_member($1::int8, $2::int8, $3::int8), {change_view}

-- name: change_group
select {change} from change_group($1::int8, $2::int8, $3::text, $4::text, $5::text, $6::bool, $7::bool), {change_view}

-- name: set_role
select {change} from set_role($1::int8, $2::int8, $3::int8, $4::text), {change_view}

-- name: ban_user
select {change} from ban_user($1::int8, $2::int8, $3::int8), {change_view}

-- name: unban_user
select {change} from unban_user($1::int8, $2::int8, $3::int8), {change_view}

-- name: join_by_invite
select {change} from join_by_invite($1::int8, $2::text), {change_view}

-- name: delete_user
select delete_user($1::int8)

-- Erasing in slices

-- name: some_memberships
select {conv}
from members m
join conversations c using (conv_id)
where m.user_id = $1::int8
order by m.conv_id
limit $2::int8

-- name: end_memberships
select {change} from end_memberships($1::int8, $2::int8[]), {change_view}

-- By conversation, so that a slice concerns few of them.
-- name: some_messages
select message_id as id
from (select message_id, conv_id, seq from messages where sender_id = $1::int8 limit $2::int8) m
order by conv_id, seq

-- name: erase_messages
select {conv}, e.last_seq, e.last_mod, e.from_mod, {xid}
from erase_messages($1::int8, $2::int8[]) e
join conversations c using (conv_id)

-- name: some_reactions
select r.message_id as id
from (select distinct message_id from (select message_id from reactions where user_id = $1::int8 limit $2::int8) x) r
join messages m using (message_id)
order by m.conv_id, m.seq

-- name: erase_reactions
select {conv}, e.last_seq, e.last_mod, e.from_mod, {xid}
from erase_reactions($1::int8, $2::int8[]) e
join conversations c using (conv_id)

-- name: erase_group
select erase_group($1::int8) as more

-- name: finish_erasure
delete from erasures where party_id = $1::int8

-- Erasures that no worker is at.
-- name: claim_erasures
update erasures
set touched_at = clock_timestamp()
where party_id in (
	select party_id
	from erasures
	where touched_at < clock_timestamp() - $1::int8 * interval '1 ms'
	limit 8
	for update skip locked
)
returning party_id as id, is_group

-- name: mark_read
select conv_id, user_id, read_seq, own_only from mark_read($1::int8[], $2::int8[], $3::int8[])

-- name: mark_messages_read
with named as (
	select m.conv_id, max(m.seq) as seq, count(*) as n
	from messages m
	join members a on a.conv_id = m.conv_id and a.user_id = $1::int8
	where m.message_id = any ($2::int8[])
	group by 1
), moved as (
	select * from mark_read((select array_agg($1::int8) from named), (select array_agg(conv_id) from named),
		(select array_agg(seq) from named))
)
select {conv}, n.seq, n.n as n_messages, v.conv_id is not null as moved, v.own_only
from named n
join conversations c using (conv_id)
left join moved v using (conv_id)

-- Users

-- name: insert_user
insert into users as u (username, full_name, folded_name, profile_picture, public_key, password)
values ($1::text, $2::text, $6::text, $3::text, $4::text, $5::text)
on conflict (username) do nothing
returning {user}

-- name: user_by_id
select {user}, u.password
from users u
where u.user_id = $1::int8 and u.deleted_at is null

-- name: user_by_name
select {user}, u.password
from users u
where u.username = $1::text and u.deleted_at is null

-- name: update_profile
update users u
set full_name = case when $2::bool then $3::text else u.full_name end,
	folded_name = case when $2::bool then $8::text else u.folded_name end,
	profile_picture = case when $4::bool then $5::text else u.profile_picture end,
	public_key = case when $6::bool then $7::text else u.public_key end
where u.user_id = $1::int8 and u.deleted_at is null
returning {user}

-- name: set_password
select set_password($1::int8, $2::int8, $3::text, $4::text) as status

-- name: search_users
select {user} from search_users($1::int8, $2::text, $3::int8) u

-- Of these users, those in a common chat with the viewer.
-- name: contacts
select u.user_id as id, u.last_seen_at
from users u
where u.user_id = any ($2::int8[]) and u.deleted_at is null
	-- The memberships of a deleted user end some time after the deletion.
	and exists (select from users v where v.user_id = $1::int8 and v.deleted_at is null)
	and exists (select from members a join members b using (conv_id)
		where a.user_id = $1::int8 and b.user_id = u.user_id)
order by u.user_id

-- name: set_last_seen
update users u
set last_seen_at = now()
from (select user_id from users where user_id = any ($1::int8[]) and deleted_at is null
	order by user_id for no key update) i
where u.user_id = i.user_id

-- Tokens

-- name: authenticate
select i.n, t.token_id, t.user_id, t.expires_at,
	(extract(epoch from t.expires_at - now()) * 1000)::int8 as expires_in_ms
from unnest($1::bytea[]) with ordinality as i (hash, n)
join tokens t on t.hash = i.hash
where t.expires_at > now()

-- A new token also deletes the expired ones of its user; nothing else does. The lock makes a change of the password wait
-- for this statement, or the reverse.
-- name: insert_token
with expired as (
	delete from tokens where user_id = $1::int8 and expires_at < now()
), holder as (
	select user_id from users where user_id = $1::int8 and password = $4::text for share
)
insert into tokens (hash, user_id, expires_at)
select $2::bytea, user_id, now() + $3::int8 * interval '1 second' from holder
returning token_id, user_id, expires_at, {xid}

-- name: delete_token
delete from tokens where token_id = $1::int8

-- Those of the tokens that are revoked or expired.
-- name: invalid_tokens
select i.id
from unnest($1::int8[]) i (id)
where not exists (select from tokens t where t.token_id = i.id and t.expires_at > now())

-- Chats

-- name: load_users
select m.user_id, {conv}, c.last_seq, c.last_mod, c.revision, m.read_seq, m.join_seq, may_post(c, m) as may_post
from members m
join conversations c using (conv_id)
where m.user_id = any ($1::int8[])
order by m.user_id

-- The columns of a message, except for the end of a long text.
-- fragment: last_message
l.message_id, l.seq, l.mod, l.sender_id, l.kind, left(l.content, 200) as content,
	octet_length(l.content) > octet_length(left(l.content, 200)) as cut, l.target_id, l.client_id, l.sent_at, l.edited_at,
	l.deleted, l.thread_id, l.mentions_all, l.forwarded_name, l.pinned, l.reacted, view.*

-- fragment: last_message_view
message_view(l.message_id, l.reply_to, l.forwarded_from, l.mentions, null) as view

-- Of a group.
-- fragment: profile
c.posting_admins, c.adding_admins, g.description, g.picture

-- fragment: chats
select m.user_id as viewer, {conv}, case when c.kind = 'g' then c.name else coalesce(u.full_name, '') end as name,
	c.owner_id, c.last_seq, c.last_mod, m.read_seq,
	c.last_seq - m.read_seq - (select count(*) from messages x
		where x.conv_id = c.conv_id and x.seq > m.read_seq and (x.kind <> 't' or x.deleted)) as unread,
	c.member_count, c.activity, p.read_seq as peer_read_seq, {user}, {last_message}, coalesce(a.full_name, '') as sender_name,
	role_of(c, m) as role, may_post(c, m) as may_post, {profile}
from members m
join conversations c using (conv_id)
left join group_profiles g on g.conv_id = c.conv_id
left join messages l on l.conv_id = c.conv_id and l.seq = c.last_seq
cross join {last_message_view}
-- The limit makes the planner use the whole key; it could read all members of a group otherwise, to find no peer.
left join lateral (
	select p.user_id, p.read_seq
	from members p
	where p.conv_id = c.conv_id and p.user_id = case when c.user_lo = m.user_id then c.user_hi else c.user_lo end
	limit 1
) p on true
left join users u on u.user_id = p.user_id and u.deleted_at is null
left join users a on c.kind = 'g' and a.user_id = l.sender_id

-- The page is chosen before the views are made, which cost more.
-- name: chats_of_viewer
with page as materialized (
	select c.conv_id
	from members m
	join conversations c using (conv_id)
	where m.user_id = $1::int8 and (c.activity, c.conv_id) < ($2::int8, $3::int8)
	order by c.activity desc, c.conv_id desc
	limit $4::int8
)
{chats}
where m.user_id = $1::int8 and m.conv_id in (select conv_id from page)
order by c.activity desc, c.conv_id desc

-- name: chat_of_viewers
{chats}
where m.conv_id = $1::int8 and m.user_id = any ($2::int8[])

-- As chat_of_viewers, of a group. The messages that are never unread are counted once for all viewers: from each
-- watermark to the next one, and from these the sums to the end.
-- name: group_of_viewers
with viewers as (
	select m, m.user_id, m.read_seq from members m where m.conv_id = $1::int8 and m.user_id = any ($2::int8[])
), marks as (
	select seq, coalesce(lead(seq) over (order by seq), 9223372036854775807) as next_seq
	from (select distinct v.read_seq as seq from viewers v) d
), uncounted as (
	select s.seq, (sum(x.n) over (order by s.seq desc))::int8 as messages
	from marks s cross join lateral (select count(*) as n from messages x
		where x.conv_id = $1::int8 and x.seq > s.seq and x.seq <= s.next_seq and (x.kind <> 't' or x.deleted)) x
)
select v.user_id as viewer, {conv}, c.name, c.owner_id, c.last_seq, c.last_mod, v.read_seq,
	c.last_seq - v.read_seq - k.messages as unread, c.member_count, c.activity, null::int8 as peer_read_seq,
	{user}, {last_message}, coalesce(a.full_name, '') as sender_name, role_of(c, v.m) as role, may_post(c, v.m) as may_post,
	{profile}
from conversations c
cross join viewers v
left join group_profiles g on g.conv_id = c.conv_id
join uncounted k on k.seq = v.read_seq
left join messages l on l.conv_id = c.conv_id and l.seq = c.last_seq
cross join {last_message_view}
left join users a on a.user_id = l.sender_id
left join users u on false
where c.conv_id = $1::int8 and c.kind = 'g'

-- The conversation of a chat_id: a group, a direct chat, or a user without a direct chat yet, whose conv_id is null.
-- name: resolve_chat
select {conv}, may_post(c, m) as may_post
from conversations c
join members m on m.conv_id = c.conv_id and m.user_id = $1::int8
where c.conv_id = $2::int8 and c.kind = 'g'
union all
select {conv}, true
from conversations c
join members m on m.conv_id = c.conv_id and m.user_id = $1::int8
where c.user_lo = least($1::int8, $2::int8) and c.user_hi = greatest($1::int8, $2::int8)
union all
select null, 'd'::"char", least($1::int8, $2::int8), greatest($1::int8, $2::int8), true
from users u
where u.user_id = $2::int8 and u.deleted_at is null
	and not exists (select from conversations c
		where c.user_lo = least($1::int8, $2::int8) and c.user_hi = greatest($1::int8, $2::int8))

-- name: group_members
select m.user_id, m.join_seq, u.username, u.full_name, m.joined_at, m.read_seq, role_of(c, m.member) as role,
	c.name as group_name, c.owner_id, c.created_at as group_created_at, c.member_count, {profile}
from conversations c
left join group_profiles g on g.conv_id = c.conv_id
left join lateral (
	select x as member, x.*
	from members x
	where x.conv_id = c.conv_id and (x.join_seq, x.user_id) > ($3::int8, $4::int8)
	order by x.join_seq, x.user_id
	limit $5::int8
) m on true
left join users u on u.user_id = m.user_id
where c.conv_id = $2::int8 and c.kind = 'g' and is_member(c.conv_id, $1::int8)
order by m.join_seq, m.user_id

-- Bans and invites. The first row has the status; what follows it is null if there are none.

-- name: bans
select r.status, u.*
from (select coalesce(admin_rejection(c, $1::int8), 'ok') as status
	from (select $2::int8 as conv_id) i left join conversations c using (conv_id)) r
left join lateral (
	select {user}, b.ban_no
	from bans b
	join users u on u.user_id = b.user_id and u.deleted_at is null
	where b.conv_id = $2::int8
) u on r.status = 'ok'
order by u.ban_no desc

-- fragment: invite
i.code, i.expires_at, i.max_uses, i.uses, (select u.user_id from users u where u.user_id = i.created_by and u.deleted_at is null) as created_by

-- name: create_invite
select i.status, {invite}
from (select status, (invite).* from create_invite($1::int8, $2::int8, $3::text, $4::int8, $5::int8)) i

-- name: end_invite
select end_invite($1::int8, $2::int8, $3::text) as status

-- name: invites
select r.status, {invite}
from (select coalesce(admin_rejection(c, $1::int8), 'ok') as status
	from (select $2::int8 as conv_id) i left join conversations c using (conv_id)) r
left join invites i on r.status = 'ok' and i.conv_id = $2::int8 and is_live(i)
order by i.invite_no desc

-- A group as the holder of an invite sees it.
-- name: invited_group
select c.conv_id as id, c.name, g.picture, c.member_count, is_member(c.conv_id, $1::int8) as joined,
	case when exists (select from bans b where b.conv_id = c.conv_id and b.user_id = $1::int8) then 'banned' else 'ok' end as status
from invites i
join conversations c using (conv_id)
left join group_profiles g on g.conv_id = c.conv_id
where i.code = $2::text and is_live(i)

-- Messages

-- In the snapshot of the rows: a user who leaves meanwhile gets no message from after that.
-- fragment: seen_by_viewer
($4::int8 = 0 or exists (select from members v where v.conv_id = $1::int8 and v.user_id = $4::int8))

-- name: history_before
select m.*, view.*
from messages m
cross join {view}
where m.conv_id = $1::int8 and m.seq < $2::int8 and {seen_by_viewer}
order by m.seq desc
limit $3::int8

-- name: history_after
select m.*, view.*
from messages m
cross join {view}
where m.conv_id = $1::int8 and m.seq > $2::int8 and {seen_by_viewer}
order by m.seq
limit $3::int8

-- The seqs of a thread are few columns of a key; the messages follow by theirs.
-- name: thread_before
select m.*, view.*
from (
	(select t.seq from thread_messages t where t.thread_id = $5::int8 and t.seq < $2::int8 order by t.seq desc limit $3::int8)
	union all
	(select f.seq from messages f where f.message_id = $5::int8 and f.seq < $2::int8)
) t
join messages m on m.conv_id = $1::int8 and m.seq = t.seq
cross join {view}
where {seen_by_viewer}
order by m.seq desc
limit $3::int8

-- name: thread_after
select m.*, view.*
from (
	(select f.seq from messages f where f.message_id = $5::int8 and f.seq > $2::int8)
	union all
	(select t.seq from thread_messages t where t.thread_id = $5::int8 and t.seq > $2::int8 order by t.seq limit $3::int8)
) t
join messages m on m.conv_id = $1::int8 and m.seq = t.seq
cross join {view}
where {seen_by_viewer}
order by m.seq
limit $3::int8

-- Before a seq, and from it on. In one statement, so that both are of one snapshot.
-- name: history_around
select m.*, view.*
from (
	(select * from messages x where x.conv_id = $1::int8 and x.seq < $2::int8 order by x.seq desc limit $3::int8)
	union all
	(select * from messages x where x.conv_id = $1::int8 and x.seq >= $2::int8 order by x.seq limit $5::int8)
) m
cross join {view}
where {seen_by_viewer}
order by m.seq

-- name: message_of_viewer
select {conv}, m.*, view.*
from messages m
join conversations c using (conv_id)
join members v on v.conv_id = m.conv_id and v.user_id = $1::int8
cross join message_view(m.message_id, m.reply_to, m.forwarded_from, m.mentions, v.user_id) as view
where m.message_id = $2::int8

-- name: pins_of_chat
select m.*, view.*
from pins p
join messages m using (message_id)
cross join message_view(m.message_id, m.reply_to, m.forwarded_from, m.mentions, $2::int8) as view
where p.conv_id = $1::int8 and is_member($1::int8, $2::int8)
order by p.mod desc

-- name: changes_after
select m.*, view.*
from messages m
cross join {view}
where m.conv_id = $1::int8 and m.mod > $2::int8 and {seen_by_viewer}
order by m.mod
limit $3::int8

-- name: changes_of_last_50
select m.*, view.*
from (select * from messages x where x.conv_id = $1::int8 order by x.seq desc limit 50) m
cross join {view}
where m.mod > $2::int8 and {seen_by_viewer}
order by m.mod
limit $3::int8

-- The texts that a search finds, in one snapshot, and a last row without a message: see search_messages in functions.sql.
-- name: search_messages
select s.found_at, s.incomplete, s.percent, {conv}, m.*, view.*
from search_messages($1::int8, nullif($2::int8, 0), $3::text[], $4::text[], nullif($5::int8, 0), $6::bool, $7::bool,
	coalesce(timestamptz 'epoch' + nullif($8::int8, 9223372036854775807) * interval '1 ms', 'infinity'), $9::int8,
	coalesce(timestamptz 'epoch' + nullif($10::int8, -9223372036854775808) * interval '1 ms', '-infinity'), $11::int8, 120)
	with ordinality s (found_id, found_at, incomplete, percent, n)
left join messages m on m.message_id = s.found_id
left join conversations c on c.conv_id = m.conv_id
cross join message_view(m.message_id, m.reply_to, m.forwarded_from, m.mentions, $1::int8) as view
order by s.n

-- The indexer

-- name: search_index
select search_index(250, '10 min') as built, search_ready() as ready

-- name: search_state
select * from search_state()

-- name: search_drop_index
drop index concurrently if exists search_blocks_terms

-- name: search_create_index
create index concurrently search_blocks_terms on search_blocks using gin (terms) with (fastupdate = off)

-- Sessions

-- The settings that the statements and the promises depend on, whatever the role or the database have. A setting that
-- this version of PostgreSQL lacks is left out. No setting of the session may change the meaning of this text.
-- name: session_settings
select set_config(v.name, v.value, false)
from (values
	('search_path', 'parley, pg_temp'),
	-- The meaning of statements.
	('default_transaction_isolation', 'read committed'),
	('default_transaction_read_only', 'off'),
	('default_transaction_deferrable', 'off'),
	('standard_conforming_strings', 'on'),
	('backslash_quote', 'safe_encoding'),
	('transform_null_equals', 'off'),
	('array_nulls', 'on'),
	('row_security', 'on'),
	-- Formats.
	('client_encoding', 'UTF8'),
	('DateStyle', 'ISO, MDY'),
	('IntervalStyle', 'postgres'),
	('TimeZone', 'UTC'),
	('bytea_output', 'hex'),
	('extra_float_digits', '1'),
	-- A commit is on disk before it is acknowledged; remote_apply waits longer than that.
	('synchronous_commit', case current_setting('synchronous_commit') when 'remote_apply' then 'remote_apply' else 'on' end),
	-- The ends of statements and sessions. The store adds its own timeouts.
	('statement_timeout', '0'),
	('lock_timeout', '0'),
	('transaction_timeout', '0'),
	('idle_session_timeout', '0'),
	('idle_in_transaction_session_timeout', '0'),
	('exit_on_error', 'off'),
	('client_min_messages', 'warning'),
	-- Plans. Compilation takes longer than any statement here.
	('plan_cache_mode', 'auto'),
	('jit', 'off')
) v (name, value)
join pg_catalog.pg_settings s on lower(s.name) = lower(v.name)

-- Workers

-- name: probe_write
select probe_write()

-- name: fence_dead_workers
select fence_dead_workers($1::int8::int, $2::int8[]::int[], $3::int8::int)

-- Its answer follows those of all statements before it on its connection.
-- name: nothing
select 1
