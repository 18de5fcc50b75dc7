-- The schema of parley: users, tokens, conversations, their members and messages.
--
-- Two rules carry the promises to clients:
--   * A conversation's row is the lock of everything in it. Whoever gives out a seq or a mod, or changes who is
--     a member, holds that row until the commit is flushed; so seq and mod are gapless and in commit order.
--   * Several conversations are always locked in the order of conv_id, so that no two writers wait for each other.
-- There are no foreign keys on the hot tables: each would take a lock on the referenced row for each message,
-- and what they would check is checked under the conversation's lock.

-- Users, groups and (unseen by clients) direct conversations take their ids from one space.
create sequence party_ids maxvalue 9007199254740991;
create sequence message_ids maxvalue 9007199254740991 cache 32;

create table users (
	user_id bigint primary key default nextval('party_ids'),
	username text not null unique,		-- folded to lower case; kept after deletion, so that it is never given out again
	full_name text not null,
	password text,				-- scrypt$N$r$p$salt$hash; null once deleted
	profile_picture text,
	public_key text,
	created_at timestamptz(3) not null default now(),
	last_seen_at timestamptz(3),
	deleted_at timestamptz(3)
);

-- The words people are found by: the username and each word of the full name, folded.
create table user_words (
	word text not null,
	user_id bigint not null,
	primary key (word, user_id)
);
create index user_words_prefix on user_words (word text_pattern_ops);
create index user_words_user on user_words (user_id);

create function user_words_update() returns trigger language plpgsql as $$
begin
	delete from user_words w where w.user_id = new.user_id;
	if new.deleted_at is null then
		insert into user_words (word, user_id)
		select word, new.user_id
		from regexp_split_to_table(lower(new.full_name || ' ' || new.username), '\s+') word
		where word <> ''
		on conflict do nothing;
	end if;
	return null;
end $$;
create trigger user_words_update after insert or update of username, full_name, deleted_at on users
	for each row execute function user_words_update();

create table tokens (
	token_id bigint generated always as identity primary key,
	hash bytea not null unique,		-- SHA-256 of the token; the token itself is nowhere
	user_id bigint not null references users,
	created_at timestamptz(3) not null default now(),
	expires_at timestamptz(3) not null
);
create index tokens_user on tokens (user_id);

create table conversations (
	conv_id bigint primary key default nextval('party_ids'),	-- a group's id is its conv_id
	kind "char" not null check (kind in ('d', 'g')),		-- direct, group
	user_lo bigint,			-- direct: the two users, equal for notes to self
	user_hi bigint,
	name text,			-- group
	owner_id bigint,		-- group; null once its last member left
	created_at timestamptz(3) not null default now(),
	last_seq bigint not null default 0,
	last_mod bigint not null default 0,
	unique (user_lo, user_hi),
	check ((kind = 'd') = (user_lo is not null and user_hi is not null and user_lo <= user_hi)),
	check ((kind = 'g') = (name is not null))
) with (fillfactor = 60);		-- room for HOT updates: the row changes with every message

create table members (
	conv_id bigint not null,
	user_id bigint not null,
	joined_at timestamptz(3) not null default now(),
	join_seq bigint not null default 0,	-- orders members by standing
	read_seq bigint not null default 0,
	primary key (conv_id, user_id)
) with (fillfactor = 60);
create index members_user on members (user_id);

create table messages (
	message_id bigint primary key default nextval('message_ids'),
	conv_id bigint not null,
	seq bigint not null,
	mod bigint not null,
	sender_id bigint,		-- the actor; null once that user is deleted
	kind "char" not null default 't' check (kind in ('t', 'j', 'l', 'r')),	-- text, join, leave, rename
	content text,			-- of a text; of a rename the new name; null once deleted
	target_id bigint,		-- who joined or left
	client_id text,
	sent_at timestamptz(3) not null,
	edited_at timestamptz(3),
	deleted boolean not null default false,
	unique (conv_id, seq),
	unique (conv_id, mod),
	unique (sender_id, client_id)
);
-- What is not counted as unread. The rest after a watermark needs no counting: seq has no gaps, and one's own sends move it.
create index messages_uncounted on messages (conv_id, seq) where kind <> 't' or deleted;

