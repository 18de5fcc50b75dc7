-- The functions and the composite types of the schema. This file is edited in place. If it differs from the one that
-- was applied last, the program drops what that one created and applies this one (migrate.h).
--
-- Each object is created by a line that begins with "create function NAME" or "create type NAME": these are dropped by
-- name. The function of a trigger is replaced instead, since the trigger depends on it. All are in the schema parley,
-- which the search_path of each connection names.
--
-- Two rules carry the promises to clients:
--   * The row of a conversation is the lock of all that belongs to it. A transaction that assigns a seq or a mod, or
--     changes the members, locks that row until its commit is flushed. So seq and mod have no gaps and follow the
--     order of the commits.
--   * Several conversations are locked in the order of conv_id, so that two writers do not deadlock.

-- Keeps user_words: the username and each word of the full name, folded by the program (common/unicode). The search_path is for an update by an
-- administrator, whose session has another.
create or replace function user_words_update() returns trigger language plpgsql set search_path = parley, pg_temp as $$
declare
	v_words text[] := case when new.deleted_at is null then string_to_array(new.folded_name, ' ') || new.username else '{}' end;
begin
	delete from user_words w where w.user_id = new.user_id and w.word <> all (v_words);
	insert into user_words (word, user_id)
	select word, new.user_id from unnest(v_words) word
	on conflict do nothing;
	return null;
end $$;

-- The result of an operation that assigns a mod, with all that a push to the members needs. The status is 'ok',
-- 'duplicate' (it was done before: nothing changed) or the code of an error. With an error the rest is null.
create type change as (
	status text,
	conv conversations,
	message messages
);

create function change_of(p_status text, c conversations, m messages) returns change language sql immutable as $$
	select row(p_status, c, m)::change
$$;

create function change_rejected(p_status text) returns change language sql immutable as $$
	select row(p_status, null, null)::change
$$;

-- What an answer has of a message beside its own row. One row, whose columns are null if there is nothing. The limits make
-- the planner use the keys. The reactions are the members of a JSON array, as p_viewer sees them; null if that is null or 0.
create function message_view(p_message bigint, p_reply_to bigint, p_forwarded_from bigint, p_mentions bigint[],
	p_viewer bigint)
returns table (reply_id bigint, reply_seq bigint, reply_sender bigint, reply_content text, reply_deleted boolean,
	replies bigint, forwarded_user bigint, mention_list text, reactions text)
language sql stable as $$
	select q.message_id, q.seq, q.sender_id, q.content, q.deleted,
		(select r.replies from replied r where r.message_id = p_message),
		f.user_id, array_to_string(p_mentions, ','),
		(select string_agg(row_to_json(x)::text, ',' order by u.mods[1])
			from reaction_counts k
			cross join lateral (
				select array_agg(r.user_id) as ids, array_agg(r.mod) as mods
				from (select user_id, mod from reactions
					where message_id = k.message_id and emoji = k.emoji order by mod limit 20) r
			) u
			cross join lateral (
				select k.emoji, k.n as count, u.ids as user_ids, exists (select from reactions
					where message_id = k.message_id and user_id = p_viewer and emoji = k.emoji) as mine
			) x
			where k.message_id = p_message and p_viewer <> 0)
	from (select) one
	left join lateral (
		select m.message_id, m.seq, m.sender_id, left(m.content, 200) as content, m.deleted
		from messages m
		where m.message_id = p_reply_to
		limit 1
	) q on true
	left join lateral (
		select u.user_id from users u where u.user_id = p_forwarded_from and u.deleted_at is null limit 1
	) f on true
$$;

-- Stores a batch of messages. Element n of each array belongs to send n, from 1; p_client, p_reply_to and p_forward may be
-- null, and the last two shorter; with p_forward, the content is that of this message. In one batch, a client_id appears once per sender. Returns one
-- row per send, in any order. Status: ok; duplicate (the client_id is stored: its message as it is now); no_such_chat (no
-- such user or group, or the sender is not a member); no_such_message, not_text (of p_forward); invalid (p_reply_to is no
-- text of this chat); not_allowed (the sender may not post); locked (without p_wait: another transaction has locked the
-- conversation).
-- A rejected send does not raise an error, so that the others of the batch are stored. The counters of a returned
-- conversation are those before the batch.
--
-- The settings pin the only good plan, nested loops over indexes for at most some hundred rows, planned once per
-- connection. The row of a new message is built once, in numbered, by position: the columns of messages in their order.
create function send_messages(p_sender bigint[], p_receiver bigint[], p_content text[], p_client text[],
	p_reply_to bigint[] default '{}', p_forward bigint[] default '{}', p_wait boolean default true)
returns table (n bigint, status text, conv conversations, message messages) language plpgsql
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
#variable_conflict use_column
declare
	v_conv bigint[];
	v_locked bigint[];	-- by this transaction
	v_now timestamptz;
begin
	v_conv := send_targets(p_sender, p_receiver);
	if array_position(v_conv, null) is not null
		and send_open_direct(p_sender, p_receiver, p_client, p_reply_to, p_forward, v_conv) then
		v_conv := send_targets(p_sender, p_receiver);
	end if;

	if p_wait then
		perform 1 from conversations where conv_id = any (v_conv) order by conv_id for no key update;
		v_locked := v_conv;
	else
		select coalesce(array_agg(x.conv_id), '{}') into v_locked
		from (select c.conv_id from conversations c where c.conv_id = any (v_conv)
			order by c.conv_id for no key update skip locked) x;
	end if;
	v_now := clock_timestamp();

	return query
	with sends as (
		select i.n, i.sender, i.client, i.reply_to, coalesce(q.thread_id, q.message_id) as thread_id,
			coalesce(f.content, i.content) as content, coalesce(f.forwarded_from, f.sender_id) as author,
			case when i.forward is not null then coalesce(f.forwarded_name, w.full_name, '') end as author_name,
			c as conv, c.conv_id, c.last_seq, c.last_mod, m as stored,
			case
				when m.message_id is not null then 'duplicate'
				when i.conv is not null and i.conv <> all (v_locked) then 'locked'
				when i.forward is not null and forward_rejection(i.sender, f) = 'no_such_message' then 'no_such_message'
				-- A chat that send_open_direct has not opened.
				when i.conv is null and (i.reply_to is not null or f.kind <> 't') and exists (select from users u
					where u.user_id = i.receiver and u.deleted_at is null)
					then case when f.kind <> 't' then 'not_text' else 'invalid' end
				when a.user_id is null or (c.kind = 'd' and not exists (select from members b
					where b.conv_id = c.conv_id and b.user_id = i.receiver offset 0)) then 'no_such_chat'
				when not may_post(c, a.row) then 'not_allowed'
				when i.forward is not null and f.kind <> 't' then 'not_text'
				when i.reply_to is not null and q.message_id is null then 'invalid'
				else 'ok'
			end as status
		from unnest(p_sender, p_receiver, p_content, p_client, p_reply_to, p_forward, v_conv)
			with ordinality as i (sender, receiver, content, client, reply_to, forward, conv, n)
		left join messages m on m.sender_id = i.sender and m.client_id = i.client
		left join conversations c on c.conv_id = coalesce(m.conv_id, i.conv)
		-- The limits make the planner use the whole keys; on tables that are empty when it plans, it would read all members
		-- or messages of the conversation for each send.
		left join lateral (select x as row, x.user_id from members x
			where x.conv_id = c.conv_id and x.user_id = i.sender limit 1) a on true
		left join lateral (select x.message_id, x.thread_id, x.conv_id, x.kind from messages x
			where x.message_id = i.reply_to limit 1) q on q.conv_id = c.conv_id and q.kind = 't'
		left join messages f on f.message_id = i.forward
		left join users w on w.user_id = f.sender_id
	), placed as (
		select *, s.last_seq + row_number() over (partition by s.conv_id order by s.n) as seq
		from sends s
		where s.status = 'ok'
	), numbered as (
		select s.n, s.conv, s.conv_id, s.sender, s.seq,
			row(nextval('message_ids'), s.conv_id, s.seq, s.last_mod + s.seq - s.last_seq, s.sender, 't', s.content, null,
				s.client, v_now::timestamptz(3), null, false, s.reply_to, s.thread_id, null, false, s.author,
				s.author_name, null, null)::messages as message
		from placed s
	), inserted as (
		insert into messages select (s.message).* from numbered s
	), heads as (
		update conversations c
		set last_seq = c.last_seq + g.n_new, last_mod = c.last_mod + g.n_new, activity = g.activity
		from (select k.*, nextval('activities') as activity
			from (select s.conv_id, count(*) as n_new from numbered s group by 1 order by max(s.n)) k) g
		where c.conv_id = g.conv_id
	), watermarks as (
		update members r
		set read_seq = g.seq
		-- In the order of mark_read, which locks members without the conversation's lock.
		from (select s.conv_id, s.sender, max(s.seq) as seq from numbered s group by 1, 2 order by 1, 2) g
		where r.conv_id = g.conv_id and r.user_id = g.sender
	), counted as (
		insert into replied as r (message_id, replies)
		select s.reply_to, count(*) from placed s where s.reply_to is not null group by 1
		on conflict (message_id) do update set replies = r.replies + excluded.replies
	), threads as (
		insert into thread_messages (thread_id, seq)
		select s.thread_id, s.seq from placed s where s.thread_id is not null
	)
	select s.n, 'ok', s.conv, s.message
	from numbered s
	union all
	select s.n, s.status, s.conv, s.stored
	from sends s
	where s.status <> 'ok';
