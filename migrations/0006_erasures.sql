-- Deleted users and ended groups whose messages are not all erased yet. Users and groups share one id space.
create table erasures (
	party_id bigint primary key,
	is_group boolean not null,
	done_seq bigint not null default 0,	-- of a group: its messages up to here are erased
	touched_at timestamptz not null default clock_timestamp()	-- by each slice; if it is old, no worker is at it
);