-- What changed in a conversation, with all that a push to its members needs. Every function that takes a mod
-- returns rows of this type; status says what became of the request, the rest is null unless it is 'ok' or 'duplicate'.
create type change as (
	status text,
	conv_id bigint,
	conv_kind "char",
	user_lo bigint,
	user_hi bigint,
	message_id bigint,
	seq bigint,
	mod bigint,
	sender_id bigint,
	kind "char",
	content text,
	target_id bigint,
	client_id text,
	sent_at timestamptz(3),
	edited_at timestamptz(3),
	deleted boolean
);

create function change_of(p_status text, c conversations, m messages) returns change
language sql immutable as $$
	select row(p_status, c.conv_id, c.kind, c.user_lo, c.user_hi, m.message_id, m.seq, m.mod, m.sender_id, m.kind,
		m.content, m.target_id, m.client_id, m.sent_at, m.edited_at, m.deleted)::change
$$;

create function change_refused(p_status text) returns change
language sql immutable as $$
	select row(p_status, null, null, null, null, null, null, null, null, null,
		null, null, null, null, null, null)::change
$$;

-- Stores a batch of messages, each once: the n-th elements of the four arrays are the n-th send (client may be null;
-- no client_id stands twice in one batch for one sender). One row a send comes back, in any order: n from 1, and the columns
-- of a change whose status is 'ok', 'duplicate' (this client_id was stored before: its row as it is now),
-- or 'no_such_chat' (no such user or group, or not a member of it).
-- A refused send is an answer, not an exception: the others of the batch are stored all the same.
--
-- The settings pin the one right plan, nested loops over the indexes for at most a few hundred rows, planned once a connection.
create function post_messages(p_sender bigint[], p_receiver bigint[], p_content text[], p_client text[])
returns table (
	n bigint, status text, conv_id bigint, conv_kind "char", user_lo bigint, user_hi bigint, message_id bigint, seq bigint,
	mod bigint, sender_id bigint, kind "char", content text, target_id bigint, client_id text, sent_at timestamptz(3),
	edited_at timestamptz(3), deleted boolean
) language plpgsql
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
#variable_conflict use_column
declare
	v_conv bigint[];
	v_now timestamptz;