end $$;

-- The conversation of each send; null if it does not exist yet.
create function send_targets(p_sender bigint[], p_receiver bigint[]) returns bigint[] language plpgsql stable
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

-- Opens the direct conversations that a batch needs, in the order of the pair; none for a send that will be rejected.
-- Returns true if one was opened. No conversation is locked yet: a transaction that waits here holds nothing that the other
-- one can wait for.
create function send_open_direct(p_sender bigint[], p_receiver bigint[], p_client text[], p_reply_to bigint[],
	p_forward bigint[], p_conv bigint[])
returns boolean
language plpgsql as $$
declare
	v_pair record;
	v_conv bigint;
	v_opened boolean := false;
begin
	for v_pair in
		select distinct least(i.sender, i.receiver) as lo, greatest(i.sender, i.receiver) as hi
		from unnest(p_sender, p_receiver, p_client, p_reply_to, p_forward, p_conv)
			as i (sender, receiver, client, reply_to, forward, conv)
		join users a on a.user_id = i.sender and a.deleted_at is null
		join users b on b.user_id = i.receiver and b.deleted_at is null
		where i.conv is null and not exists (select from messages m
			where m.sender_id = i.sender and m.client_id = i.client)	-- a duplicate opens nothing
			and i.reply_to is null
			and (i.forward is null or forward_rejection(i.sender,
				(select f from messages f where f.message_id = i.forward)) is null)
		order by 1, 2
	loop
		-- Shared locks on both users: neither is deleted before the conversation is committed.
		perform 1 from users where user_id in (v_pair.lo, v_pair.hi) and deleted_at is null
			order by user_id for key share;
		continue when (select count(*) from users
			where user_id in (v_pair.lo, v_pair.hi) and deleted_at is null)
			< (case when v_pair.lo = v_pair.hi then 1 else 2 end);
		insert into conversations (kind, user_lo, user_hi, member_count)
			values ('d', v_pair.lo, v_pair.hi, case when v_pair.lo = v_pair.hi then 1 else 2 end)
			on conflict (user_lo, user_hi) do nothing
			returning conv_id into v_conv;
		v_opened := true;
		continue when v_conv is null;
		insert into members (conv_id, user_id)
		select distinct v_conv, u from unnest(array[v_pair.lo, v_pair.hi]) u;
	end loop;
	return v_opened;
end $$;

-- Locks a conversation and returns its row as it is under the lock; conv_id is null if it does not exist.
create function conversation_lock(p_conv bigint) returns conversations language sql as $$
	select c from conversations c where conv_id = p_conv for no key update
$$;

create function is_member(p_conv bigint, p_user bigint) returns boolean language sql stable as $$
	select exists (select from members where conv_id = p_conv and user_id = p_user)
$$;

-- The rights of a member. In a direct chat both users have all of them.

create function is_admin(c conversations, m members) returns boolean language sql immutable as $$
	select m.admin or coalesce(c.owner_id = m.user_id, false)
$$;

create function may_post(c conversations, m members) returns boolean language sql immutable as $$
	select not c.posting_admins or is_admin(c, m)
$$;

create function may_add(c conversations, m members) returns boolean language sql immutable as $$
	select not c.adding_admins or is_admin(c, m)
$$;

-- Null in a direct chat.
create function role_of(c conversations, m members) returns text language sql immutable as $$
	select case when c.kind = 'g' then
		case when c.owner_id = m.user_id then 'owner' when m.admin then 'admin' else 'member' end end
$$;

create function member_of(p_conv bigint, p_user bigint) returns members language sql stable as $$
	select m from members m where conv_id = p_conv and user_id = p_user
$$;

-- Why a user may not administer a group; null if they may.
create function admin_rejection(c conversations, p_user bigint) returns text language sql stable as $$
	select case
		when c.kind is distinct from 'g' or m.user_id is null then 'no_such_group'
		when not is_admin(c, m) then 'not_admin'
	end
	from member_of(c.conv_id, p_user) m
$$;

-- Why the owner or an admin may not remove or ban a user; null if they may.
create function removal_rejection(c conversations, p_actor bigint, p_user bigint) returns text language sql stable as $$
	select case when c.owner_id <> p_actor and is_admin(c, m) then 'not_owner' end
	from member_of(c.conv_id, p_user) m
$$;

-- Appends a message about the conversation itself (kind j, l or r), and counts the join or leave. The caller holds the
-- lock.
create function append_event(p_conv bigint, p_actor bigint, p_kind "char", p_target bigint, p_content text)
returns change language plpgsql as $$
declare
	c conversations;
	m messages;
begin
	update conversations
	set last_seq = last_seq + 1, last_mod = last_mod + 1, activity = nextval('activities'),
		member_count = member_count + case p_kind when 'j' then 1 when 'l' then -1 else 0 end
	where conv_id = p_conv returning * into c;
	insert into messages (conv_id, seq, mod, sender_id, kind, content, target_id, sent_at)
		values (p_conv, c.last_seq, c.last_mod, p_actor, p_kind, p_content, p_target, clock_timestamp())
		returning * into m;
	update members set read_seq = c.last_seq where conv_id = p_conv and user_id = p_actor and read_seq < c.last_seq;
	return change_of('ok', c, m);
end $$;

-- Status: ok; no_such_message (none, deleted, or in a chat that the user is not in); not_sender; not_text (also of a forward).
create function edit_message(p_user bigint, p_message bigint, p_content text) returns change language plpgsql as $$
declare
	c conversations;
	m messages;
	v_status text;
begin
	select * into c from conversation_lock((select conv_id from messages where message_id = p_message));
	select * into m from messages where message_id = p_message;
	v_status := message_change_rejection(p_user, m);
	if v_status is null and m.deleted then
		v_status := 'no_such_message';
	elsif v_status is null and m.forwarded_name is not null then
		v_status := 'not_text';
	end if;
	if v_status is not null then
		return change_rejected(v_status);
	end if;
	update conversations set last_mod = last_mod + 1 where conv_id = c.conv_id returning * into c;
	update messages set content = p_content, edited_at = clock_timestamp(), mod = c.last_mod
		where message_id = p_message returning * into m;
	return change_of('ok', c, m);
end $$;

-- Status: as edit_message; duplicate if it is deleted already: the row as it is, without a new mod.
create function delete_message(p_user bigint, p_message bigint) returns change language plpgsql as $$
declare
	c conversations;
	m messages;
	v_status text;
begin
	select * into c from conversation_lock((select conv_id from messages where message_id = p_message));
	select * into m from messages where message_id = p_message;
	v_status := message_change_rejection(p_user, m);
	if v_status is not null then
		return change_rejected(v_status);
	end if;
	if m.deleted then
		return change_of('duplicate', c, m);
	end if;
	update conversations set last_mod = last_mod + 1 where conv_id = c.conv_id returning * into c;
	update messages set content = null, deleted = true, mentions = null, mentions_all = false, forwarded_from = null,
		forwarded_name = null, pinned = null, mod = c.last_mod
		where message_id = p_message returning * into m;
	perform end_reactions(array[p_message]);
	return change_of('ok', c, m);
end $$;

-- Reactions and pins.

