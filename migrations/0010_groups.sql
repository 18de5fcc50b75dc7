-- Roles, profiles, bans and invite links of groups. No row is rewritten: the default of a new column is a constant.

alter table members
	add column admin boolean not null default false;	-- the owner is conversations.owner_id
alter table conversations
	add column posting_admins boolean not null default false,	-- True if only the owner and admins may post
	add column adding_admins boolean not null default false,	-- True if only the owner and admins may add members
	add column revision bigint not null default 0;	-- counts the changes of `chat` objects that take no mod

-- Not in conversations, since each message writes a version of that row. Without a row, a group has neither.
create table group_profiles (
	conv_id bigint primary key,
	description text,
	picture text
);

create table bans (
	conv_id bigint not null,
	user_id bigint not null,
	ban_no bigint generated always as identity,
	primary key (conv_id, user_id)
);
create index bans_user on bans (user_id);

-- An invite that has ended is kept for a while: a member who follows it again is answered with the group.
create table invites (
	code text primary key,
	conv_id bigint not null,
	invite_no bigint generated always as identity,
	created_by bigint not null,
	expires_at timestamptz(3),	-- null: never
	max_uses int,			-- null: any number
	uses int not null default 0,
	ended boolean not null default false
);
create index invites_group on invites (conv_id, invite_no);