begin
	v_conv := post_targets(p_sender, p_receiver);
	if array_position(v_conv, null) is not null and post_open_direct(p_sender, p_receiver, p_client, v_conv) then
		v_conv := post_targets(p_sender, p_receiver);
	end if;

	perform 1 from conversations where conv_id = any (v_conv) order by conv_id for no key update;
	v_now := clock_timestamp();

	return query
	with sends as (
		select i.n, i.sender, i.content, i.client,
			c.conv_id, c.kind as conv_kind, c.user_lo, c.user_hi, c.last_seq, c.last_mod,
			m.message_id is null and a.user_id is not null and (c.kind = 'g'
				or exists (select from members b where b.conv_id = c.conv_id and b.user_id = i.receiver)) as fresh,
			m as known
		from unnest(p_sender, p_receiver, p_content, p_client, v_conv)
			with ordinality as i (sender, receiver, content, client, conv, n)
		left join messages m on m.sender_id = i.sender and m.client_id = i.client
		left join conversations c on c.conv_id = coalesce(m.conv_id, i.conv)
		left join members a on a.conv_id = c.conv_id and a.user_id = i.sender
	), numbered as (
		select *, row_number() over (partition by s.conv_id order by s.n) as nth, nextval('message_ids') as message_id
		from sends s
		where s.fresh
	), stored as (
		insert into messages (message_id, conv_id, seq, mod, sender_id, content, client_id, sent_at)
		select s.message_id, s.conv_id, s.last_seq + s.nth, s.last_mod + s.nth, s.sender, s.content, s.client, v_now
		from numbered s
	), heads as (
		update conversations c
		set last_seq = c.last_seq + g.n_new, last_mod = c.last_mod + g.n_new
		from (select s.conv_id, count(*) as n_new from numbered s group by 1) g
		where c.conv_id = g.conv_id
	), watermarks as (
		update members r
		set read_seq = g.seq
		-- In the order in which mark_read locks them: it does so without the conversation's lock.
		from (select s.conv_id, s.sender, max(s.last_seq + s.nth) as seq from numbered s group by 1, 2 order by 1, 2) g
		where r.conv_id = g.conv_id and r.user_id = g.sender
	)
	select s.n, 'ok', s.conv_id, s.conv_kind, s.user_lo, s.user_hi, s.message_id, s.last_seq + s.nth, s.last_mod + s.nth,
		s.sender, 't'::"char", s.content, null::bigint, s.client, v_now::timestamptz(3), null::timestamptz(3), false
	from numbered s
	union all
	select s.n, case when (s.known).message_id is null then 'no_such_chat' else 'duplicate' end,
		s.conv_id, s.conv_kind, s.user_lo, s.user_hi, (s.known).message_id, (s.known).seq, (s.known).mod, s.sender,
		(s.known).kind, (s.known).content, null::bigint, s.client, (s.known).sent_at, (s.known).edited_at, (s.known).deleted
	from sends s
	where s.fresh is not true;
end $$;

-- The conversation each send goes to, null where there is none yet.
create function post_targets(p_sender bigint[], p_receiver bigint[]) returns bigint[] language plpgsql stable
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
begin
	return (
	select array_agg(coalesce(g.conv_id, d.conv_id) order by i.n)
	from unnest(p_sender, p_receiver) with ordinality as i (sender, receiver, n)
	left join conversations g on g.conv_id = i.receiver and g.kind = 'g'
	left join conversations d on d.user_lo = least(i.sender, i.receiver) and d.user_hi = greatest(i.sender, i.receiver)
	);
end $$;

-- Opens the direct conversations that a batch asks for; false where none was opened. In the order of the pair, before any
-- conversation is locked: whoever waits here holds nothing that the other could be waiting for.
create function post_open_direct(p_sender bigint[], p_receiver bigint[], p_client text[], p_conv bigint[])
returns boolean
language plpgsql as $$
declare
	v_pair record;
	v_conv bigint;
	v_opened boolean := false;
begin
	for v_pair in
		select distinct least(i.sender, i.receiver) as lo, greatest(i.sender, i.receiver) as hi
		from unnest(p_sender, p_receiver, p_client, p_conv) as i (sender, receiver, client, conv)
		join users a on a.user_id = i.sender and a.deleted_at is null
		join users b on b.user_id = i.receiver and b.deleted_at is null
		where i.conv is null and not exists (select from messages m
			where m.sender_id = i.sender and m.client_id = i.client)	-- a repeat opens nothing
		order by 1, 2
	loop
		-- Shared locks on both: an account is not deleted while a chat with it opens.
		perform 1 from users where user_id in (v_pair.lo, v_pair.hi) and deleted_at is null
			order by user_id for key share;
		continue when (select count(*) from users
			where user_id in (v_pair.lo, v_pair.hi) and deleted_at is null)
			< (case when v_pair.lo = v_pair.hi then 1 else 2 end);
		insert into conversations (kind, user_lo, user_hi) values ('d', v_pair.lo, v_pair.hi)
			on conflict (user_lo, user_hi) do nothing
			returning conv_id into v_conv;
		v_opened := true;
		continue when v_conv is null;
		insert into members (conv_id, user_id)
		select distinct v_conv, u from unnest(array[v_pair.lo, v_pair.hi]) u;
	end loop;
	return v_opened;
end $$;