-- Why a user may not react to a message; null if they may. The message, the membership or the conversation may be null.
create function reaction_rejection(c conversations, a members, m messages) returns text language sql immutable as $$
	select case
		when m.message_id is null or a.user_id is null or m.deleted then 'no_such_message'
		when m.kind <> 't' then 'not_text'
	end
$$;

-- Adds and removes reactions. Element n of each array belongs to reaction n, from 1. Returns one row per reaction, in any
-- order; of the message it has the ids, the positions and the kind. Status: ok; duplicate (it is so already: nothing changed); those of
-- reaction_rejection; too_many (different ones of the message); locked (without p_wait: another transaction has locked the
-- conversation).
-- Each reaction takes a mod, and a message gets the last one of the batch: its row is written once.
create function react(p_user bigint[], p_message bigint[], p_emoji text[], p_on boolean[], p_wait boolean default true)
returns table (n bigint, status text, conv conversations, message messages) language plpgsql
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
#variable_conflict use_column
declare
	v_locked bigint[];	-- by this transaction
	v_mod bigint;		-- the last one of the conversation
	v_messages bigint[] := '{}';	-- those that were changed, with their mods
	v_mods bigint[] := '{}';
	v_convs bigint[] := '{}';
	r record;
begin
	v_locked := array(select m.conv_id from messages m where m.message_id = any (p_message));
	if p_wait then
		perform 1 from conversations where conv_id = any (v_locked) order by conv_id for no key update;
	else
		v_locked := array(select c.conv_id from conversations c where c.conv_id = any (v_locked)
			order by c.conv_id for no key update skip locked);
	end if;

	for r in
		select i.n, i.usr, i.emoji, i.want, c as conv, m as message, c.conv_id, c.last_mod, m.message_id,
			row_number() over (partition by c.conv_id order by i.n) = 1 as first,
			case when c.conv_id is not null and c.conv_id <> all (v_locked) then 'locked' else reaction_rejection(c, a.row, m) end as rejection
		from unnest(p_user, p_message, p_emoji, p_on) with ordinality as i (usr, message, emoji, want, n)
		left join messages m on m.message_id = i.message
		left join conversations c on c.conv_id = m.conv_id
		-- As in send_messages.
		left join lateral (select x as row from members x where x.conv_id = c.conv_id and x.user_id = i.usr limit 1) a on true
		order by c.conv_id, i.n
	loop
		if r.first then
			v_mod := r.last_mod;
		end if;
		n := r.n;
		conv := r.conv;
		message := r.message;
		message.content := null;
		message.reply_to := null;
		status := coalesce(r.rejection, reaction_set(r.message_id, r.usr, r.emoji, r.want, v_mod + 1));
		if status = 'ok' then
			v_mod := v_mod + 1;
			message.mod := v_mod;
			v_messages := v_messages || r.message_id;
			v_convs := v_convs || r.conv_id;
			v_mods := v_mods || v_mod;
		end if;
		return next;
	end loop;

	update conversations c set last_mod = x.mod
	from (select i.conv, max(i.mod) as mod from unnest(v_convs, v_mods) as i (conv, mod) group by 1) x
	where c.conv_id = x.conv;
	update messages m set mod = x.mod, reacted = x.mod
	from (select i.message, max(i.mod) as mod from unnest(v_messages, v_mods) as i (message, mod) group by 1) x
	where m.message_id = x.message;
end $$;

-- Stores or deletes one reaction; the caller holds the lock. Status: ok, duplicate, too_many.
create function reaction_set(p_message bigint, p_user bigint, p_emoji text, p_on boolean, p_mod bigint)
returns text language plpgsql as $$
declare
	v_n int;
begin
	if p_on = exists (select from reactions
		where message_id = p_message and user_id = p_user and emoji = p_emoji) then
		return 'duplicate';
	elsif not p_on then
		delete from reactions where message_id = p_message and user_id = p_user and emoji = p_emoji;
		update reaction_counts set n = n - 1 where message_id = p_message and emoji = p_emoji returning n into v_n;
		if v_n = 0 then
			delete from reaction_counts where message_id = p_message and emoji = p_emoji;
		end if;
		return 'ok';
	end if;
	update reaction_counts set n = n + 1 where message_id = p_message and emoji = p_emoji;
	if not found then
		if (select count(*) from reaction_counts where message_id = p_message) >= 20 then
			return 'too_many';
		end if;
		insert into reaction_counts (message_id, emoji, n) values (p_message, p_emoji, 1);
	end if;
	insert into reactions (message_id, user_id, emoji, mod) values (p_message, p_user, p_emoji, p_mod);
	return 'ok';
end $$;

-- Why a user may not pin a message; null if they may.
create function pin_rejection(c conversations, a members, m messages) returns text language sql immutable as $$
	select coalesce(reaction_rejection(c, a, m), case when not may_post(c, a) then 'not_allowed' end)
$$;

-- Status: ok; duplicate (it is so already); those of pin_rejection; too_many (of the chat).
create function pin_message(p_user bigint, p_message bigint, p_on boolean) returns change language plpgsql as $$
declare
	c conversations;
	m messages;
	v_status text;
begin
	select * into c from conversation_lock((select conv_id from messages where message_id = p_message));
	select * into m from messages where message_id = p_message;
	v_status := pin_rejection(c, (select a from members a where conv_id = c.conv_id and user_id = p_user), m);
	if v_status is null and p_on = (m.pinned is not null) then
		return change_of('duplicate', c, m);
	elsif v_status is null and p_on and (select count(*) from pins where conv_id = c.conv_id) >= 100 then
		v_status := 'too_many';
	end if;
	if v_status is not null then
		return change_rejected(v_status);
	end if;
	update conversations set last_mod = last_mod + 1 where conv_id = c.conv_id returning * into c;
	if p_on then
		insert into pins (message_id, conv_id, mod) values (p_message, c.conv_id, c.last_mod);
	else
		delete from pins where message_id = p_message;
	end if;
	update messages set pinned = case when p_on then c.last_mod end, mod = c.last_mod
		where message_id = p_message returning * into m;
	return change_of('ok', c, m);
end $$;

-- Deletes the reactions to these messages and their pins; messages.pinned is the caller's.
create function end_reactions(p_message bigint[]) returns void language plpgsql
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
as $$
begin
	delete from reactions where message_id = any (p_message);
	delete from reaction_counts where message_id = any (p_message);
	delete from pins where message_id = any (p_message);
end $$;

-- Deletes the reactions of a deleted user to these messages; each message takes a mod. Returns one row per conversation, as
-- erase_messages. Conversations that another transaction has locked are left out.
create function erase_reactions(p_user bigint, p_message bigint[])
returns table (conv_id bigint, last_seq bigint, last_mod bigint, from_mod bigint) language plpgsql
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
#variable_conflict use_column
declare
	v_conv bigint[] := erasure_lock(p_user, p_message);
begin
	return query
	with gone as (
		delete from reactions r
		using messages m
		where r.message_id = any (p_message) and r.user_id = p_user and m.message_id = r.message_id
			and m.conv_id = any (v_conv)
		returning r.message_id, r.emoji, m.conv_id, m.seq
	), counted as (
		update reaction_counts k set n = k.n - 1
		from gone g
		where k.message_id = g.message_id and k.emoji = g.emoji and k.n > 1
	), last_ones as (
		delete from reaction_counts k
		using gone g
		where k.message_id = g.message_id and k.emoji = g.emoji and k.n = 1
	), numbered as (
		select g.message_id, g.conv_id, row_number() over (partition by g.conv_id order by g.seq) as nth
		from (select distinct message_id, conv_id, seq from gone) g
	), heads as (
		update conversations c
		set last_mod = c.last_mod + g.n
		from (select n.conv_id, count(*) as n from numbered n group by 1) g
		where c.conv_id = g.conv_id
		returning c.conv_id, c.last_seq, c.last_mod, c.last_mod - g.n as from_mod
	), changed as (
		update messages m
		set mod = h.from_mod + n.nth, reacted = h.from_mod + n.nth
		from numbered n
		join heads h on h.conv_id = n.conv_id
		where m.message_id = n.message_id
	)
	select * from heads;
end $$;

-- Why a user may not change a message; null if they may.
create function message_change_rejection(p_user bigint, m messages) returns text language sql stable as $$
	select case
		when m.message_id is null or not is_member(m.conv_id, p_user) then 'no_such_message'
		when m.sender_id is distinct from p_user then 'not_sender'
		when m.kind <> 't' then 'not_text'
	end
