-- Replies, mentions, forwards and pins of messages. Each column is null or has a constant default, so that no row is
-- rewritten. There is no index on the new columns, since its build would block the sends to a large table: what is
-- looked up has tables of its own.
alter table messages
	add column reply_to bigint,		-- the message that this one replies to, of the same conversation
	add column thread_id bigint,		-- the first message of the thread; null if this is no reply
	add column mentions bigint[],		-- the users mentioned; null: none
	add column mentions_all boolean not null default false,
	add column forwarded_from bigint,	-- the first author
	add column forwarded_name text,		-- their name when it was forwarded; null: not forwarded
	add column pinned bigint;		-- orders the pinned messages of a conversation: the mod of the pin; null: not pinned

-- The messages that were replied to.
create table replied (
	message_id bigint primary key,
	replies bigint not null
) with (fillfactor = 60);

-- The messages of each thread but its first.
create table thread_messages (
	thread_id bigint not null,
	seq bigint not null,
	primary key (thread_id, seq)
);