-- Locks a conversation and returns its row as it is under the lock; conv_id is null where there is none.
create function conversation_lock(p_conv bigint) returns conversations language sql as $$
	select c from conversations c where conv_id = p_conv for no key update
$$;

create function is_member(p_conv bigint, p_user bigint) returns boolean language sql stable as $$
	select exists (select from members where conv_id = p_conv and user_id = p_user)
$$;

-- Appends a message that tells of the conversation itself (kind j, l or r). The caller holds the lock.
create function append_event(p_conv bigint, p_actor bigint, p_kind "char", p_target bigint, p_content text)
returns change language plpgsql as $$
declare
	c conversations;
	m messages;
begin
	update conversations set last_seq = last_seq + 1, last_mod = last_mod + 1 where conv_id = p_conv returning * into c;
	insert into messages (conv_id, seq, mod, sender_id, kind, content, target_id, sent_at)
		values (p_conv, c.last_seq, c.last_mod, p_actor, p_kind, p_content, p_target, clock_timestamp())
		returning * into m;
	update members set read_seq = c.last_seq where conv_id = p_conv and user_id = p_actor and read_seq < c.last_seq;
	return change_of('ok', c, m);
end $$;

-- Status: ok, no_such_message (none, deleted, or in a chat the caller is not in), not_sender, not_text.
create function edit_message(p_user bigint, p_message bigint, p_content text) returns change language plpgsql as $$
declare
	c conversations;
	m messages;
	v_refused text;
begin
	select * into c from conversation_lock((select conv_id from messages where message_id = p_message));
	select * into m from messages where message_id = p_message;
	v_refused := message_change_refused(p_user, m);
	if v_refused is null and m.deleted then
		v_refused := 'no_such_message';
	end if;
	if v_refused is not null then
		return change_refused(v_refused);
	end if;
	update conversations set last_mod = last_mod + 1 where conv_id = c.conv_id returning * into c;
	update messages set content = p_content, edited_at = clock_timestamp(), mod = c.last_mod
		where message_id = p_message returning * into m;
	return change_of('ok', c, m);
end $$;

-- Status as edit_message; 'duplicate' where it was deleted before: the row as it is, no new mod.
create function delete_message(p_user bigint, p_message bigint) returns change language plpgsql as $$
declare
	c conversations;
	m messages;
	v_refused text;
begin
	select * into c from conversation_lock((select conv_id from messages where message_id = p_message));
	select * into m from messages where message_id = p_message;
	v_refused := message_change_refused(p_user, m);
	if v_refused is not null then
		return change_refused(v_refused);
	end if;
	if m.deleted then
		return change_of('duplicate', c, m);
	end if;
	update conversations set last_mod = last_mod + 1 where conv_id = c.conv_id returning * into c;
	update messages set content = null, deleted = true, mod = c.last_mod
		where message_id = p_message returning * into m;
	return change_of('ok', c, m);
end $$;

create function message_change_refused(p_user bigint, m messages) returns text language sql stable as $$
	select case
		when m.message_id is null or not is_member(m.conv_id, p_user) then 'no_such_message'
		when m.sender_id is distinct from p_user then 'not_sender'
		when m.kind <> 't' then 'not_text'
	end
$$;

create function create_group(p_owner bigint, p_name text) returns change language plpgsql as $$
declare
	c conversations;
begin
	perform 1 from users where user_id = p_owner and deleted_at is null for key share;
	if not found then
		return change_refused('no_such_user');
	end if;
	insert into conversations (kind, name, owner_id) values ('g', p_name, p_owner) returning * into c;
	insert into members (conv_id, user_id, join_seq) values (c.conv_id, p_owner, 1);
	return append_event(c.conv_id, p_owner, 'j', p_owner, null);
end $$;

-- Status: ok, no_such_group (none, or the actor is not in it), no_such_user, duplicate (already a member).
create function add_member(p_actor bigint, p_group bigint, p_user bigint) returns change language plpgsql as $$
declare
	c conversations;