$$;

-- Why a user may not forward a message; null if they may.
create function forward_rejection(p_user bigint, m messages) returns text language sql stable as $$
	select case
		when m.message_id is null or m.deleted or not is_member(m.conv_id, p_user) then 'no_such_message'
		when m.kind <> 't' then 'not_text'
	end
$$;

-- True if the user may be in no more groups. Direct chats do not count: their join_seq is 0.
create function in_too_many_groups(p_user bigint) returns boolean language sql stable as $$
	select count(*) = 10000 from (select from members where user_id = p_user and join_seq > 0 limit 10000) g
$$;

-- Status: ok, no_such_user, too_many.
create function create_group(p_owner bigint, p_name text) returns change language plpgsql as $$
declare
	c conversations;
begin
	perform 1 from users where user_id = p_owner and deleted_at is null for key share;
	if not found then
		return change_rejected('no_such_user');
	elsif in_too_many_groups(p_owner) then
		return change_rejected('too_many');
	end if;
	insert into conversations (kind, name, owner_id) values ('g', p_name, p_owner) returning * into c;
	insert into members (conv_id, user_id, join_seq) values (c.conv_id, p_owner, 1);
	return append_event(c.conv_id, p_owner, 'j', p_owner, null);
end $$;

-- Status: ok; no_such_group (none, or the actor is not in it); not_allowed; or as enter_group.
create function add_member(p_actor bigint, p_group bigint, p_user bigint) returns change language plpgsql as $$
declare
	c conversations;
begin
	select * into c from conversation_lock(p_group);
	if c.kind is distinct from 'g' or not is_member(p_group, p_actor) then
		return change_rejected('no_such_group');
	elsif not may_add(c, member_of(p_group, p_actor)) then
		return change_rejected('not_allowed');
	end if;
	return enter_group(c, p_actor, p_user);
end $$;

-- Makes a user a member; the caller holds the lock. Status: ok; no_such_user; duplicate (a member already); banned;
-- too_many (groups of the user).
create function enter_group(c conversations, p_actor bigint, p_user bigint) returns change language plpgsql as $$
begin
	-- The memberships of a deleted user end some time after the deletion.
	perform 1 from users where user_id = p_user and deleted_at is null for key share;
	if not found then
		return change_rejected('no_such_user');
	elsif is_member(c.conv_id, p_user) then
		return change_rejected('duplicate');
	elsif exists (select from bans where conv_id = c.conv_id and user_id = p_user) then
		return change_rejected('banned');
	elsif in_too_many_groups(p_user) then
		return change_rejected('too_many');
	end if;
	-- A new member can read the messages before the join, but they do not count as unread.
	insert into members (conv_id, user_id, join_seq, read_seq)
		values (c.conv_id, p_user, c.last_seq + 1, c.last_seq + 1);
	return append_event(c.conv_id, p_actor, 'j', p_user, null);
end $$;

-- Removes p_user from the group; if it is p_actor, this is a leave. Status: ok; no_such_group; not_admin; no_such_member;
-- not_owner (p_user is an admin or the owner).
create function remove_member(p_actor bigint, p_group bigint, p_user bigint) returns change language plpgsql as $$
declare
	c conversations;
	v_status text;
begin
	select * into c from conversation_lock(p_group);
	v_status := admin_rejection(c, p_actor);
	if v_status = 'no_such_group' or (v_status is not null and p_actor <> p_user) then
		return change_rejected(v_status);
	elsif not is_member(p_group, p_user) then
		return change_rejected('no_such_member');
	elsif p_actor <> p_user and removal_rejection(c, p_actor, p_user) is not null then
		return change_rejected(removal_rejection(c, p_actor, p_user));
	end if;
	return drop_member(c, p_actor, p_user);
end $$;

-- Removes a member; the caller holds the lock. A group without members ends: erase_group erases its texts. The returned
-- message then has no mod and is not stored.
create function drop_member(c conversations, p_actor bigint, p_user bigint) returns change language plpgsql as $$
declare
	v_next bigint;
	m messages;
begin
	perform 1 from members where conv_id = c.conv_id and user_id in (p_actor, p_user) order by user_id for update;
	delete from members where conv_id = c.conv_id and user_id = p_user;
	select user_id into v_next from members where conv_id = c.conv_id order by join_seq, user_id limit 1;
	if v_next is null then
		update conversations set owner_id = null, name = '', member_count = 0
			where conv_id = c.conv_id returning * into c;
		delete from group_profiles where conv_id = c.conv_id;
		delete from bans where conv_id = c.conv_id;
		delete from invites where conv_id = c.conv_id;
		insert into erasures (party_id, is_group) values (c.conv_id, true);
		m.sender_id := p_actor;
		m.kind := 'l';
		m.target_id := p_user;
		m.sent_at := now();
		m.deleted := false;
		return change_of('ok', c, m);
	end if;
	if c.owner_id = p_user then
		update conversations
		set owner_id = coalesce((select user_id from members where conv_id = c.conv_id and admin
			order by join_seq, user_id limit 1), v_next)
		where conv_id = c.conv_id;
	end if;
	return append_event(c.conv_id, p_actor, 'l', p_user, null);
end $$;

-- Counts a change of the `chat` objects of a conversation that takes no mod; the caller holds the lock. The message of the
-- returned change is null.
create function revise_chat(p_conv bigint) returns change language plpgsql as $$
declare
	c conversations;
begin
	update conversations set revision = revision + 1 where conv_id = p_conv returning * into c;
	return change_of('ok', c, null);
end $$;

-- Changes what is not null; an empty p_description or p_picture clears. Status: ok; no_such_group; not_admin; duplicate
-- (it is so already). A new name is a message of kind r, which also stands for the other changes.
create function change_group(p_actor bigint, p_group bigint, p_name text, p_description text, p_picture text,
	p_posting_admins boolean, p_adding_admins boolean) returns change language plpgsql as $$
declare
	c conversations;
	g group_profiles;
	v_status text;
	v_renamed boolean;
	v_description text;
	v_picture text;
begin
	select * into c from conversation_lock(p_group);
	v_status := admin_rejection(c, p_actor);
	if v_status is not null then
		return change_rejected(v_status);
	end if;
	select * into g from group_profiles where conv_id = p_group;
	v_renamed := coalesce(p_name <> c.name, false);
	v_description := nullif(coalesce(p_description, g.description), '');
	v_picture := nullif(coalesce(p_picture, g.picture), '');
	if not v_renamed and (v_description, v_picture) is not distinct from (g.description, g.picture)
		and coalesce(p_posting_admins, c.posting_admins) = c.posting_admins
		and coalesce(p_adding_admins, c.adding_admins) = c.adding_admins then
		return change_of('duplicate', c, null);
	end if;
	insert into group_profiles (conv_id, description, picture) values (p_group, v_description, v_picture)
		on conflict (conv_id) do update set description = excluded.description, picture = excluded.picture;
	update conversations
	set name = coalesce(p_name, name), posting_admins = coalesce(p_posting_admins, posting_admins),
		adding_admins = coalesce(p_adding_admins, adding_admins)
	where conv_id = p_group;
	if v_renamed then
		return append_event(p_group, p_actor, 'r', null, p_name);
	end if;
	return revise_chat(p_group);
end $$;

-- p_role: owner, admin or member; of the actor only owner. Status: ok; no_such_group; not_owner; no_such_member; duplicate
-- (it is so already).
create function set_role(p_actor bigint, p_group bigint, p_user bigint, p_role text) returns change language plpgsql as $$
declare
	c conversations;
begin
	select * into c from conversation_lock(p_group);
	if c.kind is distinct from 'g' or not is_member(p_group, p_actor) then
		return change_rejected('no_such_group');
	elsif c.owner_id <> p_actor then
		return change_rejected('not_owner');
	elsif not is_member(p_group, p_user) then
		return change_rejected('no_such_member');
	elsif role_of(c, member_of(p_group, p_user)) = p_role then
		return change_of('duplicate', c, null);
	end if;
	if p_role = 'owner' then
		perform 1 from members where conv_id = p_group and user_id in (p_actor, p_user)
			order by user_id for no key update;
		update members set admin = user_id = p_actor where conv_id = p_group and user_id in (p_actor, p_user);
		update conversations set owner_id = p_user where conv_id = p_group;
	else
		update members set admin = p_role = 'admin' where conv_id = p_group and user_id = p_user;
	end if;
	return revise_chat(p_group);
