-- Reactions to messages, and the order of pinned messages. The new column is null, so that no row of messages is rewritten.

-- The emoji are compared by their bytes.
create table reactions (
	message_id bigint not null,
	user_id bigint not null,
	emoji text collate "C" not null,	-- without U+FE0F
	mod bigint not null,			-- of the conversation when it was added: orders those of a message
	primary key (message_id, user_id, emoji)
);
create index reactions_order on reactions (message_id, emoji, mod);
create index reactions_user on reactions (user_id);

-- How many reactions with an emoji a message has, at least one: a message is served without reading all of them.
create table reaction_counts (
	message_id bigint not null,
	emoji text collate "C" not null,
	n int not null,
	primary key (message_id, emoji)
) with (fillfactor = 60);

-- The mod of the newest change of its reactions; null: none. A worker that reads a gap finds by it that the gap has reactions.
alter table messages add column reacted bigint;

create table pins (
	message_id bigint primary key,
	conv_id bigint not null,
	mod bigint not null	-- of the pin
);
create index pins_order on pins (conv_id, mod);