begin
	select * into c from conversation_lock(p_group);
	if c.kind is distinct from 'g' or not is_member(p_group, p_actor) then
		return change_refused('no_such_group');
	end if;
	if is_member(p_group, p_user) then
		return change_refused('duplicate');
	end if;
	perform 1 from users where user_id = p_user and deleted_at is null for key share;
	if not found then
		return change_refused('no_such_user');
	end if;
	-- What was said before is there to read, but is not counted as unread.
	insert into members (conv_id, user_id, join_seq, read_seq)
		values (p_group, p_user, c.last_seq + 1, c.last_seq + 1);
	return append_event(p_group, p_actor, 'j', p_user, null);
end $$;

-- Takes p_user out of the group; p_actor = p_user is a leave.
-- Status: ok, no_such_group, not_owner, no_such_member. A group without members goes: its texts are erased, and what is kept
-- of it only keeps a client_id from being taken twice; the change's mod is then null.
create function remove_member(p_actor bigint, p_group bigint, p_user bigint) returns change language plpgsql as $$
declare
	c conversations;
begin
	select * into c from conversation_lock(p_group);
	if c.kind is distinct from 'g' or not is_member(p_group, p_actor) then
		return change_refused('no_such_group');
	elsif p_actor <> p_user and c.owner_id is distinct from p_actor then
		return change_refused('not_owner');
	elsif not is_member(p_group, p_user) then
		return change_refused('no_such_member');
	end if;
	return drop_member(c, p_actor, p_user);
end $$;

create function drop_member(c conversations, p_actor bigint, p_user bigint) returns change language plpgsql as $$
declare
	v_next bigint;
begin
	perform 1 from members where conv_id = c.conv_id and user_id in (p_actor, p_user) order by user_id for update;
	delete from members where conv_id = c.conv_id and user_id = p_user;
	select user_id into v_next from members where conv_id = c.conv_id order by join_seq, user_id limit 1;
	if v_next is null then
		update messages set content = null, deleted = true where conv_id = c.conv_id and kind = 't';
		update conversations set owner_id = null, name = '' where conv_id = c.conv_id returning * into c;
		return row('ok', c.conv_id, c.kind, null, null, null, null, null, p_actor, 'l', null, p_user, null, now(),
			null, false)::change;
	end if;
	if c.owner_id = p_user then
		update conversations set owner_id = v_next where conv_id = c.conv_id;
	end if;
	return append_event(c.conv_id, p_actor, 'l', p_user, null);
end $$;

-- Status: ok, no_such_group, not_owner.
create function rename_group(p_actor bigint, p_group bigint, p_name text) returns change language plpgsql as $$
declare
	c conversations;
begin
	select * into c from conversation_lock(p_group);
	if c.kind is distinct from 'g' or not is_member(p_group, p_actor) then
		return change_refused('no_such_group');
	elsif c.owner_id is distinct from p_actor then
		return change_refused('not_owner');
	end if;
	update conversations set name = p_name where conv_id = p_group;
	return append_event(p_group, p_actor, 'r', null, p_name);
end $$;

-- Moves watermarks forward, never back and never past last_seq; returns those that moved. No seq or mod is given out, so no
-- conversation is locked; members are, in one order.
create function mark_read(p_user bigint[], p_conv bigint[], p_seq bigint[])
returns table (conv_id bigint, user_id bigint, read_seq bigint) language plpgsql as $$
#variable_conflict use_column
begin
	set local synchronous_commit = off;	-- a lost watermark is read again; it is no message
	perform 1
	from members m
	join (select distinct * from unnest(p_conv, p_user) as i (conv, usr)) i on i.conv = m.conv_id and i.usr = m.user_id
	order by m.conv_id, m.user_id for no key update of m;
	return query
	update members m
	set read_seq = least(i.seq, c.last_seq)
	from (select conv, usr, max(seq) as seq from unnest(p_conv, p_user, p_seq) as i (conv, usr, seq) group by 1, 2) i
	join conversations c on c.conv_id = i.conv
	where m.conv_id = i.conv and m.user_id = i.usr and m.read_seq < least(i.seq, c.last_seq)
	returning m.conv_id, m.user_id, m.read_seq;