end $$;

-- Status: ok (a member was removed); duplicate (no member was: nothing is pushed); no_such_group; not_admin; no_such_user;
-- not_owner (p_user is an admin or the owner); too_many (bans of the group).
create function ban_user(p_actor bigint, p_group bigint, p_user bigint) returns change language plpgsql as $$
declare
	c conversations;
	v_status text;
begin
	select * into c from conversation_lock(p_group);
	v_status := admin_rejection(c, p_actor);
	if v_status is null then
		perform 1 from users where user_id = p_user and deleted_at is null for key share;
		v_status := case when not found then 'no_such_user' else removal_rejection(c, p_actor, p_user) end;
	end if;
	if v_status is null and not exists (select from bans where conv_id = p_group and user_id = p_user)
		and (select count(*) from bans where conv_id = p_group) >= 1000 then
		v_status := 'too_many';
	end if;
	if v_status is not null then
		return change_rejected(v_status);
	end if;
	insert into bans (conv_id, user_id) values (p_group, p_user) on conflict do nothing;
	if is_member(p_group, p_user) then
		return drop_member(c, p_actor, p_user);
	end if;
	return change_of('duplicate', c, null);
end $$;

-- Status: duplicate (nothing is pushed); no_such_group; not_admin; no_such_user.
create function unban_user(p_actor bigint, p_group bigint, p_user bigint) returns change language plpgsql as $$
declare
	c conversations;
	v_status text;
begin
	select * into c from conversation_lock(p_group);
	v_status := admin_rejection(c, p_actor);
	if v_status is null and not exists (select from users where user_id = p_user and deleted_at is null) then
		v_status := 'no_such_user';
	end if;
	if v_status is not null then
		return change_rejected(v_status);
	end if;
	delete from bans where conv_id = p_group and user_id = p_user;
	return change_of('duplicate', c, null);
end $$;

-- Invites. They change under the lock of their group, so that one is not used more often than its max_uses.

create function is_live(i invites) returns boolean language sql stable as $$
	select not i.ended and coalesce(i.expires_at > now(), true) and coalesce(i.uses < i.max_uses, true)
$$;

-- Status: ok, no_such_group, not_admin, too_many (live invites of the group). Of those that are not live, the last 900 are
-- kept.
create function create_invite(p_actor bigint, p_group bigint, p_code text, p_expires_s bigint, p_max_uses bigint)
returns table (status text, invite invites) language plpgsql as $$
declare
	c conversations;
	v_status text;
	i invites;
begin
	select * into c from conversation_lock(p_group);
	v_status := admin_rejection(c, p_actor);
	if v_status is null and (select count(*) from invites x where x.conv_id = p_group and is_live(x)) >= 100 then
		v_status := 'too_many';
	end if;
	if v_status is null then
		delete from invites where code in (select x.code from invites x where x.conv_id = p_group and not is_live(x)
			order by x.invite_no desc offset 900);
		insert into invites (code, conv_id, created_by, expires_at, max_uses)
			values (p_code, p_group, p_actor, now() + p_expires_s * interval '1 second', p_max_uses)
			returning * into i;
	end if;
	return query select coalesce(v_status, 'ok'), i;
end $$;

-- Status: ok (also if it has ended already), no_such_group, not_admin, no_such_invite.
create function end_invite(p_actor bigint, p_group bigint, p_code text) returns text language plpgsql as $$
declare
	c conversations;
	v_status text;
begin
	select * into c from conversation_lock(p_group);
	v_status := admin_rejection(c, p_actor);
	if v_status is not null then
		return v_status;
	end if;
	update invites set ended = true where code = p_code and conv_id = p_group;
	return case when found then 'ok' else 'no_such_invite' end;
end $$;

-- Status: ok; no_such_invite (none, or it is not live); duplicate (a member already, whatever has become of the invite); or
-- as enter_group.
create function join_by_invite(p_user bigint, p_code text) returns change language plpgsql as $$
declare
	c conversations;
	v_change change;
begin
	select * into c from conversation_lock((select conv_id from invites where code = p_code));
	if is_member(c.conv_id, p_user) then
		return change_of('duplicate', c, null);
	elsif not exists (select from invites i where i.code = p_code and is_live(i)) then
		return change_rejected('no_such_invite');
	end if;
	v_change := enter_group(c, p_user, p_user);
	if v_change.status = 'ok' then
		update invites set uses = uses + 1 where code = p_code;
	end if;
	return v_change;
end $$;

-- Moves watermarks forward, never back and never beyond last_seq. Returns those that moved. No seq and no mod is
-- assigned, so the conversations are not locked; the members are, in one order. own_only: the group is so large that
-- only the reader's own sockets are notified; else each message is followed by a push to each member of each member's
-- mark.
create function mark_read(p_user bigint[], p_conv bigint[], p_seq bigint[])
returns table (conv_id bigint, user_id bigint, read_seq bigint, own_only boolean) language plpgsql as $$
#variable_conflict use_column
begin
	set local synchronous_commit = off;	-- a lost watermark is read again, unlike a message
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
	returning m.conv_id, m.user_id, m.read_seq, c.member_count > 200;
end $$;

-- The users other than the viewer whose name has a word beginning with each of the words, which are folded and separated by
-- one space. The longest word finds them through the index, as a range that ends with the last code point. Only the first
-- 1,000 in the order of the index are considered, so that the cost does not grow with their number; the other words filter.
-- The user with the username p_words is always considered, and is the first.
create function search_users(p_viewer bigint, p_words text, p_limit bigint) returns setof users language plpgsql stable
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
	v_words text[] := string_to_array(p_words, ' ');
	v_longest text := (select w from unnest(v_words) w order by length(w) desc limit 1);
begin
	return query
	select u.*
	from (
		select n.user_id from users n where n.username = p_words
		union
		select f.user_id from (
			select p.user_id from user_words p
			where p.word ~>=~ v_longest and p.word ~<~ (v_longest || chr(1114111))
			order by p.word using ~<~
			limit 1000
		) f
	) c
	join users u on u.user_id = c.user_id
	where u.user_id <> p_viewer and u.deleted_at is null
		and not exists (select from unnest(v_words) w where w <> v_longest and not exists
			(select from user_words p where p.user_id = u.user_id and starts_with(p.word, w)))
	order by u.username = p_words desc, starts_with(u.username, v_words[1]) desc, u.username
	limit p_limit;
end $$;

-- Sets the stored password and deletes all tokens of the user but that of the request. What authorized the request is
-- checked again, since hashing takes long: the token and the old password. The user's row is locked
-- first: a log-in with the old password has inserted its token by then, or finds the new password; and of two changes
-- at once, the second finds what the first has done. Status: ok, bad_token, wrong_password.
create function set_password(p_user bigint, p_token bigint, p_old text, p_new text) returns text language plpgsql as $$
begin
	perform 1 from users where user_id = p_user and deleted_at is null for no key update;
	if not exists (select from tokens where token_id = p_token and user_id = p_user) then
		return 'bad_token';
	end if;
	update users set password = p_new where user_id = p_user and password = p_old;
	if not found then
		return 'wrong_password';
	end if;
	delete from tokens where user_id = p_user and token_id <> p_token;
	return 'ok';
end $$;

-- Deletes a user: the profile and the tokens at once, the rest in slices (end_memberships, erase_messages). The username
-- stays taken. The lock on the user waits for transactions that add a membership, and no later one adds any.
create function delete_user(p_user bigint) returns void language plpgsql as $$
begin
	perform 1 from users where user_id = p_user and deleted_at is null for update;
	if not found then
		return;
	end if;
	update users set full_name = '', folded_name = null, password = null, profile_picture = null, public_key = null, last_seen_at = null,
		deleted_at = now() where user_id = p_user;
	delete from tokens where user_id = p_user;
	delete from bans where user_id = p_user;
	insert into erasures (party_id, is_group) values (p_user, false);
end $$;

-- Ends the memberships of a deleted user in these conversations. A group gets a leave. Returns one row per membership
-- that ended; that of a direct conversation has no message. A slice waits for no conversation: those that another
-- transaction has locked are left out.
create function end_memberships(p_user bigint, p_conv bigint[]) returns setof change language plpgsql as $$
declare
	c conversations;