end $$;

-- Sets the stored password and ends every token of the user but one. First the user's row is locked, then the tokens are looked at:
-- a log-in with the old password has added its token by then, or finds the new password.
create function set_password(p_user bigint, p_password text, p_keep_token bigint) returns void language plpgsql as $$
begin
	update users set password = p_password where user_id = p_user and deleted_at is null;
	delete from tokens where user_id = p_user and token_id <> p_keep_token;
end $$;

-- Erases a person: profile, tokens, memberships and the contents of their messages. Their username stays taken.
-- Each erased message takes a mod; in groups a leave is appended. One row a conversation that others still
-- see comes back: its new head, and the mod before it. Nothing where the user does not exist.
create function delete_user(p_user bigint)
returns table (conv_id bigint, last_seq bigint, last_mod bigint, from_mod bigint) language plpgsql as $$
#variable_conflict use_column
declare
	c conversations;
	v_erased bigint;
	v_from bigint;
begin
	perform 1 from users where user_id = p_user and deleted_at is null for update;
	if not found then
		return;
	end if;
	update users set full_name = '', password = null, profile_picture = null, public_key = null, last_seen_at = null,
		deleted_at = now() where user_id = p_user;
	delete from tokens where user_id = p_user;
	for c in
		select * from conversations
		where conv_id in (select conv_id from members where user_id = p_user
			union select conv_id from messages where sender_id = p_user)
		order by conv_id for no key update
	loop
		v_from := c.last_mod;
		update messages m
		set sender_id = null, client_id = null, mod = c.last_mod + e.nth,
			content = case when m.kind = 't' then null else m.content end,
			deleted = m.deleted or m.kind = 't'
		from (select message_id, row_number() over (order by seq) as nth from messages
			where conv_id = c.conv_id and sender_id = p_user) e
		where m.message_id = e.message_id;
		get diagnostics v_erased = row_count;
		update conversations set last_mod = last_mod + v_erased where conv_id = c.conv_id returning * into c;
		if c.kind = 'g' and is_member(c.conv_id, p_user) then
			perform drop_member(c, null, p_user);
		else
			delete from members where conv_id = c.conv_id and user_id = p_user;
		end if;
		return query select k.conv_id, k.last_seq, k.last_mod, v_from from conversations k
			where k.conv_id = c.conv_id and exists (select from members m where m.conv_id = k.conv_id);
	end loop;
end $$;

-- Waits until no writing session of a dead worker is left that could still commit. Each holds the advisory lock
-- (p_class: its daemon, p_object: its boot and incarnation); those of p_live are alive, and so are those forked since (a larger
-- object of the same boot). One that is still there after p_wait_ms is ended.
create function wait_for_dead_sessions(p_class int, p_live int[], p_wait_ms int) returns void language plpgsql as $$
declare
	v_until timestamptz := clock_timestamp() + p_wait_ms * interval '1 ms';
	v_newest bigint := (select max(o) from unnest(p_live) o);
	v_pids int[];
begin
	loop
		select array_agg(l.pid) into v_pids
		from pg_locks l
		where l.locktype = 'advisory' and l.granted and l.objsubid = 2
			and l.database = (select oid from pg_database where datname = current_database())
			and l.classid::bigint = p_class
			and not l.objid::bigint = any (p_live::bigint[])
			and not (l.objid::bigint > v_newest and l.objid::bigint >> 20 = v_newest >> 20);
		exit when v_pids is null;
		if clock_timestamp() > v_until then
			perform pg_terminate_backend(p, 1000) from unnest(v_pids) p;
		end if;
		perform pg_sleep(0.005);
	end loop;
end $$;