begin
	update erasures set touched_at = clock_timestamp() where party_id = p_user;
	for c in
		select * from conversations where conv_id = any (p_conv) order by conv_id for no key update skip locked
	loop
		if not is_member(c.conv_id, p_user) then
			continue;
		elsif c.kind = 'g' then
			return next drop_member(c, null, p_user);
		else
			delete from members where conv_id = c.conv_id and user_id = p_user;
			update conversations set member_count = member_count - 1 where conv_id = c.conv_id;
			return next change_of('ok', c, null);
		end if;
	end loop;
end $$;

-- Begins a slice of the erasure of a user: locks the conversations of these messages, but those that another transaction has
-- locked. Returns them.
create function erasure_lock(p_user bigint, p_message bigint[]) returns bigint[] language plpgsql as $$
declare
	v_conv bigint[];
begin
	update erasures set touched_at = clock_timestamp() where party_id = p_user;
	select array_agg(x.conv_id) into v_conv
	from (
		select c.conv_id from conversations c
		where c.conv_id in (select m.conv_id from messages m where m.message_id = any (p_message))
		order by c.conv_id for no key update skip locked
	) x;
	return v_conv;
end $$;

-- Erases those of these messages that the deleted user sent. Each takes a mod. Returns one row per conversation: its
-- counters, and its last mod before. Conversations that another transaction has locked are left out.
create function erase_messages(p_user bigint, p_message bigint[])
returns table (conv_id bigint, last_seq bigint, last_mod bigint, from_mod bigint) language plpgsql
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
#variable_conflict use_column
declare
	v_conv bigint[] := erasure_lock(p_user, p_message);
begin
	perform end_reactions((select array_agg(m.message_id) from messages m
		where m.message_id = any (p_message) and m.sender_id = p_user and m.conv_id = any (v_conv)));
	return query
	with numbered as (
		select m.message_id, m.conv_id, row_number() over (partition by m.conv_id order by m.seq) as nth
		from messages m
		where m.message_id = any (p_message) and m.sender_id = p_user and m.conv_id = any (v_conv)
	), heads as (
		update conversations c
		set last_mod = c.last_mod + g.n_erased
		from (select n.conv_id, count(*) as n_erased from numbered n group by 1) g
		where c.conv_id = g.conv_id
		returning c.conv_id, c.last_seq, c.last_mod, c.last_mod - g.n_erased as from_mod
	), erased as (
		update messages m
		set sender_id = null, client_id = null, mod = h.from_mod + n.nth,
			content = case when m.kind = 't' then null else m.content end,
			deleted = m.deleted or m.kind = 't', mentions = null, mentions_all = false, forwarded_from = null,
			forwarded_name = null, pinned = null
		from numbered n
		join heads h on h.conv_id = n.conv_id
		where m.message_id = n.message_id
	)
	select * from heads;
end $$;

-- Erases the next texts of a group that has ended. No mod is taken, since they have no reader; the client_ids stay taken.
-- Returns true if more may be left.
create function erase_group(p_group bigint) returns boolean language plpgsql
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
	v_done bigint;
	v_last bigint;
begin
	select done_seq into v_done from erasures where party_id = p_group for update;
	if not found then
		return false;
	end if;
	perform conversation_lock(p_group);
	perform end_reactions(array(
		select message_id from messages where conv_id = p_group and seq > v_done order by seq limit 200));
	with slice as (
		select message_id, seq from messages where conv_id = p_group and seq > v_done order by seq limit 200
	), erased as (
		update messages m set content = null, deleted = true, mentions = null, mentions_all = false, forwarded_from = null,
			forwarded_name = null, pinned = null
		from slice s
		where m.message_id = s.message_id and m.kind = 't' and not m.deleted
	)
	select max(seq) into v_last from slice;
	update erasures set done_seq = v_last, touched_at = clock_timestamp() where party_id = p_group and v_last is not null;
	delete from erasures where party_id = p_group and v_last is null;
	return v_last is not null;
end $$;

-- Waits until no writing session of a dead worker can still commit. Each writing session holds an advisory lock: p_class
-- is its daemon, the object its boot and incarnation. The objects p_live are alive, and so is each larger one of the
-- same boot, which was forked later. A session that still holds its lock after p_wait_ms is terminated.
create function fence_dead_workers(p_class int, p_live int[], p_wait_ms int) returns void language plpgsql as $$
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

-- Lets one daemon at a time write to the database. p_class and p_object are the lock that the writing session takes next
-- (see fence_dead_workers). Each writing session also holds a shared advisory lock that identifies its daemon's run. If
-- a session of another run is still there after p_wait_ms, this raises an error, and the session that calls it ends.
--
-- A session of the same class, of an earlier run, is left to the fence unless its client is alive: an idle session of a
-- local client that has died ends at once, and a remote client with our own address is not alive, since the daemon holds
-- the lock on its pid file.
create function claim_database(p_class int, p_object int, p_wait_ms int) returns void language plpgsql as $$
declare
	v_until timestamptz := clock_timestamp() + p_wait_ms * interval '1 ms';
	v_runs constant bigint := 1885434482;		-- the upper half of the keys of runs; an arbitrary number
	v_serial constant bigint := 8097878671;		-- the key that makes claims take turns; an arbitrary number
	v_run bigint := ((p_class::bigint << 11) | (p_object >> 20)) & 2147483647;
	v_other record;
begin
	loop
		perform pg_advisory_lock(v_serial), pg_stat_clear_snapshot();
		select a.pid, coalesce(host(a.client_addr), 'a Unix socket') as client into v_other
		from pg_locks r join pg_stat_activity a on a.pid = r.pid
		where r.locktype = 'advisory' and r.granted and r.objsubid = 1
			and r.database = (select oid from pg_database where datname = current_database())
			and r.classid::bigint = v_runs and r.objid::bigint <> v_run
			and (not exists (select from pg_locks l where l.pid = r.pid and l.locktype = 'advisory'
					and l.objsubid = 2 and l.classid::bigint = p_class)
				or a.state = 'idle' and (a.client_addr is null or a.client_addr <<= '127.0.0.0/8'
					or a.client_addr = '::1' or a.client_addr is distinct from inet_client_addr()))
		limit 1;
		if not found then
			perform pg_advisory_lock_shared((v_runs << 32) | v_run);
		end if;
		perform pg_advisory_unlock(v_serial);
		exit when v_other is null;
		if clock_timestamp() > v_until then
			raise 'another parleyd uses the database: its session % is connected from %',
				v_other.pid, v_other.client;
		end if;
		perform pg_sleep(0.02);
	end loop;
end $$;

-- Returns the name of the database's history, a new one if commits may have been lost since it was given:
--   * Another server, timeline or database, or another table of this name: a standby was promoted, or a backup restored.
--   * A transaction p_xid, which was committed under the name p_name, is in the future: files were put back.
-- The lock makes all connections agree on one new name. Without a change nothing is locked or written.
create function current_epoch(p_name text, p_xid bigint) returns text language plpgsql as $$
declare
	v_history constant text := concat_ws(' ', (select system_identifier from pg_control_system()),
		left(pg_walfile_name(pg_current_wal_lsn()), 8),
		(select oid from pg_database where datname = current_database()), 'epoch'::regclass::oid);
	v_name text;
begin
	for i in 1..2 loop
		select name into v_name from epoch where history = v_history
			and (name = p_name and txid_snapshot_xmax(txid_current_snapshot()) <= p_xid) is not true;
		if found then
			return v_name;
		end if;
		lock table epoch in share row exclusive mode;
	end loop;
	-- Reads must not wait for a synchronous standby.
	set local synchronous_commit = local;
	delete from epoch;
	insert into epoch (name, history) values (gen_random_uuid(), v_history) returning name into v_name;
	return v_name;
end $$;

-- Succeeds only if the server can store. A change in place needs no space, so this makes a table, which takes a block of
-- a file, and drops it in the same transaction.
create function probe_write() returns void language plpgsql as $$
begin
	execute format('create table parley.write_probe_%s as select 1 as one', pg_backend_pid());
	execute format('drop table parley.write_probe_%s', pg_backend_pid());
end $$;

-- Search (docs/design.md, "Search"). A text is folded, and consists of words, of characters that are found anywhere
-- (ideographs, kana, hangul, symbols and emoji) and of gaps. The same ranges are in common/search_text.c.

-- The characters that are found anywhere, and the gaps: the content of a bracket of a regular expression.
create function search_anywhere() returns text language sql immutable parallel safe as $$
	select '\u2190-\u2bff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U0001f000-\U0001faff\U00020000-\U0003ffff'
$$;

create function search_gaps() returns text language sql immutable parallel safe as $$
	select '\u0001-\u002f\u003a-\u0060\u007b-\u00bf\u00d7\u00f7\u2000-\u206f\u3000-\u303f\uff00-\uff0f'
$$;

-- A text without case and accents. Not strict: a strict function with a case is not inlined, which costs a third.
create function search_fold(t text) returns text language sql immutable parallel safe as $$
	select case when octet_length(t) = char_length(t) then lower(t collate "C") collate "default"
		else normalize(replace(lower(regexp_replace(normalize(t, nfkd),
			'[\u00ad\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0670\ufe00-\ufe0f]', '', 'g') collate search_case),
			U&'\03C2', U&'\03C3'), nfc) collate "default" end
$$;

-- True if a folded text has a link.
create function search_has_link(f text) returns boolean language sql immutable parallel safe as $$
	select f ~ 'https?://[^[:space:]]'
$$;

-- The words of a folded text in their order, and its runs of characters that are found anywhere.
create function search_words(f text) returns table (n bigint, w text, anywhere boolean) language sql immutable parallel safe as $$
	select r.n, r.m[1], r.m[1] ~ ('^[' || search_anywhere() || ']')
	from regexp_matches(f, '[' || search_anywhere() || ']+|[^' || search_anywhere() || search_gaps() || ']+', 'g')
		with ordinality r (m, n)
$$;

-- What a folded text can be found by, hashed: each word ("=word"), the trigrams of " word ", and of a run each character
-- and each pair. A word has trigrams of its first 64 characters, so that one text has a bounded number.
create function search_terms(f text) returns int4[] language sql immutable parallel safe as $$
	with words as materialized (select distinct s.w, s.anywhere from search_words(f) s)
	select coalesce(array_agg(distinct hashtext(t.term)), '{}')
	from (
		select '=' || w from words where not anywhere
		union all
		select substr(' ' || left(w, 64) || ' ', i, 3) from words, generate_series(1, least(length(w), 64)) i
		where not anywhere
		union all
		select substr(w, i, k) from words, generate_series(1, length(w)) i, generate_series(1, 2) k where anywhere
	) t (term)
$$;

-- Translates the terms of a query. The kind of a term is word (words that begin so; a single letter is a whole word), phrase
-- or part (in the middle of a word as well).
--   terms    what a block must have
--   likes    what a folded text must be like
--   regexes  what it must match. They are made of letters of the query, none of which is special, and of the ranges above
create function search_query(p_kinds text[], p_texts text[], p_sender bigint, p_link boolean,
	out terms int4[], out likes text[], out regexes text[]) language plpgsql stable as $$
declare
	v_gap constant text := '[' || search_gaps() || ']';
	v_edge constant text := '[' || search_gaps() || search_anywhere() || ']';
	v_names text[] := '{}';
	v_term record;
	v_regex text;
	v_begins boolean;
	v_ends boolean;
begin
	likes := '{}';
	regexes := '{}';
	for v_term in
		select i.kind, array_agg(s.w order by s.n) as words, array_agg(s.anywhere order by s.n) as anywhere
		from unnest(p_kinds, p_texts) with ordinality i (kind, text, nth)
		cross join lateral search_words(search_fold(i.text)) s
		group by i.nth, i.kind
	loop
		v_regex := '';
		for i in 1..cardinality(v_term.words) loop
			v_begins := i > 1 or v_term.kind <> 'part';
			v_ends := i < cardinality(v_term.words) or v_term.kind = 'phrase'
				or (v_term.kind = 'word' and i = 1 and length(v_term.words[1]) = 1);
			likes := likes || ('%' || v_term.words[i] || '%');
			v_regex := v_regex
				|| case when i > 1 then v_gap || case when v_term.anywhere[i - 1] or v_term.anywhere[i] then '*' else '+' end
					when v_begins and not v_term.anywhere[i] then '(?:^|' || v_edge || ')' else '' end
				|| v_term.words[i]
				|| case when i = cardinality(v_term.words) and v_ends and not v_term.anywhere[i]
					then '(?:$|' || v_edge || ')' else '' end;
			v_names := v_names || case
				when v_term.anywhere[i] then array(select substr(v_term.words[i], k, 2)
					from generate_series(1, greatest(1, length(v_term.words[i]) - 1)) k)
				when v_begins and v_ends then array['=' || v_term.words[i]]
				else array(select substr(x, k, 3)
					from (select case when v_begins then ' ' else '' end || left(v_term.words[i], 64)) y (x),
						generate_series(1, length(x) - 2) k) end;
		end loop;
		if v_regex <> v_term.words[1] then
			regexes := regexes || v_regex;
		end if;
	end loop;
	v_names := v_names || case when p_sender is not null then array['@' || p_sender] else '{}' end
		|| case when p_link then array['\link'] else '{}' end;
	terms := array(select distinct hashtext(x) from unnest(v_names) x);
end $$;

-- Builds a block from the messages as they are now. Returns their number.
create function search_build(p_conv bigint, p_block int) returns int language plpgsql
set enable_seqscan = off
as $$
declare
	v record;
begin
	select count(*) as n, min(m.sent_at) as first_at, max(m.sent_at) as last_at,
		search_terms(string_agg(m.f, ' ')) || array_agg(distinct hashtext('@' || m.sender_id)) filter (where m.f is not null)
			|| case when bool_or(search_has_link(m.f)) then array[hashtext('\link')] else '{}' end as terms
	into v
	from (
		select t.sent_at, t.sender_id, case when t.kind = 't' and not t.deleted then search_fold(t.content) end as f
		from messages t
		where t.conv_id = p_conv and t.seq between p_block * 128::bigint + 1 and p_block * 128::bigint + 128
		offset 0
	) m;
	insert into search_blocks as b (conv_id, block, first_at, last_at, terms)
	values (p_conv, p_block, v.first_at, v.last_at, array(select t from unnest(v.terms) t where t is not null))
	on conflict (conv_id, block) do update
	set first_at = excluded.first_at, last_at = excluded.last_at, terms = excluded.terms;
	return v.n;
end $$;

-- One step of the indexer, of about p_ms milliseconds. Returns the number of blocks that it has built or deleted; 0: nothing
-- is due. A conversation is due
--   * if its last member has left: its blocks are deleted;
--   * if it is not indexed yet: its newest block is built;
--   * if its newest changes are as many as the messages of its newest block were, so that a message is indexed some four
--     times; the tail that is left is short, and read by each search;
--   * if a message was changed, and p_delay has passed: so texts that were erased or edited leave the index;
--   * if older messages are not indexed yet.
create function search_index(p_ms int, p_delay interval) returns int language plpgsql
set synchronous_commit = off
set enable_seqscan = on
as $$
declare
	v_until timestamptz;	-- from when the first conversation that is due was found, however long that took
	v record;
	v_change record;
	v_blocks int[];
	v_built int := 0;
	v_n int;
	v_rows int;
	v_mod bigint;
	v_from bigint;
begin
	for v in
		select c.conv_id, c.last_seq, c.last_mod, c.member_count, h.from_seq, h.mod, h.conv_id is null as is_new, is_changed
		from conversations c
		left join search_heads h using (conv_id)
		cross join lateral (select c.last_mod > h.mod and (c.last_mod - h.mod >= greatest(16, h.n_open)
			or (c.last_mod - h.mod > c.last_seq - h.seq and h.indexed_at < now() - p_delay)) as is_changed) x
		where c.last_seq > 0 and case
			when c.member_count = 0 then h.conv_id is not null
			when h.conv_id is null or h.from_seq > 1 then true
			else is_changed end
		order by h.conv_id is not null, h.from_seq > 1 and not is_changed
		limit 64
	loop
		v_until := coalesce(v_until, clock_timestamp() + p_ms * interval '1 ms');
		exit when v_built > 0 and clock_timestamp() > v_until;
		v_built := v_built + 1;
		if v.member_count = 0 then
			delete from search_blocks where conv_id = v.conv_id;
		elsif v.is_new then
			v_n := search_build(v.conv_id, ((v.last_seq - 1) / 128)::int);
			insert into search_heads (conv_id, from_seq, seq, mod, n_open, indexed_at)
			values (v.conv_id, (v.last_seq - 1) / 128 * 128 + 1, v.last_seq, v.last_mod, v_n % 128, clock_timestamp())
			on conflict do nothing;
		elsif v.is_changed then
			-- The next changes, in their order: those of at most 8 blocks, and of one if it takes long.
			v_blocks := '{}';
			v_mod := v.last_mod;
			v_n := 0;
			for v_change in
				select m.mod, ((m.seq - 1) / 128)::int as block
				from messages m
				where m.conv_id = v.conv_id and m.mod > v.mod and m.mod <= v.last_mod and m.seq >= v.from_seq
				order by m.mod
			loop
				continue when v_change.block = any (v_blocks);
				if cardinality(v_blocks) = 8 or (v_blocks <> '{}' and clock_timestamp() > v_until) then
					v_mod := v_change.mod - 1;
					exit;
				end if;
				v_blocks := v_blocks || v_change.block;
				v_rows := search_build(v.conv_id, v_change.block);
				if v_change.block >= all (v_blocks) then
					v_n := v_rows;
				end if;
			end loop;
			update search_heads
			set mod = v_mod, seq = case when v_mod = v.last_mod then v.last_seq else seq end, n_open = v_n % 128,
				indexed_at = clock_timestamp()
			where conv_id = v.conv_id;
		else
			v_from := v.from_seq;
			loop
				perform search_build(v.conv_id, ((v_from - 2) / 128)::int);
				v_from := v_from - 128;
				exit when v_from = 1 or clock_timestamp() > v_until;
			end loop;
			update search_heads set from_seq = v_from where conv_id = v.conv_id;
		end if;
	end loop;
	return v_built;
end $$;

-- True if the index of the blocks can be used.
create function search_ready() returns boolean language sql stable as $$
	select coalesce((select i.indisvalid from pg_index i where i.indexrelid = to_regclass('search_blocks_terms')), false)
$$;

-- How far the index is: the conversations, and how many of them have blocks; the messages, and how many of them are from where
-- their conversation is indexed; the changes that are not indexed.
create function search_state(out ready boolean, out conversations bigint, out indexed_conversations bigint, out messages bigint,
	out indexed_messages bigint, out behind bigint) language sql stable as $$
	select search_ready(), count(*), count(h.conv_id), coalesce(sum(c.last_seq), 0)::int8,
		coalesce(sum(c.last_seq - h.from_seq + 1), 0)::int8, coalesce(sum(c.last_mod - coalesce(h.mod, 0)), 0)::int8
	from conversations c
	left join search_heads h using (conv_id)
	where c.last_seq > 0 and c.member_count > 0
$$;

-- The texts of a block that match and precede a position.
create function search_block(p_conv bigint, p_block int, p_mod bigint, p_likes text[], p_regexes text[], p_sender bigint,
	p_link boolean, p_before timestamptz, p_before_id bigint, p_after timestamptz)
returns table (message_id bigint, sent_at timestamptz) language sql stable as $$
	select t.message_id, t.sent_at
	from messages t
	cross join lateral (select search_fold(t.content) as f offset 0) x
	where t.conv_id = p_conv and t.seq between p_block * 128::bigint + 1 and p_block * 128::bigint + 128
		and t.mod <= p_mod and t.kind = 't' and not t.deleted and (p_sender is null or t.sender_id = p_sender)
		and (t.sent_at, t.message_id) < (p_before, p_before_id) and t.sent_at >= p_after
		and x.f like all (p_likes) and x.f ~ all (p_regexes) and (not p_link or search_has_link(x.f))
$$;

-- The blocks of conversations that have all terms, the latest first. The settings leave one plan, which reads the GIN index:
-- the planner would read the terms of all blocks for a common one. They include those that a caller's would change.
create function search_candidates(p_conv bigint[], p_mod bigint[], p_terms int4[], p_before timestamptz, p_after timestamptz)
returns table (conv_id bigint, block int, last_at timestamptz, mod bigint) language plpgsql stable rows 1000
set plan_cache_mode = force_custom_plan
set enable_seqscan = off
set enable_indexscan = off
set enable_indexonlyscan = off
set enable_bitmapscan = on
set enable_mergejoin = off
set enable_nestloop = off
set enable_hashjoin = on
set jit = off
as $$
begin
	return query
	select s.conv_id, s.block, s.last_at::timestamptz, i.mod
	from search_blocks s
	join unnest(p_conv, p_mod) i (conv, mod) on i.conv = s.conv_id
	-- The operator of the core: the extension intarray has another one of this name.
	where s.terms operator(pg_catalog.@>) p_terms and s.first_at <= p_before and s.last_at >= p_after
	order by s.last_at desc;
end $$;

-- A page of the texts that match, in the chats of a user as they are now, the newest first.
--   p_conv    one conversation; null: all
--   p_before  the position that the page precedes: a time and a message_id
--   p_budget  the number of blocks to read at most
-- The index only proposes: each message is read. What is not indexed yet is read as well, of each chat the 256 newest changes.
-- Returns the messages, and a last row without one:
--   sent_at     down to which time everything was searched; null: to the end
--   incomplete  true if older messages of these chats are not indexed yet
--   percent     null; or how much is indexed, if search is not ready
create function search_messages(p_user bigint, p_conv bigint, p_kinds text[], p_texts text[], p_sender bigint, p_link boolean,
	p_file boolean, p_before timestamptz, p_before_id bigint, p_after timestamptz, p_limit bigint, p_budget int)
returns table (message_id bigint, sent_at timestamptz, incomplete boolean, percent bigint) language plpgsql stable rows 50
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
#variable_conflict use_column
declare
	q record;
	b record;
	v_conv bigint[];
	v_mod bigint[];
	v_incomplete boolean;
	v_ids bigint[];
	v_ats timestamptz[];
	v_more_ids bigint[];
	v_more_ats timestamptz[];
	v_left int := p_budget;
	v_to timestamptz;
begin
	if not search_ready() then
		return query select null::bigint, null::timestamptz, true, s.indexed_messages * 100 / greatest(s.messages, 1)
			from search_state() s;
		return;
	end if;
	select * into q from search_query(p_kinds, p_texts, p_sender, p_link);
	select array_agg(c.conv_id), array_agg(coalesce(h.mod, 0)),
		coalesce(bool_or(h.from_seq > 1 or c.last_mod - coalesce(h.mod, 0) > 256), false)
	into v_conv, v_mod, v_incomplete
	from members m
	join conversations c on c.conv_id = m.conv_id
	left join search_heads h on h.conv_id = m.conv_id
	where m.user_id = p_user and (p_conv is null or m.conv_id = p_conv)
		and not p_file;		-- no message has a file

	select coalesce(array_agg(t.message_id), '{}'), coalesce(array_agg(t.sent_at), '{}') into v_ids, v_ats
	from unnest(v_conv, v_mod) i (conv, mod)
	join conversations c on c.conv_id = i.conv and c.last_mod > i.mod
	cross join lateral (select m.* from messages m where m.conv_id = i.conv and m.mod > i.mod order by m.mod desc limit 256) t
	cross join lateral (select search_fold(t.content) as f offset 0) x
	where t.kind = 't' and not t.deleted and (p_sender is null or t.sender_id = p_sender)
		and (t.sent_at, t.message_id) < (p_before, p_before_id) and t.sent_at >= p_after
		and x.f like all (q.likes) and x.f ~ all (q.regexes) and (not p_link or search_has_link(x.f));

	for b in select * from search_candidates(v_conv, v_mod, q.terms, p_before, p_after) loop
		exit when (select count(*) from unnest(v_ats) at where at > b.last_at) >= p_limit;
		-- A block that spans the position, at most one of each chat, is not counted: so each page gets further.
		if b.last_at < p_before then
			if v_left = 0 then
				v_to := b.last_at;
				exit;
			end if;
			v_left := v_left - 1;
		end if;
		select array_agg(s.message_id), array_agg(s.sent_at) into v_more_ids, v_more_ats
		from search_block(b.conv_id, b.block, b.mod, q.likes, q.regexes, p_sender, p_link, p_before, p_before_id, p_after) s;
		v_ids := v_ids || v_more_ids;
		v_ats := v_ats || v_more_ats;
	end loop;

	return query
	select u.id, u.at, v_incomplete, null::bigint
	from unnest(v_ids, v_ats) u (id, at)
	where v_to is null or u.at > v_to
	order by u.at desc, u.id desc
	limit p_limit;
	return query select null::bigint, v_to, v_incomplete, null::bigint;
end $$;
